"""What is measured from sounds whose truth is known by construction."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from otoloop.audio.evidence import KEYS, measure, measure_batch
from otoloop.errors import OtoloopError
from otoloop.records import Measured


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def inside(m: Measured, truth: float) -> bool:
    return m.uncertainty is not None and abs(m.value - truth) <= m.uncertainty


def batch(waves: list[np.ndarray]) -> list[dict[str, Measured]]:
    return measure_batch(np.stack(waves).astype(np.float32), 16000, np)


def test_tones_are_found_within_their_uncertainty(sounds: SimpleNamespace) -> None:
    rng = np.random.default_rng(1)
    truth = np.exp(rng.uniform(np.log(150), np.log(7500), 48))
    facts = batch([sounds.noise(i) + sounds.tone(hz, 0.014 + 0.05 * (i % 3)) for i, hz in enumerate(truth)])
    found = [f["tones"].value[0] if f["tones"].reliable else None for f in facts]
    assert share([t is not None for t in found]) >= 0.95
    pairs = [(t, hz) for t, hz in zip(found, truth, strict=True) if t]
    assert share([abs(t["f_hz"] - hz) <= t["uncertainty_hz"] for t, hz in pairs]) >= 0.95


def test_a_tone_has_a_start_and_an_end(sounds: SimpleNamespace) -> None:
    (facts,) = batch([sounds.noise(0) + sounds.tone(2100, 0.2, start=1.0, end=2.5)])
    top = facts["tones"].value[0]
    assert top["start_s"] == pytest.approx(1.0, abs=0.15)
    assert top["end_s"] == pytest.approx(2.5, abs=0.15)


def test_a_swaying_squeal_is_one_tone(sounds: SimpleNamespace) -> None:
    t = np.arange(64000) / 16000
    sway = 2100 * 0.04 / (2 * np.pi * 4) * np.cos(2 * np.pi * 4 * t)
    top = batch([sounds.noise(3) + 0.1 * np.sin(2 * np.pi * (2100 * t - sway))])[0]["tones"].value[0]
    assert top["f_hz"] == pytest.approx(2100, rel=0.01)
    assert top["wobble_hz"] > 30


def test_noise_has_no_tones_no_rhythm_no_hum(sounds: SimpleNamespace) -> None:
    for facts in batch([sounds.noise(i) for i in range(24)]):
        for key in ("tones", "f0_hz", "hum_hz", "impulse_rate_hz", "modulation_hz", "modulation_depth"):
            assert not facts[key].reliable, key
        assert facts["impulsive"].value is False and facts["steady"].value is True
        assert facts["flatness"].value > 0.9
        assert facts["kurtosis"].value == pytest.approx(3.0, abs=facts["kurtosis"].uncertainty)
        assert facts["centroid_hz"].value == pytest.approx(4000, abs=60)


def test_impact_rates_of_ringing_trains(sounds: SimpleNamespace) -> None:
    rng = np.random.default_rng(2)
    truth = rng.uniform(8, 180, 40)
    trains = [sounds.impacts(r, rng.uniform(1800, 5500), 0.002, rng.uniform(0, 0.03), i) for i, r in enumerate(truth)]
    facts = batch([train + sounds.noise(i, rms=0.03) for i, train in enumerate(trains)])
    reliable = [(f["impulse_rate_hz"], r) for f, r in zip(facts, truth, strict=True) if f["impulse_rate_hz"].reliable]
    assert len(reliable) >= 0.9 * len(truth)
    assert share([inside(m, r) for m, r in reliable]) >= 0.95
    assert share([f["impulsive"].value for f in facts]) >= 0.8


def test_alternating_impacts_count_every_impact(sounds: SimpleNamespace) -> None:
    strong = sounds.impacts(30.0, jitter=0.0)
    weak = np.roll(strong, round(16000 / 60)) * 0.6
    m = batch([strong + weak + sounds.noise(5, rms=0.01)])[0]["impulse_rate_hz"]
    assert m.reliable and m.value == pytest.approx(60, rel=0.01)


def test_slow_dull_knocks_have_a_rate(sounds: SimpleNamespace) -> None:
    wave = sounds.impacts(4.2, ring_hz=210, decay_s=0.03, jitter=0.01) + sounds.noise(1, rms=0.004)
    m = batch([wave])[0]["impulse_rate_hz"]
    assert m.reliable and m.value == pytest.approx(4.2, abs=0.15)


def test_swelling_noise(sounds: SimpleNamespace) -> None:
    rng = np.random.default_rng(3)
    truth = [(rng.uniform(1.0, 30), rng.uniform(0.25, 0.95)) for _ in range(30)]
    facts = batch([sounds.swelling(i, hz, depth) for i, (hz, depth) in enumerate(truth)])
    assert share([f["modulation_hz"].reliable for f in facts]) >= 0.95
    assert share([inside(f["modulation_hz"], hz) for f, (hz, _) in zip(facts, truth, strict=True)]) >= 0.95
    assert share([inside(f["modulation_depth"], d) for f, (_, d) in zip(facts, truth, strict=True)]) >= 0.95


@pytest.mark.parametrize("mains", [50, 60])
def test_hum_is_told_from_a_machine_near_it(sounds: SimpleNamespace, mains: int) -> None:
    amps = [0.05, 0.03, 0.03, 0.02, 0.02, 0.01]
    hum, machine = batch([
        sounds.noise(1) + sounds.harmonics(2.0 * mains, amps), sounds.noise(2) + sounds.harmonics(24.7, [0.1] * 8),
    ])  # fmt: skip
    assert hum["hum_hz"].reliable and hum["hum_hz"].value == 2 * mains
    assert machine["hum_hz"].value is None and not machine["hum_hz"].reliable
    assert machine["f0_hz"].reliable and machine["f0_hz"].value == pytest.approx(24.7, abs=0.3)


def test_silence_has_a_level_only() -> None:
    facts = measure(np.zeros(64000), 16000)
    assert facts["rms_dbfs"].value < -100
    for key in set(KEYS) - {"duration_s", "rms_dbfs", "peak_dbfs"}:
        assert facts[key] == Measured(value=None), key


@pytest.mark.parametrize("samples", [1600, 1601, 5000, 8000, 16001, 33333, 160000])
def test_any_length_measures(sounds: SimpleNamespace, samples: int) -> None:
    facts = measure(sounds.noise(0, 10.0)[:samples], 16000)
    assert tuple(facts) == KEYS
    assert not facts["impulse_rate_hz"].reliable and not facts["modulation_hz"].reliable


def test_channels_and_rates(sounds: SimpleNamespace) -> None:
    quiet, loud = sounds.noise(0, rms=0.01), sounds.noise(1, rms=0.02) + sounds.tone(1234, 0.1)
    assert measure(np.stack([quiet, loud], 1), 16000)["tones"].value[0]["f_hz"] == pytest.approx(1234, abs=1)
    t = np.arange(4 * 44100) / 44100
    high = measure(0.1 * np.sin(2 * np.pi * 1234 * t), 44100)
    assert high["tones"].value[0]["f_hz"] == pytest.approx(1234, abs=1)
    assert high["duration_s"].value == pytest.approx(4.0)
    assert high["rms_dbfs"].value == pytest.approx(-23.01, abs=0.1)


def test_users_mistakes_are_named(sounds: SimpleNamespace) -> None:
    with pytest.raises(OtoloopError, match=r"0\.050 s"):
        measure(sounds.noise(0)[:800], 16000)
    with pytest.raises(OtoloopError, match="not finite"):
        measure(np.full(16000, np.nan), 16000)
    with pytest.raises(OtoloopError, match="44100"):
        measure_batch(np.zeros((1, 44100), np.float32), 44100, np)


def test_numpy_and_torch_agree(sounds: SimpleNamespace) -> None:
    torch = pytest.importorskip("torch")
    waves = np.stack([
        sounds.noise(0), sounds.noise(1) + sounds.tone(987.6), sounds.swelling(2, 7.3, 0.6), sounds.noise(5) * 0,
        sounds.impacts(53.0) + sounds.noise(3, rms=0.01), sounds.noise(4) + sounds.harmonics(100.0, [0.05, 0.03, 0.02]),
    ]).astype(np.float32)  # fmt: skip
    there = measure_batch(torch.from_numpy(waves), 16000, torch)
    for ours, theirs in zip(measure_batch(waves, 16000, np), there, strict=True):
        for key in KEYS:
            a, b = ours[key], theirs[key]
            assert a.reliable == b.reliable, key
            if a.reliable and isinstance(a.value, float):
                assert a.value == pytest.approx(b.value, rel=2e-3, abs=1e-3), key
            elif a.reliable and key == "tones":
                assert [t["f_hz"] for t in a.value] == pytest.approx([t["f_hz"] for t in b.value], abs=0.05)
            elif a.reliable and key == "bands_dbfs":
                assert a.value == pytest.approx(b.value, abs=0.01)
            elif a.reliable:
                assert a.value == b.value, key
