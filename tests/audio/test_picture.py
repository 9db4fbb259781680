"""The picture shows the sound where it is, and is the same every time."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
from PIL import Image

from otoloop.audio.picture import MELS, Mark, log_mel, mel_filters, picture


def test_a_tone_stands_in_its_mel_band(sounds: SimpleNamespace) -> None:
    for hz in (250, 1000, 3000, 6500):
        level = log_mel(sounds.tone(hz))
        band = int(np.argmax(level.mean(axis=1)))
        centre = np.argmax(mel_filters()[band]) * 40.0
        assert abs(centre - hz) <= 0.04 * hz + 40
    assert level.shape == (MELS, 401)


def test_the_filters_are_those_of_the_models() -> None:
    transformers = __import__("pytest").importorskip("transformers.audio_utils")
    theirs = transformers.mel_filter_bank(201, 128, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney")
    assert np.allclose(mel_filters(), theirs.T, atol=1e-6)


def test_a_png_with_marks(sounds: SimpleNamespace) -> None:
    wave = sounds.noise(1) + sounds.tone(2000, 0.2)
    marks = [
        Mark(label="tone near 2 kHz", verdict="confirmed", f_hz=2000), Mark(label="burst", start_s=1, end_s=2),
        Mark(label="40 impacts a second", verdict="contradicted", rate_hz=40),
    ]  # fmt: skip
    data = picture(wave, marks, width=800, height=300)
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG" and image.size == (800, 300)
    assert data == picture(wave, marks, width=800, height=300)
    assert data != picture(wave, [], width=800, height=300)


def test_silence_and_long_sounds_have_a_picture(sounds: SimpleNamespace) -> None:
    assert picture(np.zeros(16000, np.float32)).startswith(b"\x89PNG")
    assert picture(np.tile(sounds.noise(1), 20)).startswith(b"\x89PNG")
