"""Files decode to the same sound whatever holds them, or are refused with a code, a sentence and a remedy."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from otoloop.audio.decode import Decoded, Decoder, decode
from otoloop.audio.fingerprint import content_id
from otoloop.audio.refusals import REMEDIES
from otoloop.codes import QUARANTINE_CODES
from otoloop.params import IntakeParams
from otoloop.records import Verdict

PARAMS = IntakeParams.model_validate({})


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(PARAMS) as decoder:
        yield decoder


def encoded(samples: np.ndarray, form: str, subtype: str, rate: int = 16000) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=form, subtype=subtype)
    return out.getvalue()


def refused(decoder: Decoder, path: Path, data: bytes) -> str | None:
    path.write_bytes(data)
    found = decoder.decode(path)
    if isinstance(found, Decoded):
        return None
    assert found.message and found.remedy == REMEDIES[found.reason_code]  # type: ignore[index]
    return found.reason_code


def test_every_code_has_a_remedy() -> None:
    assert set(REMEDIES) == set(QUARANTINE_CODES)


@pytest.mark.parametrize("channels", [1, 2])
def test_one_sound_has_one_id(decoder: Decoder, tmp_path: Path, sounds: SimpleNamespace, channels: int) -> None:
    pcm = (np.stack([sounds.noise(i, 1.0) for i in range(channels)], 1) * 32767).astype(np.int16)
    ids = set()
    for i, (form, subtype) in enumerate([
        ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"),
        ("FLAC", "PCM_16"), ("FLAC", "PCM_24"),
    ]):  # fmt: skip
        path = tmp_path / f"{i}.bin"
        path.write_bytes(encoded(pcm, form, subtype))
        clip = decoder.decode(path)
        assert isinstance(clip, Decoded), clip
        assert clip.samples.dtype == np.int32 and clip.samples.shape == (16000, channels)
        assert np.array_equal(clip.samples >> 16, pcm)
        ids.add(content_id(clip))
    assert len(ids) == 1


def test_the_id_of_a_sound_never_changes(decoder: Decoder, tmp_path: Path) -> None:
    ramp = np.arange(-8000, 8000, dtype=np.int16)
    (tmp_path / "a.wav").write_bytes(encoded(ramp, "WAV", "PCM_16"))
    clip = decoder.decode(tmp_path / "a.wav")
    assert isinstance(clip, Decoded)
    assert content_id(clip) == GOLDEN_ID
    assert content_id(Decoded(clip.samples, 8000, 1, "PCM_16", "wav")) != GOLDEN_ID


GOLDEN_ID = "e406ec2f4b02a15ca099db697161dc019dcaa792941bd2a44e3f6d8fe5a197db"


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_floats_stay_floats(decoder: Decoder, tmp_path: Path, sounds: SimpleNamespace, subtype: str) -> None:
    wave = sounds.noise(1, 1.0)
    (tmp_path / "a.wav").write_bytes(encoded(wave, "WAV", subtype))
    clip = decoder.decode(tmp_path / "a.wav")
    assert isinstance(clip, Decoded) and clip.samples.dtype == np.float32
    assert np.array_equal(clip.floats()[:, 0], wave)


@pytest.mark.parametrize(
    "form, subtype, code",
    [
        ("WAV", "PCM_U8", "unsupported_codec"), ("WAV", "ULAW", "unsupported_codec"),
        ("WAV", "IMA_ADPCM", "unsupported_codec"), ("WAV", "GSM610", "unsupported_codec"),
        ("FLAC", "PCM_S8", "unsupported_codec"), ("AIFF", "PCM_16", "bad_magic"),
        ("OGG", "VORBIS", "bad_magic"), ("CAF", "PCM_16", "bad_magic"), ("W64", "PCM_16", "bad_magic"),
    ],
)  # fmt: skip
def test_other_codecs_are_refused(
    decoder: Decoder, tmp_path: Path, sounds: SimpleNamespace, form: str, subtype: str, code: str
) -> None:
    assert refused(decoder, tmp_path / "a.wav", encoded(sounds.noise(0, 1.0), form, subtype)) == code


def test_caps(decoder: Decoder, tmp_path: Path, sounds: SimpleNamespace) -> None:
    wave, path = sounds.noise(0, 1.0), tmp_path / "a.wav"
    assert refused(decoder, path, encoded(wave[:4000], "WAV", "PCM_16")) == "too_short"
    assert refused(decoder, path, encoded(wave, "WAV", "PCM_16", 2000)) == "rate_out_of_range"
    assert refused(decoder, path, encoded(wave, "WAV", "PCM_16", 250000)) == "rate_out_of_range"
    assert refused(decoder, path, encoded(np.repeat(wave[:, None], 9, 1), "WAV", "PCM_16")) == "channels_out_of_range"
    with path.open("wb") as file:
        file.truncate(513 * 2**20)
    found = decoder.decode(path)
    assert isinstance(found, Verdict) and found.reason_code == "too_large"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_must_be_numbers(decoder: Decoder, tmp_path: Path, sounds: SimpleNamespace, bad: float) -> None:
    wave = sounds.noise(0, 1.0)
    wave[8000] = bad
    assert refused(decoder, tmp_path / "a.wav", encoded(wave, "WAV", "FLOAT")) == "not_finite"
    (tmp_path / "b.wav").write_bytes(encoded(wave, "WAV", "FLOAT"))
    found = decoder.decode(tmp_path / "b.wav")
    assert isinstance(found, Verdict) and "0.500 s" in found.message


def test_a_double_beyond_float32_is_not_finite(decoder: Decoder, tmp_path: Path, sounds: SimpleNamespace) -> None:
    wave = sounds.noise(0, 1.0).astype(np.float64)
    wave[5] = 1e300
    assert refused(decoder, tmp_path / "a.wav", encoded(wave, "WAV", "DOUBLE")) == "not_finite"


def test_any_flipped_byte_in_the_sound_of_a_flac_is_caught(
    decoder: Decoder, tmp_path: Path, sounds: SimpleNamespace
) -> None:
    data = encoded((sounds.noise(0, 1.0) * 32767).astype(np.int16), "FLAC", "PCM_16")
    rng = np.random.default_rng(0)
    start = data.index(b"\xff\xf8")
    for at in rng.integers(start, len(data), 60):
        broken = bytearray(data)
        broken[at] ^= 1 << int(rng.integers(8))
        assert refused(decoder, tmp_path / "a.flac", bytes(broken)) in ("decode_failed", "header_mismatch"), at


def test_a_broken_file_does_not_stop_the_batch(tmp_path: Path, sounds: SimpleNamespace) -> None:
    good = encoded(sounds.noise(0, 1.0), "WAV", "PCM_16")
    (tmp_path / "good.wav").write_bytes(good)
    flac = encoded(sounds.noise(0, 1.0), "FLAC", "PCM_16")
    (tmp_path / "bad.flac").write_bytes(flac[:200] + b"\x00" * (len(flac) - 200))
    with Decoder(PARAMS) as decoder:
        for _ in range(3):
            assert isinstance(decoder.decode(tmp_path / "good.wav"), Decoded)
            assert isinstance(decoder.decode(tmp_path / "bad.flac"), Verdict)


def test_a_child_that_was_killed_is_replaced(tmp_path: Path, sounds: SimpleNamespace) -> None:
    (tmp_path / "good.wav").write_bytes(encoded(sounds.noise(0, 1.0), "WAV", "PCM_16"))
    with Decoder(PARAMS) as decoder:
        assert isinstance(decoder.decode(tmp_path / "good.wav"), Decoded)
        assert decoder._child is not None
        decoder._child.kill()
        decoder._child.wait()
        found = decoder.decode(tmp_path / "good.wav")
        assert isinstance(found, Verdict) and found.reason_code in ("decode_failed", "resource_limit")
        assert isinstance(decoder.decode(tmp_path / "good.wav"), Decoded)


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.wav"):
        with pytest.raises(FileNotFoundError):
            decode(path, PARAMS)


def test_a_chunk_of_text_or_tags_does_no_harm(decoder: Decoder, tmp_path: Path, sounds: SimpleNamespace) -> None:
    data = bytearray(encoded(sounds.noise(0, 1.0), "WAV", "PCM_16"))
    tags = b"LIST" + struct.pack("<I", 5) + b"INFOx\x00"
    data += tags
    data[4:8] = struct.pack("<I", len(data) - 8)
    assert refused(decoder, tmp_path / "a.wav", bytes(data)) is None
