"""The report is one page that needs nothing from elsewhere and shows hostile names as text."""

import re
from functools import cache

from otoloop.params import IntakeParams
from otoloop.quality.clips import ClipsChecker
from otoloop.quality.golden import golden_rows
from otoloop.quality.report import FailingRow, failing_rows, merge, render

PARAMS = IntakeParams()


CHECKER = cache(lambda: ClipsChecker(PARAMS))


def outcomes(prefix: str = ""):
    return CHECKER().judge([(prefix + name, row) for name, _, row in golden_rows(PARAMS)]).outcomes


def test_the_page_is_self_contained_and_names_every_failing_row():
    page = render("Intake", outcomes(), summary={"admitted": 14, "quarantined": 13}, ok=False)
    assert not re.search(r"(src=|href|@import|url\(|https?:)", page) and "<script" not in page
    for name, code, _ in golden_rows(PARAMS):
        if code:
            assert name in page and code in page


def test_hostile_names_are_shown_as_text():
    row = FailingRow(place="<script>alert(1)</script>", code="silent", sentence="<em>", remedy="&")
    page = render("<i>", [], summary={"<u>": "<s>"}, rows=[row])
    for hostile in ("<script>alert", "<em>", "<i>", "<u>", "<s>"):
        assert hostile not in page


def test_long_lists_are_cut_and_say_so():
    rows = [FailingRow(place=f"f{i}", code="silent", sentence="s", remedy="r") for i in range(700)]
    page = render("t", [], summary={}, rows=rows)
    assert "200 more rows are not shown" in page and page.count("<code>f") == 500


def test_nothing_wrong_is_said_plainly():
    page = render("t", [], summary={"admitted": 3}, ok=True)
    assert "None." in page and "passed" in page


def test_batches_are_merged_rule_by_rule():
    first, second = outcomes("a "), outcomes("b ")
    merged = merge([first, second])
    assert [o.rule.name for o in merged] == [o.rule.name for o in first]
    assert len(failing_rows(merged)) == 2 * len(failing_rows(first))
    assert merged[0].observed == first[0].observed + second[0].observed


def test_places_are_named_better_than_keys():
    rows = failing_rows(outcomes(), {"golden: duration_s = 0.45": "osaka/pump-3/a.wav"})
    assert "osaka/pump-3/a.wav" in {row.place for row in rows}
