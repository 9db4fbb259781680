import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from otoloop.gate.page import forest, html, label, markdown, points
from otoloop.gate.report import contents
from otoloop.gate.verdicts import decide

CYCLE = {
    "cycle": "cycle/0007", "release": {"name": "r7", "sha256": "6f0c2d11aaaa"}, "champion": {"version": "v6"},
    "reason": "312 new items", "owner": "mika",
}  # fmt: skip


@pytest.fixture
def data(results, params, suites):
    return contents(decide(results, params, suites), results, params, cycle=CYCLE)


class Wellformed(HTMLParser):
    """Collects what must not be there, and whether every tag is closed in order."""

    VOID = frozenset({"meta", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(text):
    page = Wellformed()
    page.feed(text)
    assert page.open == []
    return page


def test_the_page_is_whole_and_needs_nothing_else(data):
    text = html(data)
    page = read(text)
    assert page.seen.count("style") == 1 and "script" not in page.seen and "img" not in page.seen
    names = {k for k, _ in page.attributes}
    assert not names & {"style", "src", "href", "onclick", "onload"}
    assert not re.search(r"https?://|url\(|@import", text)
    assert len(text) < 120_000


def test_the_first_screen_says_what_was_decided(data):
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html(data)))
    head = text[text.index("✓ Pass") : text.index("Checks")]
    assert "Smallest detectable difference" in head and "cycle/0007" in head and "r7 6f0c2d11" in head
    assert f"{points(data['headline']['difference'])}" in head


def test_the_same_data_give_the_same_bytes(data, results, params, suites):
    again = contents(decide(results, params, suites), results, params, cycle=CYCLE)
    assert json.dumps(again, sort_keys=True, allow_nan=False) == json.dumps(data, sort_keys=True, allow_nan=False)
    assert html(again) == html(data)


def test_numbers_add_up(data):
    (row,) = data["accuracy"]
    assert row["n"] == 1000 and set(row["models"]) == {"base", "champion", "candidate"}
    assert sum(map(sum, data["confusion"]["counts"])) == 1000
    won, lost = data["examples"]["won_count"], data["examples"]["lost_count"]
    gain = row["models"]["candidate"]["accuracy"] - row["models"]["champion"]["accuracy"]
    assert (won - lost) / 1000 == pytest.approx(gain)
    assert len({e["gold"] for e in data["examples"]["won"]}) > 1
    assert data["alarms"]["candidate"]["faulty"] == 800
    assert data["claims"]["candidate"]["audio_only"]["accuracy"] > 0.9


def test_outputs_and_questions_are_not_copied_into_the_report(data):
    keys = set(re.findall(r'"(\w+)":', json.dumps(data)))
    assert not keys & {"output", "question", "trace", "text", "author"}


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "a|b\n# c", "\"'>&"])
def test_names_from_the_site_stay_text(results, params, suites, hostile):
    marked = {
        n: [replace(r, slice={**r.slice, "machine": hostile + r.slice["machine"]}) for r in rows]
        for n, rows in results.items()
    }
    page = html(contents(decide(marked, params, suites), marked, params, cycle={"owner": hostile}))
    assert "<script" not in page
    read(page)
    data = contents(decide(marked, params, [replace(suites[0], slice_by=("machine",))]), marked, params)
    text = markdown(data)
    assert "<script" not in text and "\n# c" not in text
    checks = text.split("## Checks")[1].split("##")[0].replace("\\|", "").strip().splitlines()
    assert {line.count("|") for line in checks} == {5}


def test_pages_of_every_kind_of_report_are_whole(results, params, suites, model):
    few = {"base": model(0.8, 0.1, 1, 60), "candidate": model(0.8, 0.6, 3, 60)}
    for rows in (few, {**results, "candidate": results["candidate"][1:]}, {"base": [], "candidate": []}):
        data = contents(decide(rows, params, suites), rows, params)
        read(html(data))
        assert markdown(data).startswith("# ")
    assert "Pilot: eligible" in html(contents(decide(few, params, suites), few, params))


def test_markdown_tables_have_as_many_cells_as_their_heads(data):
    text = markdown(data)
    assert text.startswith("# ✓ Pass\n")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1, block
    assert "\n\n\n" not in text


def test_the_forest_places_what_it_shows(data):
    drawn = forest(data["checks"], 0.05)
    assert drawn["zero"] == 500 and drawn["margin"] < 500
    for row in drawn["rows"]:
        assert 0 <= row["x1"] <= row["x"] <= row["x2"] <= 1000
    assert all(0 <= t["x"] <= 1000 for t in drawn["ticks"]) and len(drawn["ticks"]) <= 11


def test_slices_are_named_as_people_say():
    assert label("fault: gear_wear, valve_knock") == "gear tooth wear, valve knock"
    assert label("kind: with_evidence") == "sound and evidence"
    assert label("machine: pump-1") == "machine pump-1" and label("known") == "known kinds"
