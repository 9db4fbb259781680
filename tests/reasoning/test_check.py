"""Every reason code, each on a trace that has just this fault, and none on traces that have no fault."""

from pathlib import Path

import pytest

from otoloop.codes import TRACE_CODES
from otoloop.reasoning.check import check, claims_against, finding_json
from otoloop.records import Item, Measured

BASE = "otoloop-mini"


def known(value, uncertainty=0.0, reliable=True):
    return Measured(value=value, uncertainty=uncertainty, reliable=reliable)


EVIDENCE = {
    "rms_dbfs": known(-23.0),
    "tones": known([{"f_hz": 2900.0, "level_db": 20.0}, {"f_hz": 410.0, "level_db": 12.0}], 1.0),
    "impulsive": known(True),
    "impulse_rate_hz": known(107.0, 0.3),
    "steady": known(True),
    "hum_hz": known(None, None, False),
    "modulation_hz": known(3.9, 0.4),
    "band": known("high"),
    "bands_dbfs": known({"low": -40.0, "mid": -39.0, "high": -24.0}),
    "speed_rpm": known(1490.0, 7.0),
    "shaft_hz": known(24.83, 0.1),
    "impacts_per_turn": known(4.31, 0.03),
    "outer_race_order": known(4.32, 0.02),
    "inner_race_order": known(6.68, 0.02),
    "ball_order": known(5.5, 0.02),
}
ITEM = Item(
    id="i",
    clip="c",
    question="What do you hear?",
    answer="outer race defect",
    answer_letter="b",
    choices=("belt squeal", "outer race defect", "normal running"),
    kind="with_evidence",
)
GOOD = (
    "The speed is 1490 rpm, impacts come 107.0 times a second, a tone stands at 2900 Hz, "
    "most energy lies in the high band.",
    "4.31 impacts per turn is nearest the outer race order 4.32. "
    "Even ringing impacts: this points to outer race defect.",
)


def codes(text, evidence=EVIDENCE, item=ITEM, **more):
    return sorted({str(f.code) for f in check(text, evidence, item=item, base=BASE, **more)})


def good(
    trace,
    caption=GOOD[0],
    reasoning=GOOD[1],
    response="outer race defect (b)",
    summary="So it is outer race defect.",
    **more,
):
    return trace(caption, reasoning, response, summary, **more)


def test_a_right_trace_has_no_findings_and_all_its_claims_are_confirmed(trace):
    text = good(trace)
    assert codes(text) == []
    judged = claims_against(text, EVIDENCE, "with_evidence", BASE)
    assert {f.status for f in judged} == {"confirmed"} and all(
        f.code is None and f.measured is not None for f in judged
    )
    assert {f.kind for f in judged} >= {
        "speed_rpm",
        "impulse_rate_hz",
        "tone_hz",
        "band",
        "impacts_per_turn",
        "nearest_order",
    }


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("1490 rpm", "1390 rpm"),
        ("107.0 times", "117.0 times"),
        ("2900 Hz", "3300 Hz"),
        ("high band", "low band"),
        ("4.31 impacts", "4.71 impacts"),
        ("order 4.32", "order 4.9"),
        ("outer race order 4.32", "inner race order 6.68"),
    ],
)
def test_one_wrong_statement_is_found_with_its_numbers(trace, was, now):
    text = good(trace).replace(was, now)
    (finding,) = check(text, EVIDENCE, item=ITEM, base=BASE)
    assert finding.code == "claim_contradicted"
    assert now.split()[0] in text[slice(*finding.span)] or "nearest" in finding.claim or now in finding.claim
    row = finding_json(finding)
    assert {"code", "claim", "span", "stated", "measured", "tolerance", "unit"} <= set(row)


@pytest.mark.parametrize("cut", ["</CAPTION>", "<THINK>", "<SUMMARY>", "</RESPONSE>"])
def test_format(trace, cut):
    assert "format" in codes(good(trace).replace(cut, ""))


def test_empty_part_and_wanted_thinking(trace):
    assert codes(good(trace, plan=" ")) == ["empty_part"]
    assert codes("<THINK></THINK><RESPONSE>outer race defect (b)</RESPONSE>") == ["empty_part"]


@pytest.mark.parametrize(
    ("response", "summary"),
    [
        ("belt squeal (a)", "So it is belt squeal."),
        ("outer race defect (a)", "So it is outer race defect."),
        ("outer race defect (b)", "So it is belt squeal."),
        ("outer race defect (b)", "It is loud."),
        ("(a)", "So it is belt squeal."),
        ("outer race defect (b)", "It is not outer race defect but belt squeal."),
    ],
)
def test_answer_mismatch(trace, response, summary):
    assert "answer_mismatch" in codes(good(trace, reasoning="Listen.", response=response, summary=summary))


@pytest.mark.parametrize(
    "response", ["b", "(b)", "b.", "outer race defect", "Outer race defect (b).", "軸受外輪損傷 (b)"]
)
def test_right_answers_in_many_forms(trace, response):
    assert codes(good(trace, response=response, summary="So it is outer race defect.")) == []


def test_reasoning_that_concludes_something_else(trace):
    assert "answer_mismatch" in codes(good(trace, reasoning="Ringing impacts: this points to belt squeal."))
    assert codes(good(trace, reasoning="Ringing impacts: outer race defect rather than belt squeal.")) == []


def test_not_hearable(trace):
    item = Item(id="i", clip="c", question="What?", answer="outer race defect", kind="audio_only")
    heard = "A tone stands near 3150 Hz, impacts are heard, the level swells about 4 times a second."
    text = good(trace, heard, "Even ringing impacts: this points to outer race defect.", "outer race defect")
    assert codes(text, item=item) == []
    for told in (
        "impacts come 107.0 times a second",
        "the speed is 1490 rpm",
        "the shaft turns 24.8 times a second",
        "a tone at 9 kHz",
    ):
        assert codes(text.replace("impacts are heard", told), item=item) == ["claim_not_hearable"]


def test_events_that_are_not_there(trace):
    quiet = {
        **EVIDENCE,
        "impulsive": known(False),
        "impulse_rate_hz": known(40.0, 1, False),
        "tones": known([], 1.0, False),
    }
    found = check(
        good(trace, "Impacts come 107 times a second, a tone stands at 2900 Hz.", "Listen."),
        quiet,
        item=ITEM,
        base=BASE,
    )
    assert [f.code for f in found] == ["event_not_supported", "event_not_supported"]
    assert codes(good(trace, "Loud impacts and a whistle.", "Listen."), quiet) == ["event_not_supported"]


def test_silence_supports_nothing(trace):
    silent = {"rms_dbfs": known(-82.0), "tones": known(None, None, False)}
    assert "event_not_supported" in codes(good(trace, "A tone stands at 440 Hz.", "Listen."), silent)


@pytest.mark.parametrize("words", ["The gear teeth are worn.", "The piston slaps.", "歯車が傷んでいる。"])
def test_parts_out_of_nowhere(trace, words):
    assert "event_not_supported" in codes(good(trace, reasoning=f"{words} {GOOD[1]}"))


def test_parts_the_item_speaks_of(trace):
    assert codes(good(trace, reasoning=f"The bearing rings; the belt is quiet. {GOOD[1]}")) == []
    assert codes(good(trace, reasoning=f"There is no gear. {GOOD[1]}")) == []


@pytest.mark.parametrize(
    "words", ["shaft misalignment", "a cage defect", "water hammer", "a coupling failure", "芯ずれ"]
)
def test_unknown_terms(trace, words):
    assert "unknown_term" in codes(good(trace, reasoning=f"It may be {words}. {GOOD[1]}"))


def test_unknown_response(trace):
    assert "unknown_term" in codes(trace("A tone.", "Listen.", "flux capacitor", "So it is flux capacitor."), item=None)


@pytest.mark.parametrize(
    "words",
    [
        "The metadata says it is a bearing.",
        "According to the note, it rattles.",
        "The label says outer race defect.",
        "The evidence file says the fault is known.",
        "Judging by the file name it is a pump.",
        "It was labelled as bearing.",
        "メタデータによれば軸受である。",
        "ラベルによると外輪である。",
        "メモには異音とある。",
        "ファイル名から分かる。",
    ],
)
def test_surrogate_phrases(trace, words):
    assert "surrogate_phrase" in codes(good(trace, reasoning=f"{words} {GOOD[1]}"))


@pytest.mark.parametrize(
    "words", ["The evidence shows impacts.", "I note a tone at 2900 Hz.", "The description of the sound: ringing."]
)
def test_honest_phrases_are_not_surrogates(trace, words):
    assert "surrogate_phrase" not in codes(good(trace, reasoning=f"{words} {GOOD[1]}"))


def test_gold_leak(trace):
    assert codes(good(trace, plan="Show that it is outer race defect.")) == ["gold_leak"]
    assert codes(good(trace, plan="The answer is b.")) == ["gold_leak"]
    assert "gold_leak" in codes(good(trace, caption="The outer race defect rings. " + GOOD[0]))
    assert "gold_leak" in codes(good(trace, plan="軸受外輪損傷を示す。"))


def test_answerable_without_audio(trace):
    import dataclasses

    for change in (
        {"question": "Why does the outer race defect ring?"},
        {"evidence": "<EVIDENCE>outer race defect</EVIDENCE>"},
    ):
        assert "answerable_without_audio" in codes(good(trace), item=dataclasses.replace(ITEM, **change))


def test_numbers_that_nobody_measured_are_refused_where_the_prompt_has_all(trace):
    import dataclasses

    item = dataclasses.replace(ITEM, evidence="<EVIDENCE>speed 1490 rpm</EVIDENCE>")
    text = good(trace, GOOD[0] + " The vibration is 9.1 mm/s.")
    assert codes(text, item=item) == ["event_not_supported"]
    (finding,) = [f for f in claims_against(text, EVIDENCE, "with_evidence", BASE) if f.kind == "vibration_rms_mm_s"]
    assert (finding.code, finding.status, finding.measured) == (
        None,
        "unverifiable",
        None,
    ) and "unverifiable" in finding.message


def test_json_evidence_is_taken_too(trace):
    rows = {k: {"value": m.value, "uncertainty": m.uncertainty, "reliable": m.reliable} for k, m in EVIDENCE.items()}
    assert codes(good(trace), rows) == []


def test_all_codes_are_covered():
    source = Path(__file__).read_text(encoding="utf-8")
    assert [c for c in TRACE_CODES if f'"{c}"' not in source] == []
