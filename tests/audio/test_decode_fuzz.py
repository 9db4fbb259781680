"""Whatever bytes arrive, there is a verdict: no crash, no hang, no memory beyond the caps."""

from __future__ import annotations

import io
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from otoloop.audio.decode import Decoded, Decoder
from otoloop.audio.refusals import REMEDIES
from otoloop.params import IntakeParams
from otoloop.records import Verdict

PARAMS = IntakeParams.model_validate({"max_mb": 4, "max_seconds": 20, "min_seconds": 0.05, "decode_memory_mb": 128})


def _seed(form: str, subtype: str, channels: int = 1) -> bytes:
    rng = np.random.default_rng(3)
    out = io.BytesIO()
    soundfile.write(out, rng.normal(size=(2000, channels)) * 0.1, 16000, format=form, subtype=subtype)
    return out.getvalue()


SEEDS = [
    _seed("WAV", "PCM_16"), _seed("WAV", "PCM_24", 2), _seed("WAV", "FLOAT"), _seed("WAV", "DOUBLE"),
    _seed("RF64", "PCM_16"), _seed("WAVEX", "PCM_16", 2), _seed("FLAC", "PCM_16"), _seed("FLAC", "PCM_24", 2),
    _seed("WAV", "IMA_ADPCM"),
]  # fmt: skip


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(PARAMS) as decoder:
        yield decoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real file with bytes changed in its header or anywhere, numbers made extreme, and its end cut or grown."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.one_of(st.integers(0, 80), st.integers(0, len(data) - 1)))
        patch = draw(st.one_of(
            st.binary(min_size=1, max_size=4),
            st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80"]),
        ))  # fmt: skip
        data[at : at + len(patch)] = patch
    cut = draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))
    return bytes(data[:cut]) + draw(st.binary(max_size=20))


def check(decoder: Decoder, folder: Path, data: bytes) -> None:
    path = folder / "case.bin"
    path.write_bytes(data)
    found = decoder.decode(path)
    if isinstance(found, Decoded):
        assert found.samples.shape[1] == found.channels <= PARAMS.max_channels
        assert PARAMS.min_seconds <= found.seconds <= PARAMS.max_seconds
        assert np.isfinite(found.floats()).all()
    else:
        assert isinstance(found, Verdict) and found.reason_code in REMEDIES and found.message


@settings(max_examples=150, deadline=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=mutated())
def test_mutated_files(decoder: Decoder, folder: Path, data: bytes) -> None:
    check(decoder, folder, data)


@settings(max_examples=60, deadline=20_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda b: b"fLaC" + b)))
@example(data=b"")
@example(data=b"RIFF")
@example(data=b"fLaC\x80\x00\x00\x22" + bytes(34))
def test_any_bytes(decoder: Decoder, folder: Path, data: bytes) -> None:
    check(decoder, folder, data)


@pytest.mark.slow
def test_many_mutations_stay_within_memory(decoder: Decoder, folder: Path) -> None:
    rng = np.random.default_rng(11)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(20_000):
        data = bytearray(SEEDS[int(rng.integers(len(SEEDS)))])
        for at in rng.integers(0, 90 if rng.random() < 0.7 else len(data), int(rng.integers(1, 8))):
            data[int(at)] = int(rng.integers(256))
        check(decoder, folder, bytes(data[: int(rng.integers(1, len(data) + 1))] if rng.random() < 0.2 else data))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes
