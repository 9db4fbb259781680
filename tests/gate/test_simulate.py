from dataclasses import replace

import numpy as np
import pytest

from otoloop.gate.integrity import CANDIDATE, CHAMPION
from otoloop.gate.simulate import KNOWN, RULES, TARGET, Plan, draw, ever_promoted, plans_of, simulate
from otoloop.gate.tables import tables
from otoloop.params import GateParams

PARAMS = GateParams(margin=0.1, missed_margin=0.1)
PLANS = {TARGET: Plan(200, 2, 0.6, 0.2, 0.2), KNOWN: Plan(200, 2, 0.85, 0.1, 0.2)}


def test_drawn_models_have_the_quality_that_was_asked_for():
    rng = np.random.default_rng(1)
    plans = {TARGET: Plan(4000, 2, 0.6, 0.2, 0.3), KNOWN: Plan(4000, 2, 0.85, 0.1, 0.0)}
    site = draw(plans, rng, gain=0.1, drop=0.05)["site"]
    new = site[CANDIDATE].slices["novelty"] == TARGET
    right = {m: (t.correct[new].mean(), t.correct[~new].mean()) for m, t in site.items()}
    assert right[CHAMPION] == pytest.approx((0.6, 0.85), abs=0.02)
    assert right[CANDIDATE] == pytest.approx((0.7, 0.80), abs=0.02)
    differ = (site[CANDIDATE].correct != site[CHAMPION].correct)[new].mean()
    assert differ == pytest.approx(0.2, abs=0.02)


def test_equal_candidates_rarely_pass_better_ones_mostly_and_forgetful_ones_never():
    equal = simulate(PLANS, PARAMS, runs=120)
    better = simulate(PLANS, PARAMS, gain=0.15, runs=60)
    harmful = simulate(PLANS, PARAMS, gain=0.15, drop=0.2, runs=60)
    assert equal.promoted <= 0.1 and better.promoted >= 0.8 and harmful.promoted == 0
    assert sum(equal.verdicts.values()) == pytest.approx(1)


def test_the_same_seed_gives_the_same_outcome():
    assert simulate(PLANS, PARAMS, runs=10, seed=3) == simulate(PLANS, PARAMS, runs=10, seed=3)


def test_sizes_are_taken_from_real_results(results, suites):
    plans = plans_of(tables(results), suites)
    assert plans[TARGET].recordings == 400 and plans[KNOWN].recordings == 600
    assert plans[KNOWN].accuracy == pytest.approx(0.9, abs=0.03) and plans[TARGET].items == 1
    assert simulate(plans, PARAMS, runs=10).runs == 10


def test_a_site_without_old_or_without_new_items_can_be_simulated(results):
    for rule, name in ((replace(RULES[0], target={}), TARGET), (RULES[0], KNOWN)):
        plans = plans_of(tables(results), [rule])
        assert set(plans) == {name} and simulate(plans, PARAMS, runs=10).runs == 10


@pytest.mark.slow
def test_of_two_thousand_histories_of_equal_candidates_five_percent_ever_promote_one():
    """The bar: 26 cycles of candidates that are no better; the sealed suite's whole alpha is shared among the looks."""
    promoted = ever_promoted(PLANS, PARAMS, cycles=26, runs=2000, alpha=0.05 / 26)
    assert promoted <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.slow
def test_planted_gains_and_drops_at_the_sizes_of_the_table():
    """A drop of 15 points in a slice of 200 is caught 95 times of 100; 3 points among 1,368 items pass about 80."""
    plans = {TARGET: Plan(1368, 1, 0.6, 0.2, 0.0), KNOWN: Plan(200, 1, 0.85, 0.1, 0.0)}
    params = GateParams(margin=0.1, missed_margin=0.1)
    harmful = simulate(plans, params, gain=0.1, drop=0.15, runs=300)
    assert harmful.verdicts["fail"] >= 0.95 and harmful.promoted == 0
    gained = simulate(plans, params, gain=0.03, runs=300)
    assert gained.promoted >= 0.75
