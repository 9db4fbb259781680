"""Features are the base's own, hit or miss."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
import soundfile

from otoloop.errors import OtoloopError
from otoloop.outs import file_sha256
from otoloop.params import EncodeParams
from otoloop.train import base as bases
from otoloop.train import encode
from otoloop.train.features import FeatureStore
from otoloop.train.sound import wave

from .conftest import sound


def digests(folder):
    return {p.name: file_sha256(p) for p in folder.iterdir()}


def test_features_are_those_of_the_tower(workspace, base_folder):
    from otoloop.model.bases import load_base
    from otoloop.model.features import encode as hear

    store = FeatureStore(workspace / "work/features")
    (expected,) = hear(load_base(str(base_folder)), [wave(sound(7))])
    assert store.length("c007") == len(expected)
    assert np.allclose(store["c007"], expected, atol=2e-3)


def test_a_memo_hit_and_a_miss_give_the_same_bytes(workspace):
    first = digests(workspace / "work/features")
    memo = workspace / ".otoloop/memo/encode"
    for some in sorted(memo.rglob("*.npz"))[::2]:
        some.unlink()
    encode.main(EncodeParams(batch=4), workspace)
    partly = digests(workspace / "work/features")
    shutil.rmtree(memo)
    encode.main(EncodeParams(batch=4), workspace)
    assert first == partly == digests(workspace / "work/features")


def test_clips_of_suites_are_heard_too(workspace):
    store = FeatureStore(workspace / "work/features")
    assert len(store.index) == 23
    with pytest.raises(OtoloopError, match="no features"):
        store.length("nobody")


def test_another_base_than_the_cycles_is_refused(workspace):
    path = workspace / "inputs/cycle.yaml"
    path.write_text(path.read_text().replace("sha256: ", "sha256: 00", 2))
    with pytest.raises(OtoloopError, match="new cycle"):
        encode.main(EncodeParams(batch=4), workspace)


def test_sound_is_brought_to_one_channel_16_khz_and_30_seconds():
    import io

    import soundfile

    loud = 0.4 + 0.1 * np.resize([1.0, -1.0], 48000 * 31)
    stereo = np.stack([loud, np.zeros(48000 * 31)], axis=1)
    out = io.BytesIO()
    soundfile.write(out, stereo, 48000, format="FLAC")
    heard = wave(out.getvalue())
    assert heard.shape == (30 * 16000,) and heard.dtype == np.float32
    assert abs(float(np.median(heard)) - 0.4) < 1e-3


def test_a_base_is_given_as_much_as_it_listens_to(tmp_path):
    """The embedded base loses the thread in what is longer than it was taught."""
    data = io.BytesIO()
    soundfile.write(data, np.random.default_rng(1).normal(0, 0.1, 20 * 16000), 16000, format="WAV")
    (heard,) = encode._Encoder(bases.describe("otoloop-mini"), 4, tmp_path)._hear([data.getvalue()])
    assert len(heard) == 8 * 25
