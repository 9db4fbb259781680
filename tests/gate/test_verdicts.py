from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otoloop.evaluate.suites import Suite
from otoloop.gate.verdicts import decide
from otoloop.params import GateParams


def by_test(report, test):
    return [c for c in report.checks if c.test == test]


def swap(rows, index, **change):
    return [replace(r, **change) if i == index else r for i, r in enumerate(rows)]


def test_a_better_candidate_that_forgets_nothing_passes(results, params, suites):
    report = decide(results, params, suites)
    assert report.verdict == "pass" and report.reference == "champion" and report.pilot is None
    assert {c.test for c in report.checks if c.gating} == {
        "integrity", "format", "non_inferiority", "superiority", "beats_base", "missed_detections",
    }  # fmt: skip
    assert report.headline.difference > 0.2 and 0.03 < report.headline.smallest_detectable < 0.12
    assert all(c.reason.endswith(".") for c in report.checks)
    assert report == decide(results, params, suites)


def test_the_champion_again_does_not_pass(results, params, suites):
    report = decide({**results, "candidate": results["champion"]}, params, suites)
    assert report.verdict != "pass"
    assert by_test(report, "superiority")[0].verdict == "fail" or report.verdict == "not_enough_data"


def test_forgetting_known_kinds_fails_however_much_is_learnt(results, params, suites, model):
    report = decide({**results, "candidate": model(0.75, 0.9, 3)}, params, suites)
    (check,) = by_test(report, "non_inferiority")
    assert report.verdict == "fail" and check.verdict == "fail" and check.slice == "known"
    assert "lost" in check.reason


def test_a_guard_suite_must_not_be_lost(results, params, suites, model):
    guard = Suite(name="general", role="guard", watch=())
    more = {"suite": "general", "slice": {}, "said": "x", "gold": "x"}
    kept = {n: [*r, *[replace(x, id=f"g{x.id}") for x in model(0.8, 0.8, 7, **more)]] for n, r in results.items()}
    assert decide(kept, params, [*suites, guard]).verdict == "pass"
    lost = {
        **kept,
        "candidate": [*results["candidate"], *[replace(x, id=f"g{x.id}") for x in model(0.7, 0.7, 7, **more)]],
    }
    report = decide(lost, params, [*suites, guard])
    assert report.verdict == "fail" and by_test(report, "non_inferiority")[1].suite == "general"


def test_a_drop_of_fifteen_points_in_one_watched_slice_is_found(results, params, suites):
    lost = [
        replace(r, correct=False, said="normal") if r.slice["fault"] == "imbalance" and i % 5 == 1 and i % 3 == 0 else r
        for i, r in enumerate(results["candidate"])
    ]
    report = decide({**results, "candidate": lost}, params, suites)
    assert [c.slice for c in by_test(report, "watch") if c.verdict == "fail"] == ["fault: imbalance"]
    assert report.verdict == "fail"


def test_missing_a_fault_is_judged_more_strictly_than_naming_the_wrong_one(results, suites, params):
    wrong = [
        replace(r, correct=False, said="air_leak") if r.slice["fault"] == "imbalance" and i % 15 == 1 else r
        for i, r in enumerate(results["champion"])
    ]
    missing = [replace(r, said="normal") if r.said == "air_leak" and r.gold == "imbalance" else r for r in wrong]
    calm = params.model_copy(update={"missed_margin": 0.02})
    named = decide({**results, "candidate": wrong}, calm, suites)
    missed = decide({**results, "candidate": missing}, calm, suites)
    assert by_test(named, "missed_detections")[0].verdict == "pass"
    assert by_test(missed, "missed_detections")[0].verdict == "fail"


def test_few_recordings_are_not_enough_whatever_they_show(model, params, suites):
    few = {"base": model(0.8, 0.0, 1, 90), "champion": model(0.8, 0.1, 2, 90), "candidate": model(0.9, 0.95, 3, 90)}
    report = decide(few, params, suites)
    assert report.verdict == "not_enough_data"
    target = by_test(report, "superiority")[0]
    assert target.low > 0 and target.missing == params.min_clusters - 36
    assert report.record_more[0]["gating"] and report.record_more[0]["recordings"] > 0
    assert all(c.missing > 0 for c in report.checks if c.verdict == "not_enough_data")


def test_what_is_missing_is_about_what_decides(model, params, suites):
    """A truly safe candidate, given the recordings that the report asked for, is mostly shown to be safe."""
    shown = tried = 0
    for seed in range(24):
        small = {m: model(0.85, 0.4, 10 * seed + i, 350) for i, m in enumerate(("base", "champion", "candidate"))}
        check = by_test(decide(small, params, suites), "non_inferiority")[0]
        if check.verdict != "not_enough_data":
            continue
        tried += 1
        n = round(350 * (check.clusters + check.missing) / check.clusters)
        large = {m: model(0.85, 0.4, 10 * seed + i + 5, n) for i, m in enumerate(("base", "champion", "candidate"))}
        shown += by_test(decide(large, params, suites), "non_inferiority")[0].verdict == "pass"
    assert tried >= 8 and shown >= 0.6 * tried


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_floor_must_be_reached_by_the_lower_bound(results, params, share):
    suite = Suite(name="site", watch=())
    found = {
        floor: by_test(decide(results, params, [replace(suite, floor=floor)]), "floor")[0].verdict
        for floor in (share, 0.82, 0.99)
    }
    assert found == {share: "pass", 0.82: "not_enough_data", 0.99: "fail"}


def broken(results):
    """Every way in which results may not be comparable."""
    good = results["candidate"]
    yield "other items", {**results, "candidate": good[1:]}
    yield "other items", {**results, "candidate": swap(good, 3, id="stranger")}
    yield "more than once", {**results, "candidate": swap(good, 3, id=good[4].id)}
    yield "another content", {**results, "base": swap(results["base"], 3, item_sha256="other")}
    yield "other recordings", {**results, "champion": swap(results["champion"], 3, cluster="elsewhere")}
    yield "no results of the base", {k: v for k, v in results.items() if k != "base"}
    yield "no results of the candidate", {k: v for k, v in results.items() if k != "candidate"}
    yield "does not name", {**results, "candidate": swap(good, 3, suite="other")}


def test_nothing_passes_when_integrity_fails(results, params, suites):
    for words, bad in broken(results):
        report = decide(bad, params, suites)
        assert report.verdict == "fail", words
        assert {c.test for c in report.checks} == {"integrity"}
        assert any(words in c.reason for c in report.checks if c.verdict == "fail"), words


def test_the_scored_items_must_be_those_of_the_scores(results, params, suites):
    report = decide(results, params, suites, digests={"site": "of other items"})
    assert report.verdict == "fail" and "not those that the scores" in report.reason


def test_no_suites_or_missing_ones_fail(results, params, suites):
    assert decide(results, params, []).verdict == "fail"
    assert decide({}, params, suites).verdict == "fail"
    assert decide(results, params, [*suites, Suite(name="mmau", role="guard")]).verdict == "fail"


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_verdict_never_contradicts_its_checks(model, seed):

    rng = np.random.default_rng(seed)
    n = int(rng.integers(10, 500))
    found = {m: model(rng.random(), rng.random(), seed + i, n) for i, m in enumerate(("base", "champion", "candidate"))}
    report = decide(
        found, GateParams(), [Suite(name="site", target={"fault": ("gear_wear", "valve_knock")}, floor=0.3)]
    )
    verdicts = [c.verdict for c in report.checks]
    open_ones = [c for c in report.checks if c.gating and c.verdict == "not_enough_data"]
    if report.verdict == "pass":
        assert "fail" not in verdicts and not open_ones
        assert all(c.clusters >= 120 for c in report.checks if c.gating and c.difference is not None)
    assert (report.verdict == "fail") == ("fail" in verdicts)
    assert all((c.missing > 0) == (c.verdict == "not_enough_data") for c in report.checks)


def test_a_target_without_items_asks_for_recordings(results, params):
    report = decide(results, params, [Suite(name="site", target={"fault": ("inverter_whine",)})])
    assert report.verdict == "not_enough_data" and report.headline.missing == params.min_clusters
    assert by_test(report, "non_inferiority")[0].n == 1000


def test_malformed_traces_fail(results, params, suites):
    report = decide(
        {**results, "candidate": [replace(r, format_valid=i > 15) for i, r in enumerate(results["candidate"])]},
        params,
        suites,
    )
    assert report.verdict == "fail" and by_test(report, "format")[0].verdict == "fail"


def test_a_smaller_error_share_asks_for_stronger_proof(results, params, suites):
    loose, strict = (decide(results, params, suites, alpha=a) for a in (0.05, 0.001))
    assert (
        strict.headline.low < loose.headline.low
        and strict.headline.smallest_detectable > loose.headline.smallest_detectable
    )


class TestPilot:
    """The lane of a site without a champion."""

    def pilot(self, model, params, suites, n=90, **change):
        found = {"base": model(0.85, 0.05, 1, n), "candidate": model(0.86, 0.6, 3, n)} | change
        return decide(found, params, suites)

    def test_a_clear_gain_over_the_base_is_eligible_with_few_recordings(self, model, params, suites):
        report = self.pilot(model, params, suites)
        assert (report.pilot, report.reference, report.verdict) == ("eligible", "base", "not_enough_data")
        assert report.record_more and "better than the base by at least" in report.pilot_reason

    def test_no_gain_is_not_eligible(self, model, params, suites):
        report = self.pilot(model, params, suites, candidate=model(0.85, 0.05, 8, 90))
        assert report.pilot == "not_eligible" and report.verdict != "pass"

    def test_malformed_traces_are_not_eligible(self, model, params, suites):
        bad = [replace(r, format_valid=i > 1) for i, r in enumerate(model(0.86, 0.9, 3, 90))]
        assert self.pilot(model, params, suites, candidate=bad).pilot == "not_eligible"

    def test_a_loss_beyond_the_margin_is_not_eligible(self, model, params, suites):
        report = self.pilot(model, params, suites, n=400, candidate=model(0.5, 1.0, 3, 400))
        assert by_test(report, "beats_base")[0].low > 0 and report.pilot == "not_eligible"

    def test_an_absolute_floor_binds_the_pilot_too(self, model, params, suites):
        high = [replace(suites[0], floor=0.97)]
        assert self.pilot(model, params, high).pilot == "not_eligible"

    def test_broken_integrity_is_not_eligible(self, model, params, suites):
        report = self.pilot(model, params, suites, candidate=model(0.9, 0.9, 3, 91))
        assert report.pilot == "not_eligible" and report.verdict == "fail"
