"""Copies of a recording know each other; other recordings of the same machine do not."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr

from otoloop.audio.fingerprint import near_duplicates, near_hash, near_share


def machine(sounds: SimpleNamespace, seed: int) -> np.ndarray:
    return np.asarray(sounds.swelling(seed, 7.0, 0.5) + sounds.impacts(40.0, seed=seed) + sounds.tone(310, 0.02))


def as_mp3(wave: np.ndarray) -> np.ndarray:
    out = io.BytesIO()
    soundfile.write(out, wave, 16000, format="MP3")
    return np.asarray(soundfile.read(io.BytesIO(out.getvalue()), dtype="float32")[0])


COPIES = {
    "quieter": lambda w: w * 0.3,
    "through 48 kHz": lambda w: soxr.resample(soxr.resample(w, 16000, 48000), 48000, 16000),
    "through 8 kHz": lambda w: soxr.resample(soxr.resample(w, 16000, 8000), 8000, 16000),
    "as MP3": as_mp3,
    "start cut off": lambda w: w[8208:],
    "two seconds of it": lambda w: w[16000:48000],
}


@pytest.mark.parametrize("name", list(COPIES))
def test_copies_are_known(sounds: SimpleNamespace, name: str) -> None:
    for seed in range(4):
        wave = machine(sounds, seed)
        copy = np.asarray(COPIES[name](wave), np.float32)
        assert near_duplicates(near_hash(wave), near_hash(copy)), name


def test_other_recordings_of_one_machine_are_not(sounds: SimpleNamespace) -> None:
    hashes = [near_hash(machine(sounds, seed)) for seed in range(12)]
    shares = [near_share(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert max(shares) < 0.68


def test_short_sounds_have_no_hash(sounds: SimpleNamespace) -> None:
    assert near_hash(sounds.noise(0, 0.5)) == ""
    assert near_share("", near_hash(sounds.noise(0))) == 0.0
    assert not near_duplicates("", "")
