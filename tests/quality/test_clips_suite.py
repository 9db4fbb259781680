"""Exactly the bad rows of a batch are found, and a crashed check is never a clean batch."""

import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otoloop.errors import OtoloopError
from otoloop.params import IntakeParams
from otoloop.quality.clips import MEASURES, ORDER, ClipsChecker, clips_suite, judge_batch, measures_frame
from otoloop.quality.engine import Checker
from otoloop.quality.golden import golden_rows, good_row
from otoloop.quality.rules import Rule, between, not_missing

PARAMS = IntakeParams()


@pytest.fixture(scope="module")
def checker() -> ClipsChecker:
    return ClipsChecker(PARAMS)


def test_the_suite_has_many_rules_and_each_says_what_to_do():
    rules = clips_suite(PARAMS)
    assert len(rules) >= 15 and len({r.name for r in rules}) == len(rules)
    assert all(r.remedy and r.message and r.code for r in rules)


def test_three_hundred_planted_rows_are_found_and_no_others(checker):
    rng = random.Random(3)
    planted = [(code, row) for _, code, row in golden_rows(PARAMS) if code]
    rows, expected = [], {}
    for n in range(3000):
        bad = rng.random() < 0.1
        code, row = rng.choice(planted) if bad else (None, good_row(PARAMS))
        rows.append((f"k{n}", row))
        if code:
            expected[f"k{n}"] = [code]
    assert len(expected) > 250
    verdict = checker.judge(rows)
    assert dict(verdict.refused) == expected
    assert all(verdict.said[key, codes[0]][0] for key, codes in expected.items())


def test_a_row_with_several_faults_tells_the_most_important_first(checker):
    row = {**good_row(PARAMS), "snr_db": -40.0, "rms_dbfs": -90.0, "duration_s": 0.1}
    verdict = checker.judge([("x", row)])
    assert verdict.refused == {"x": ["too_short", "silent", "low_snr"]}
    assert verdict.said["x", "silent"][0] == "The level is -90 dBFS; below -70 dBFS counts as silence."


def test_warnings_keep_no_row_back(checker):
    row = {**good_row(PARAMS), "peak_dbfs": 3.0, "note_problem": "it is empty", "label": "gremlins"}
    verdict = checker.judge([("x", row)])
    assert verdict.refused == {} and verdict.warnings == {"x": ["clipped", "note_invalid"]}


def test_labels_may_be_absent_known_or_unknown(checker):
    rows = [(label, {**good_row(PARAMS), "label": label}) for label in ("rub", "gremlins")]
    assert set(checker.judge([*rows, ("none", good_row(PARAMS))]).warnings) == {"gremlins"}


finite = st.floats(allow_nan=True, allow_infinity=True, width=32)
measures = st.fixed_dictionaries({}, optional={c: finite | st.none() for c in MEASURES})


@settings(max_examples=4, deadline=None)
@given(st.lists(measures, min_size=30, max_size=80))
def test_any_measures_are_judged_like_the_plain_limits_say(checker, rows):
    refused = checker.judge(enumerate(rows)).refused
    for key, row in enumerate(rows):
        assert set(refused.get(key, [])) == plain_verdict(row), row


def plain_verdict(row) -> set[str]:
    """The limits written down once more, without the library."""
    p, found = PARAMS, set()
    value = measures_frame([(0, row)]).iloc[0]
    limits = {
        "duration_s": [("too_short", p.min_seconds, None), ("too_long", None, p.max_seconds)],
        "rate_hz": [("rate_out_of_range", p.min_rate_hz, p.max_rate_hz)],
        "channels": [("channels_out_of_range", 1, p.max_channels)],
        "rms_dbfs": [("silent", p.silent_below_dbfs, None)],
        "clipped_share": [("clipped", None, p.max_clipped_share)],
        "dc_offset": [("dc_offset", -p.max_dc_offset, p.max_dc_offset)],
        "dropout_s": [("dropouts", None, p.max_dropout_s)],
        "bandwidth_share": [("upsampled", p.min_bandwidth_share, None)],
        "snr_db": [("low_snr", p.min_snr_db, None)],
    }
    for column, code in MEASURES.items():
        if pd.isna(value[column]):
            found.add(code)
            continue
        for name, low, high in limits.get(column, []):
            if (low is not None and value[column] < low) or (high is not None and value[column] > high):
                found.add(name)
    return found


def test_judge_batch_takes_a_frame():
    frame = measures_frame([("a", good_row(PARAMS)), ("b", {**good_row(PARAMS), "channels": 20})])
    assert judge_batch(frame, PARAMS) == {"b": ["channels_out_of_range"]}


def test_golden_rows_stand_on_both_sides_of_every_limit():
    names = [name for name, _, _ in golden_rows(PARAMS)]
    assert len(names) == len(set(names))
    assert {code for _, code, _ in golden_rows(PARAMS) if code} >= set(ORDER) - {"not_finite"}


@pytest.mark.parametrize("limits", [{"min_rate_hz": 100_000, "max_rate_hz": 50_000}, {"min_seconds": 601}])
def test_limits_that_contradict_each_other_stop_the_intake(limits):
    with pytest.raises(OtoloopError, match=r"is above intake\.max"):
        ClipsChecker(IntakeParams(**limits))


def test_a_suite_that_does_not_see_a_golden_row_lets_nothing_through():
    blind = ClipsChecker(PARAMS)
    blind._checker = ClipsChecker(IntakeParams(min_seconds=0.01))._checker
    with pytest.raises(OtoloopError, match=r"'golden: duration_s = 0\.45' was judged None, not too_short"):
        blind.judge([("a", good_row(PARAMS))])


@pytest.mark.parametrize("limits", [{"max_channels": 1}, {"silent_below_dbfs": 0}, {"min_bandwidth_share": 1.0}])
def test_golden_rows_follow_odd_limits(limits):
    params = IntakeParams(**limits)
    assert ClipsChecker(params).judge([("a", good_row(params))]).refused == {}


def test_an_empty_batch_is_no_clean_batch(checker):
    with pytest.raises(OtoloopError, match="0 rows"):
        checker.judge([])


def test_a_key_that_stands_twice_is_refused(checker):
    assert set(checker.judge([("a", good_row(PARAMS)), ("a", good_row(PARAMS))]).refused) == {"a"}


def test_a_missing_column_is_an_error_not_a_clean_table():
    rules = [not_missing("there", "x", "it"), not_missing("gone", "x", "it")]
    with pytest.raises(OtoloopError, match=r"'gone is measured' crashed.*gone"):
        Checker(rules, "key").run(pd.DataFrame({"key": [1], "there": [2.0]}))


def test_a_check_that_fails_inside_is_an_error_not_a_clean_table():
    text = between("x", 0, 1, name="numbers", code="x", message="{value}", remedy="r")
    with pytest.raises(OtoloopError, match="'numbers' crashed"):
        Checker([text], "key").run(pd.DataFrame({"key": [1], "x": ["text"]}))


def test_rule_names_are_unique():
    with pytest.raises(ValueError, match="same name"):
        Checker([not_missing("a", "x", "it")] * 2, "key")


def test_nothing_is_printed(capfd):
    rule = Rule(name="n", expect="ExpectTableRowCountToBeBetween", arguments={"min_value": 1}, code="c", message="m")
    Checker([rule], "key").run(pd.DataFrame({"key": [1]}))
    assert capfd.readouterr() == ("", "")
