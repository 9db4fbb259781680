"""Admitted clips as models read them."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from otoloop.audio.evidence import measure
from otoloop.audio.load import load
from otoloop.errors import OtoloopError


def test_bytes_and_files_give_one_wave(tmp_path: Path, sounds: SimpleNamespace) -> None:
    wave = np.round(sounds.noise(0) * 32767) / 32767
    out = io.BytesIO()
    soundfile.write(out, wave, 16000, format="FLAC")
    (tmp_path / "a.flac").write_bytes(out.getvalue())
    assert np.array_equal(load(tmp_path / "a.flac"), load(out.getvalue()))
    assert load(out.getvalue()) == pytest.approx(wave, abs=1e-4)


def test_the_loudest_channel_at_16_khz(tmp_path: Path) -> None:
    t = np.arange(4 * 48000) / 48000
    stereo = np.stack([0.01 * np.sin(2 * np.pi * 500 * t), 0.3 * np.sin(2 * np.pi * 1500 * t)], 1)
    soundfile.write(tmp_path / "a.wav", stereo, 48000)
    wave = load(tmp_path / "a.wav")
    assert wave.dtype == np.float32 and wave.shape == (64000,)
    assert measure(wave, 16000)["tones"].value[0]["f_hz"] == pytest.approx(1500, abs=1)


def test_a_damaged_clip_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(b"fLaC nothing")
    with pytest.raises(OtoloopError, match=r"a\.flac"):
        load(tmp_path / "a.flac")
    with pytest.raises(OtoloopError, match="7 bytes"):
        load(b"nothing")
