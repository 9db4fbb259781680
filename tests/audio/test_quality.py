"""What makes a clip worth keeping, from sounds spoilt in a known way."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.signal import resample_poly

from otoloop.audio.decode import Decoded, Decoder
from otoloop.audio.quality import judge, measures
from otoloop.params import IntakeParams
from otoloop.simulate.bad import bad_deliveries, default_limits

PARAMS = IntakeParams.model_validate({})


def clip(wave: np.ndarray, rate: int = 16000) -> Decoded:
    """As a 16-bit recorder would have stored it."""
    pcm = np.round(np.clip(wave, -1, 1) * 32767).astype(np.int32) << 16
    pcm = pcm.reshape(len(wave), -1)
    return Decoded(pcm, rate, pcm.shape[1], "PCM_16", "wav")


def machine(sounds: SimpleNamespace, seed: int = 0) -> np.ndarray:
    """Coloured noise with hum: an ordinary machine."""
    noise = sounds.noise(seed)
    return np.asarray(noise * 0.2 + np.convolve(noise, np.ones(8) / 8, "same") + sounds.harmonics(100, [0.02, 0.01]))


def code(wave: np.ndarray, rate: int = 16000) -> str | None:
    return judge(measures(clip(wave, rate)), PARAMS).reason_code


def test_an_ordinary_machine_is_admitted(sounds: SimpleNamespace) -> None:
    found = measures(clip(machine(sounds)))
    verdict = judge(found, PARAMS)
    assert verdict.admitted and verdict.reason_code is None
    assert found["duration_s"] == 4.0 and found["rate_hz"] == 16000 and found["channels"] == 1
    assert found["bandwidth_share"] == 1.0 and found["clipped_share"] == 0.0 and found["dropout_s"] < 0.01
    json.dumps(verdict.measures)


def test_levels(sounds: SimpleNamespace) -> None:
    found = measures(clip(sounds.tone(997, 0.5)))
    assert found["rms_dbfs"] == pytest.approx(-9.03, abs=0.01)
    assert found["peak_dbfs"] == pytest.approx(-6.02, abs=0.01)
    assert measures(clip(np.zeros(16000)))["rms_dbfs"] == -300.0


def test_each_fault_of_a_recording_has_its_code(sounds: SimpleNamespace) -> None:
    wave = machine(sounds)
    gap = wave.copy()
    gap[20000:26000] = gap[20000]
    assert code(np.zeros(64000)) == "silent"
    assert code(wave * 1e-4) == "silent"
    assert code(wave * 40) == "clipped"
    assert code(wave + 0.3) == "dc_offset"
    assert code(wave - 0.3) == "dc_offset"
    assert code(gap) == "dropouts"
    assert code(sounds.noise(1)) == "low_snr"
    assert code(resample_poly(resample_poly(sounds.noise(2), 1, 4), 4, 1)) == "upsampled"


def test_one_bad_channel_is_enough(sounds: SimpleNamespace) -> None:
    wave = machine(sounds)
    assert code(np.stack([wave, wave + 0.3], 1)) == "dc_offset"
    assert code(np.stack([wave, wave * 40], 1)) == "clipped"
    assert code(np.stack([wave, 0 * wave], 1)) is None  # an empty second channel does no harm


@pytest.mark.parametrize("rate, share", [(8000, 0.5), (11025, 0.69), (4000, 0.25)])
def test_a_file_from_a_lower_rate_shows_its_cliff(sounds: SimpleNamespace, rate: int, share: float) -> None:
    import soxr

    up = soxr.resample(soxr.resample(machine(sounds), 16000, rate), rate, 48000)
    assert measures(clip(up, 48000))["bandwidth_share"] == pytest.approx(share, abs=0.07)
    honest = soxr.resample(machine(sounds), 16000, 48000)
    assert measures(clip(honest, 48000))["bandwidth_share"] == 1.0


def test_dull_or_tonal_machines_are_not_taken_for_upsampled(sounds: SimpleNamespace) -> None:
    dull = np.cumsum(sounds.noise(3)) * 0.02
    tonal = sounds.tone(2300, 0.3) + sounds.noise(4, rms=0.0005)
    for wave in (dull - dull.mean(), tonal):
        assert measures(clip(wave))["bandwidth_share"] == 1.0


def test_simulated_bad_files_meet_their_codes(tmp_path: Path, sounds: SimpleNamespace) -> None:
    made = bad_deliveries("site/machine/2026-01-01", machine(sounds), default_limits(), np.random.default_rng(0))
    with Decoder(PARAMS) as decoder:
        for delivery in made:
            if delivery.sparse:
                continue
            (tmp_path / "a.bin").write_bytes(delivery.data)
            found = decoder.decode(tmp_path / "a.bin")
            verdict = judge(measures(found), PARAMS) if isinstance(found, Decoded) else found
            assert verdict.reason_code in (delivery.expected, *delivery.accept), delivery.why
            assert verdict.message and verdict.remedy


def test_simulated_machines_are_admitted() -> None:
    from otoloop.simulate.scenes import numpy_render, sample

    faults = ("normal", "air_leak", "imbalance", "inverter_whine", "belt_squeal", "cavitation", "electrical_hum")
    scenes = sample(np.random.default_rng(5), 35, faults=faults, split="site", seconds=3.0)
    codes = [judge(measures(clip(wave)), PARAMS).reason_code for wave in numpy_render(scenes)]
    assert sum(c is not None for c in codes) <= 1, codes
