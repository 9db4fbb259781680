"""Evidence against the truth of simulated machines: what is called reliable must be right in 95 of 100 clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from otoloop.audio.evidence import measure_batch
from otoloop.records import Measured
from otoloop.simulate.scenes import Scenes, numpy_render, sample

Facts = list[dict[str, Measured]]


def heard(faults: Sequence[str], n: int, seed: int) -> tuple[Scenes, Facts]:
    scenes = sample(np.random.default_rng(seed), n, faults=faults, split="site", seconds=4.0)
    scenes = scenes.take(scenes.truth["snr_db"] >= 0)
    return scenes, measure_batch(numpy_render(scenes), 16000, np)


def score(scenes: Scenes, facts: Facts, key: str, right: Callable[[Measured, int], bool]) -> tuple[float, float]:
    """Share of clips with a reliable value, and share of those that are right."""
    known = [(f[key], i) for i, f in enumerate(facts) if f[key].reliable]
    return len(known) / len(facts), float(np.mean([right(m, i) for m, i in known]))


def within(truth: Any, share: float) -> Callable[[Measured, int], bool]:
    return lambda m, i: abs(m.value - truth[i]) <= (m.uncertainty or 0) + share * truth[i]


def test_impact_rates() -> None:
    scenes, facts = heard(("bearing_outer", "bearing_inner", "bearing_ball"), 84, 1)
    available, right = score(scenes, facts, "impulse_rate_hz", within(scenes.truth["impulse_rate_hz"], 0.008))
    assert available >= 0.9 and right >= 0.95


def test_knock_rates() -> None:
    scenes, facts = heard(("valve_knock",), 30, 2)
    available, right = score(scenes, facts, "impulse_rate_hz", within(scenes.truth["impulse_rate_hz"], 0.01))
    assert available >= 0.6 and right >= 0.95


def test_modulation() -> None:
    scenes, facts = heard(("imbalance", "rub", "bearing_inner"), 60, 3)
    available, right = score(scenes, facts, "modulation_hz", within(scenes.truth["modulation_hz"], 0.01))
    assert available >= 0.9 and right >= 0.95


def test_hum() -> None:
    scenes, facts = heard(("electrical_hum",), 24, 4)
    available, right = score(scenes, facts, "hum_hz", lambda m, i: m.value == scenes.truth["hum_hz"][i])
    assert available >= 0.95 and right >= 0.95


@pytest.mark.parametrize("fault, least", [("blade_pass", 0.9), ("inverter_whine", 0.95), ("belt_squeal", 0.8)])
def test_tones(fault: str, least: float) -> None:
    scenes, facts = heard((fault,), 30, 5)
    truth = scenes.truth["tone_hz"]
    found = [any(abs(t["f_hz"] / truth[i] - 1) < 0.03 for t in f["tones"].value) for i, f in enumerate(facts)]
    assert np.mean(found) >= least


def test_healthy_and_hissing_machines_have_no_rhythm() -> None:
    _, facts = heard(("normal", "air_leak", "cavitation", "blade_pass", "inverter_whine"), 60, 6)
    for key in ("impulse_rate_hz", "hum_hz"):
        assert np.mean([f[key].reliable for f in facts]) <= 0.05, key
