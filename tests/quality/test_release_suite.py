"""A release that leaks, lies or limps is refused, with the very items named."""

from otoloop.params import ReleaseParams
from otoloop.quality.release import check_release, release_suite

TRACE = "<THINK><PLANNING>p</PLANNING></THINK><RESPONSE>rotor rub</RESPONSE>"
FAULTS = ("rub", "air_leak", "normal")


def release(n: int = 30) -> list[dict]:
    """A sound release: three faults, three splits of sessions that share nothing, tests last."""
    rows = []
    for i in range(n):
        split = ("train", "train", "valid", "test")[i * 4 // n]
        rows.append({
            "id": f"i{i:03}", "clip": f"c{i}", "split": split, "site": "osaka", "machine": "pump-3",
            "session": f"s{i // 3}-{split}", "group": f"c{i}", "time": f"2026-05-{i // 3 + 1:02}T08:00:00+00:00",
            "question": "What is it?", "choices": ["rotor rub", "air leak"], "kind": "audio_only", "style": "cot",
            "lang": "en", "evidence": None, "answer": "rotor rub", "answer_letter": "a", "fault": FAULTS[i % 3],
            "trace": TRACE,
        })  # fmt: skip
        if i % 2:
            rows[-1].update(choices=["air leak", "rotor rub"], answer_letter="b")
    return rows


def broken(rows) -> dict[str, list[str]]:
    """Rule name -> failing ids."""
    report = check_release(rows, ReleaseParams())
    return {o.rule.name: [f.key for f in o.failures] for o in report.outcomes if not o.success}


def test_a_sound_release_passes_every_rule():
    report = check_release(release(), ReleaseParams())
    assert report.ok and broken(release()) == {} and len(report.outcomes) >= 15
    assert report.to_json()["rows"] == 30


def test_the_report_is_the_same_for_the_same_rows():
    assert check_release(release(), ReleaseParams()).to_json() == check_release(release(), ReleaseParams()).to_json()


BAD_ITEMS = [
    ({"kind": "video"}, "kind is a known word"),
    ({"style": "poem"}, "style is a known word"),
    ({"lang": "xx"}, "lang is a known word"),
    ({"fault": "gremlins"}, "fault is a known word"),
    ({"question": " \n"}, "question given"),
    ({"answer": ""}, "answer given"),
    ({"answer_letter": "h"}, "letter in range"),
    ({"answer_letter": None}, "letter in range"),
    ({"choices": None}, "letter in range"),
    ({"answer_letter": "b", "choices": ["rotor rub", "air leak"]}, "letter is answer"),
    ({"choices": ["rotor rub", "Rotor Rub "]}, "choices differ"),
    ({"evidence": "rms -20 dBFS"}, "evidence fits"),
    ({"kind": "with_evidence"}, "evidence fits"),
    ({"trace": "it is a rub"}, "tags once"),
    ({"trace": TRACE + TRACE}, "tags once"),
    ({"trace": None}, "tags once"),
    ({"clip": None}, "clip is given"),
    ({"time": None}, "time is given"),
    ({"session": None}, "session is given"),
    ({"split": "exam"}, "split is a known word"),
]


def test_bad_items_among_good_ones_are_named_rule_by_rule():
    rows, expected = release(60), {}
    for n, (change, rule) in enumerate(BAD_ITEMS):
        rows[n] = {**rows[n], **change}
        expected.setdefault(rule, []).append(f"i{n:03}")
    found = broken(rows)
    expected["letter is answer"].insert(0, "i005")  # a blank answer is no choice either
    assert {rule: found.get(rule) for rule in expected} == expected


def test_a_leak_names_both_sides():
    words = {"clip": "clip", "session": "recording session", "group": "group of near duplicates"}
    rows = release()
    for place, column in enumerate(words):
        rows[-1 - place] = {**rows[-1 - place], column: rows[place][column]}
    found = broken(rows)
    for place, column in enumerate(words):
        mates = {r["id"] for r in rows if r[column] == rows[place][column]}
        assert set(found[f"no {words[column]} in two splits"]) == mates and len(mates) > 1
    assert not check_release(rows, ReleaseParams()).ok


def test_ids_that_stand_twice_are_both_named():
    rows = release()
    assert broken([*rows, rows[7]])["item ids are unique"] == ["i007", "i007"]


def test_one_fault_must_not_drown_the_others():
    rows = [{**r, "fault": "rub" if i else "air_leak"} for i, r in enumerate(release())]
    assert "no fault dominates training" in broken(rows)
    assert not check_release(rows, ReleaseParams()).ok
    assert check_release(rows, ReleaseParams(), balance=False).ok


def test_sealed_tests_may_lie_without_answers_but_training_may_not():
    hidden = dict.fromkeys(("answer", "answer_letter", "trace", "fault"))
    rows = [{**r, **hidden} if r["split"] == "test" else r for r in release()]
    assert check_release(rows, ReleaseParams()).ok
    rows[0] = {**rows[0], **hidden}
    assert broken(rows)["answer given"] == ["i000"]


def test_warnings_do_not_refuse_a_release():
    rows = release()
    rows[-1] = {**rows[-1], "time": "2020-01-01T00:00:00+00:00", "fault": "cavitation"}
    rows[1] = {**rows[1], "clip": rows[0]["clip"], "choices": rows[0]["choices"], "answer_letter": "a", "session": "x"}
    report = check_release(rows, ReleaseParams())
    assert report.ok and set(broken(rows)) == {"tested faults are trained", "no question is asked twice"}
    rows[-1]["fault"] = "rub"
    assert "tests are later than training" in broken(rows)


def test_letters_that_give_the_answer_away_are_told():
    rows = [{**r, "choices": ["rotor rub", "air leak"], "answer_letter": "a"} for r in release(60)]
    assert "letters give nothing away" in broken(rows)


def test_an_empty_release_is_refused():
    report = check_release([], ReleaseParams())
    assert not report.ok and not report.outcomes[0].success


def test_the_suite_explains_itself():
    rules = release_suite(ReleaseParams())
    assert all(rule.remedy and rule.message for rule in rules) and len(rules) >= 20
