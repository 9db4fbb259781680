"""Speech is found under machine noise, and can be made unintelligible. The voice is a synthesiser's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from otoloop.audio.load import load
from otoloop.audio.speech import scramble, speech_seconds, speech_spans

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return load(GOLDEN / "speech_en.flac")


def mixed(voice: np.ndarray, machine: np.ndarray, snr_db: float) -> np.ndarray:
    """The voice ``snr_db`` above the machine."""
    machine = machine[: len(voice)]
    return np.asarray(0.5 * voice + machine / machine.std() * 0.5 * voice.std() * 10 ** (-snr_db / 20), np.float32)


def test_speech_alone(voice: np.ndarray) -> None:
    assert speech_seconds(voice) > 2.5
    assert speech_seconds(voice * 0.003) > 2.0  # far away


@pytest.mark.parametrize("snr_db", [10, 0, -5])
def test_speech_near_a_machine(sounds: SimpleNamespace, voice: np.ndarray, snr_db: float) -> None:
    machines = (sounds.noise(1), sounds.impacts(40.0) + sounds.noise(2, rms=0.01), sounds.swelling(3, 8.0, 0.8))
    found = [speech_seconds(mixed(voice, machine, snr_db)) for machine in machines]
    assert np.mean(found) > (2.5 if snr_db >= 0 else 1.0)


def test_machines_do_not_speak(sounds: SimpleNamespace) -> None:
    quiet = np.zeros(32000, np.float32)
    hum = sounds.noise(5, rms=0.01) + sounds.harmonics(120, [0.1, 0.05, 0.03])
    for wave in (sounds.noise(1), sounds.impacts(30.0), sounds.swelling(2, 4.0, 0.9), hum, quiet):
        assert speech_seconds(wave) < 0.3


def test_scrambled_speech_is_none(sounds: SimpleNamespace, voice: np.ndarray) -> None:
    lead, end = sounds.noise(1, 1.0, 0.02), sounds.noise(3, 1.0, 0.02)
    wave = np.concatenate([lead, mixed(voice, sounds.noise(2, 4.0), 12), end])
    spans = speech_spans(wave)
    safe = scramble(wave, spans, seed=1)
    assert speech_seconds(wave) > 2.0 and speech_seconds(safe) < 0.2
    # nothing of the words remains in time: the hidden stretch does not correlate with the original
    start, end = (round(x * 16000) for x in (spans[0][0], spans[-1][1]))
    assert abs(np.corrcoef(wave[start:end], safe[start:end])[0, 1]) < 0.1
    # outside of it every sample is as it was, and the level inside stays
    before, after = round((spans[0][0] - 0.11) * 16000), round((spans[-1][1] + 0.11) * 16000)
    assert np.array_equal(safe[:before], wave[:before]) and np.array_equal(safe[after:], wave[after:])
    assert safe[start:end].std() == pytest.approx(wave[start:end].std(), rel=0.25)
    assert np.array_equal(safe, scramble(wave, spans, seed=1))


def test_scrambling_keeps_the_average_spectrum(sounds: SimpleNamespace) -> None:
    wave = sounds.noise(1) + sounds.tone(2500, 0.2)
    safe = scramble(wave, [(0.0, 4.0)], seed=2)
    before, after = (np.abs(np.fft.rfft(x)) ** 2 for x in (wave, safe))
    near = slice(4 * 2300, 4 * 2700)
    assert after[near].sum() == pytest.approx(before[near].sum(), rel=0.2)
