import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from otoloop.gate.simulate import Plan, _answers
from otoloop.gate.statistics import (
    bootstrap_bounds,
    bounds,
    drop_p,
    holm,
    noninferiority_p,
    paired,
    score,
    sign_flip_p,
)

PAIRS = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 8)), min_size=2, max_size=60)


def split(rows):
    return [a for a, _, _ in rows], [b for _, b, _ in rows], [c for _, _, c in rows]


@given(PAIRS, st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_order_of_items_and_names_of_clusters_do_not_matter(rows, seed):
    one, two, clusters = split(rows)
    first = paired(one, two, clusters)
    order = np.random.default_rng(seed).permutation(len(rows))
    second = paired([one[i] for i in order], [two[i] for i in order], [f"z{clusters[i]}" for i in order])
    for measure in (sign_flip_p, drop_p, lambda p: noninferiority_p(p, 0.05), lambda p: bounds(p, 0.05)[0]):
        assert measure(first) == pytest.approx(measure(second), abs=1e-6)


@given(PAIRS)
@settings(max_examples=80, deadline=None)
def test_swapping_the_models_mirrors_everything(rows):
    one, two, clusters = split(rows)
    forth, back = paired(one, two, clusters), paired(two, one, clusters)
    assert forth.difference == -back.difference
    assert drop_p(forth) == pytest.approx(sign_flip_p(back))
    low, high = bounds(forth, 0.05)
    assert (low, high) == pytest.approx([-b for b in bounds(back, 0.05)][::-1], abs=1e-4)
    # of two one-sided tests of the same thing at least one keeps its null hypothesis
    assert sign_flip_p(forth) + drop_p(forth) >= 1 - 1e-9


@given(PAIRS, st.floats(0.01, 0.45))
@settings(max_examples=80, deadline=None)
def test_bounds_enclose_the_difference_and_agree_with_the_test(rows, alpha):
    pair = paired(*split(rows))
    low, high = bounds(pair, alpha)
    assert -1 <= low <= pair.difference <= high <= 1
    wider = bounds(pair, alpha / 2)
    assert wider[0] <= low + 1e-6 and wider[1] >= high - 1e-6
    if -0.9 < low < -0.02:
        assert noninferiority_p(pair, -low + 0.01) <= alpha + 1e-6 <= noninferiority_p(pair, -low - 0.01) + 0.05


@given(PAIRS, st.floats(0.01, 0.4), st.floats(0.01, 0.4))
@settings(max_examples=80, deadline=None)
def test_a_wider_margin_is_easier_to_keep(rows, one, two):
    pair = paired(*split(rows))
    assert noninferiority_p(pair, max(one, two)) <= noninferiority_p(pair, min(one, two)) + 1e-9


@given(st.integers(1, 30), st.integers(0, 30))
def test_with_one_item_a_cluster_sign_flip_is_the_exact_mcnemar_test(gained, lost):
    one = [1] * gained + [0] * lost + [1] * 7
    two = [0] * gained + [1] * lost + [1] * 7
    expected = stats.binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue
    assert sign_flip_p(paired(one, two, range(len(one)))) == pytest.approx(expected)


def test_sign_flip_counts_signs_as_one_would_by_hand():
    # totals +2, +1, -1: sums of signed steps are +-4, +-2 (twice), 0 (twice); 2 or more has chance 3/8
    pair = paired([1, 1, 1, 0], [0, 0, 0, 1], ["a", "a", "b", "c"])
    assert sign_flip_p(pair) == pytest.approx(3 / 8)


def test_the_score_interval_is_that_of_the_restricted_likelihood():
    one = [1] * 12 + [0] * 2 + [1] * 72
    two = [0] * 12 + [1] * 2 + [1] * 72
    pair = paired(one, two, range(86))
    z = stats.norm.ppf(0.975)
    grid = np.linspace(-0.2, 0.4, 6001)
    inside = grid[[abs(score(pair, d)) <= z for d in grid]]
    expected = _by_search(12, 2, 86, z)
    assert (inside.min(), inside.max()) == pytest.approx(expected, abs=2e-4)


def _by_search(b, c, n, z):
    """The same interval with the restricted likelihood maximised by brute force instead of by formula."""
    rates = np.linspace(1e-6, 0.6, 4001)
    inside = []
    for delta in np.linspace(-0.2, 0.4, 1201):
        gain = rates + delta
        good = (gain > 0) & (gain + rates < 1)
        q, g = rates[good], gain[good]
        like = b * np.log(g) + c * np.log(q) + (n - b - c) * np.log(1 - q - g)
        best = q[np.argmax(like)]
        variance = n * (2 * best + delta * (1 - delta))
        if abs(b - c - n * delta) <= z * np.sqrt(variance):
            inside.append(delta)
    return min(inside), max(inside)


def test_equal_answers_on_few_items_prove_little():
    same = [1] * 60
    assert noninferiority_p(paired(same, same, range(60)), 0.03) > 0.05
    many = [1] * 200
    assert noninferiority_p(paired(many, many, range(200)), 0.03) < 0.05
    # the same 200 answers from 40 recordings are worth 40
    assert noninferiority_p(paired(many, many, np.repeat(np.arange(40), 5)), 0.03) > 0.05


def test_the_bootstrap_agrees_where_there_is_enough_to_resample():
    rng = np.random.default_rng(2)
    one, two = rng.random(900) < 0.8, rng.random(900) < 0.75
    pair = paired(one, two, np.repeat(np.arange(300), 3))
    assert bounds(pair, 0.05) == pytest.approx(bootstrap_bounds(pair, 0.05, resamples=4000, seed=1), abs=0.006)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_no_correction_and_bonferroni_and_keeps_order(p):
    adjusted = holm(p)
    for raw, fair in zip(p, adjusted, strict=True):
        assert raw <= fair <= min(1.0, raw * len(p)) + 1e-12
    for i in np.argsort(p, kind="stable")[1:]:
        assert adjusted[i] >= adjusted[np.argsort(p, kind="stable")[0]]
    order = np.argsort(p, kind="stable")
    assert list(np.diff(np.array(adjusted)[order]) >= 0) == [True] * (len(p) - 1)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_what_cannot_be_paired_is_refused():
    with pytest.raises(ValueError, match="cannot be paired"):
        paired([1, 0], [1], ["a", "b"])
    with pytest.raises(ValueError, match="cannot be paired"):
        paired([], [], [])


def alarms(plan, shift, test, runs=500, seed=4):
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(plan.recordings), plan.items)
    hits = 0
    for _ in range(runs):
        champion, candidate = _answers(plan, shift, rng)
        hits += test(paired(candidate, champion, clusters)) <= 0.05
    return hits / runs


@pytest.mark.parametrize(
    "plan",
    [Plan(30, 1, 0.7, 0.2, 0.0), Plan(60, 3, 0.7, 0.1, 0.3), Plan(120, 5, 0.7, 0.25, 0.5), Plan(20, 5, 0.7, 0.2, 0.5)],
    ids=str,
)
def test_equal_models_rarely_look_better_or_safe_although_clips_are_clustered(plan):
    # three standard errors of 500 trials above 5 %
    assert alarms(plan, 0.0, sign_flip_p) < 0.08
    assert alarms(plan, -0.05, lambda p: noninferiority_p(p, 0.05)) < 0.08


def test_planted_differences_are_found():
    assert alarms(Plan(300, 2, 0.7, 0.2, 0.2), 0.08, sign_flip_p) > 0.9
    assert alarms(Plan(200, 1, 0.8, 0.15, 0.0), -0.15, drop_p) > 0.95
    assert alarms(Plan(500, 2, 0.8, 0.1, 0.2), 0.0, lambda p: noninferiority_p(p, 0.05)) > 0.9
