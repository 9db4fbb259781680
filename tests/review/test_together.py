"""Approving together what nothing speaks against, and naming clips that came without a note."""

import json
import re

import pytest
from typer.testing import CliRunner

from otoloop import cli
from otoloop.catalog import items, notes, reviews
from otoloop.catalog.tables import ItemRow
from otoloop.errors import OtoloopError
from otoloop.review import together

BASE = "otoloop-mini"


def queued(book):
    with book.reading() as session:
        return {view.item.id: view for view in items.items(session, state="queued")}


def test_only_what_is_confirmed_throughout_is_approved_and_each_by_name(drafted):
    before = queued(drafted)
    with drafted.session() as session:
        doubtful = next(view.item.id for view in before.values() if "Hz" in view.trace.text)
        items.add_trace(session, doubtful, re.sub(r"\d+ Hz", "7777 Hz", before[doubtful].trace.text), drafter="x")
    found = together.confirmed(drafted, BASE, actor="aya")
    assert {one.item.id for one in found} == set(before) - {doubtful}
    assert all(c.status == "confirmed" for one in found for c in one.claims) and not any(one.problems for one in found)
    tally = together.approve(drafted, BASE, [one.item.id for one in found], actor="aya", reason=together.REASON)
    assert tally.refused == {} and len(tally.approved) + len(tally.second) == len(found)
    assert set(tally.second) == {one.item.id for one in found if one.view.double}
    with drafted.reading() as session:
        rows = reviews.reviews(session)
        assert {(row.actor, row.reason, row.decision) for row in rows} == {("aya", together.REASON, "approve")}
        assert {one.item.id for one in reviews.approved_items(session)} == set(tally.approved)
    assert {one.item.id for one in together.confirmed(drafted, BASE, actor="aya")} == set()
    assert {one.item.id for one in together.confirmed(drafted, BASE, actor="ben")} == set(tally.second)


def test_one_refusal_does_not_stop_the_others(drafted):
    one, other, *_ = [item for item, view in queued(drafted).items() if not view.double]
    with drafted.session() as session:
        items.add_trace(session, one, "no trace at all", drafter="composer")
    tally = together.approve(drafted, BASE, [one, "nonsense", other], actor="aya")
    assert tally.approved == [other] and set(tally.refused) == {one, "nonsense"}
    assert "format" in tally.refused[one] and "no item 'nonsense'" in tally.refused["nonsense"]


def test_a_site_can_be_chosen(drafted):
    assert together.confirmed(drafted, BASE, actor="aya", site="elsewhere") == []


def test_a_clip_is_labelled_by_a_beginning_of_its_id_and_drafted_for(drafted, params, tmp_path):
    from otoloop.reasoning.draft import run

    full, known = together.label(drafted, ["clip11"], "valve knocking", "aya")
    assert (full, known.en) == (["clip11"], "valve knock")
    with drafted.reading() as session:
        label = notes.label(session, "clip11")
        assert label is not None and (label.fault, label.source) == ("valve_knock", "reviewer")
    assert run(drafted, params, tmp_path / "memo").clips == 1


@pytest.mark.parametrize(
    ("clip", "fault", "why"),
    [
        ("clip1", "rub", "clip1"),
        ("nowhere", "rub", "'nowhere' is not in"),
        ("clip11", "gremlins", "Unknown fault 'gremlins'"),
    ],
)
def test_wrong_names_label_nothing(drafted, clip, fault, why):
    with pytest.raises(OtoloopError, match=why):
        together.label(drafted, ["clip10", clip], fault, "aya")
    with drafted.reading() as session:
        assert notes.labels(session, ["clip11"]) == {}


@pytest.fixture
def otoloop(drafted, tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text("base: otoloop-mini\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTOLOOP_ACTOR", "aya")
    cli._register()

    def run(*words, code=0, answer=""):
        result = CliRunner().invoke(cli.app, ["review", *words], input=answer)
        assert result.exit_code == code, result.output + str(result.exception)
        return result

    return run


def test_the_command_asks_first_and_says_what_waits(otoloop, drafted):
    assert "Approve" in otoloop("approve", "--all-confirmed", answer="n\n", code=1).output
    assert "Add --yes" in str(otoloop("approve", "--all-confirmed", "--json", code=1).exception)
    with drafted.session() as session:
        session.get_one(ItemRow, together.confirmed(drafted, BASE, actor="aya")[0].item.id).double = True
    said = otoloop("approve", "--all-confirmed", answer="y\n").output
    assert "as aya, unseen (" in said and "items are approved." in said and "wait for another one (--as NAME)" in said
    left = json.loads(otoloop("approve", "--all-confirmed", "--yes", "--as", "ben", "--json").stdout)
    assert left["approved"] and left["need_another_reviewer"] == []


def test_the_command_takes_several_ids(otoloop, drafted):
    several = [item for item, view in queued(drafted).items() if not view.double][:3]
    assert "3 items are approved." in otoloop("approve", *several).output
    assert "approved, not queued" in otoloop("approve", *several, code=1).output


@pytest.mark.parametrize("words", [(), ("3f2a", "--all-confirmed")])
def test_ids_or_all_confirmed(otoloop, words):
    assert "Give ids of items, or --all-confirmed" in otoloop("approve", *words, code=2).output


def test_the_command_labels(otoloop):
    assert "2 clips are labelled as rotor rub" in otoloop("label", "clip10", "clip11", "--fault", "rotor rub").output
