import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otoloop.evaluate.intervals import bootstrap_ratio, codes, design_effect, share, totals, wilson, worst_design_effect


def clustered(rng, clusters, size, p, icc):
    """0/1 answers that agree within a cluster with the given intra-class correlation."""
    group = np.repeat(np.arange(clusters), size)
    own, common = rng.random(clusters * size), rng.random(clusters)[group]
    return (np.where(rng.random(clusters * size) < np.sqrt(icc), common, own) < p).astype(int), group


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=60), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_share_lies_in_its_interval_whatever_the_order(rows, seed):
    values, clusters = [v for v, _ in rows], [f"c{c}" for _, c in rows]
    found = share(values, clusters, resamples=200, seed=seed)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.n == len(rows) and found.clusters == len(set(clusters))
    order = np.random.default_rng(seed).permutation(len(rows))
    again = share([values[i] for i in order], [clusters[i] for i in order], resamples=200, seed=seed)
    assert again == found


@given(st.lists(st.integers(1, 8), min_size=2, max_size=20), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_the_design_effect_lies_between_independence_and_full_agreement(sizes, p):
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    values = np.random.default_rng(len(sizes)).random(len(clusters)) < p
    sums, n = totals(values, codes(clusters))
    effect = design_effect(sums, n, float(values.var()))
    assert 1 <= effect <= worst_design_effect(n) + 1e-9


def test_items_that_always_agree_within_a_recording_count_once():
    group = np.repeat(np.arange(60), 5)
    values = (np.arange(60) % 2)[group]
    sums, sizes = totals(values, group)
    assert design_effect(sums, sizes, 0.25) == pytest.approx(5, rel=0.05)
    many = share(values, group, resamples=2000, seed=1)
    once = share(values[::5], group[::5], resamples=2000, seed=1)
    assert many.high - many.low == pytest.approx(once.high - once.low, rel=0.05)


def test_thirty_right_answers_leave_room_for_doubt():
    found = share([1] * 30, range(30), resamples=500, seed=1)
    assert found.value == 1 and found.high == 1 and found.low < 0.91


def test_wilson_matches_the_textbook():
    # Newcombe (1998), table I: 81 of 263
    low, high = wilson(81 / 263, 263, 1.959964)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_the_bootstrap_agrees_with_the_formula_for_independent_items():
    sums = np.array([1.0] * 140 + [0.0] * 60)
    low, high = bootstrap_ratio(sums, np.ones(200), resamples=8000, seed=3)
    half = 1.97 * np.sqrt(0.7 * 0.3 / 200)
    assert (low, high) == pytest.approx((0.7 - half, 0.7 + half), abs=0.006)


@pytest.mark.parametrize(
    ("clusters", "size", "p", "icc"), [(20, 1, 0.5, 0.0), (40, 3, 0.7, 0.4), (30, 1, 0.95, 0.0), (120, 2, 0.98, 0.3)]
)
def test_intervals_cover_the_truth_although_items_are_clustered(clusters, size, p, icc):
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(300):
        found = share(*clustered(rng, clusters, size, p, icc), resamples=300, seed=1)
        hits += found.low <= p <= found.high
    # three standard errors of 300 trials below 95 %
    assert hits / 300 > 0.912


def test_nothing_to_score_has_no_share():
    found = share([], [], resamples=100, seed=1)
    assert np.isnan(found.value) and (found.low, found.high, found.n) == (0, 1, 0)
