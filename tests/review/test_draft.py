"""Drafting: deterministic, once, in the shares and languages asked for; only what passes is queued."""

import dataclasses
from collections import Counter

from otoloop import catalog
from otoloop.catalog import items, notes
from otoloop.reasoning.draft import run
from otoloop.reasoning.plan import Shares, plan_items
from otoloop.reasoning.vocab import faults
from otoloop.records import Measured


def everything(book):
    with book.reading() as session:
        return items.items(session)


def test_labelled_clips_get_checked_items_once(book, params, tmp_path):
    first = run(book, params, tmp_path / "memo")
    assert first.clips == 11 and first.items == 22 and first.queued == 22 - sum(first.held_back.values())
    again = run(book, params, tmp_path / "memo")
    assert (again.clips, again.items) == (0, 0)
    views = everything(book)
    assert {v.state for v in views if v.trace.ok} == {"queued"}
    assert {v.state for v in views if not v.trace.ok} <= {"drafted"}
    for view in views:
        cut = view.item.slice
        assert {"site", "machine", "machine_kind", "fault", "session", "cluster"} <= set(cut)
        assert cut["cluster"] == f"osaka/{cut['machine']}/{cut['session']}"
        assert (view.item.evidence is not None) == (view.item.kind == "with_evidence")
        assert (
            any(c["measured"] is not None for c in view.trace.checks)
            or view.item.style == "direct"
            or not view.trace.checks
        )


def test_english_first_then_the_notes_language(drafted):
    langs = {}
    for view in everything(drafted):
        langs.setdefault(view.item.clip, Counter())[view.item.lang] += 1
    assert langs["clip02"] == {"en": 1, "ja": 1} and langs["clip00"] == {"en": 2}


def test_same_seed_same_drafts_and_a_lost_catalogue_costs_nothing(book, heard, filled, params, tmp_path):
    first = run(book, params, tmp_path / "memo")
    (tmp_path / "other").mkdir()
    other = catalog.open_workspace(tmp_path / "other")
    with other.session() as session:
        filled(session, heard)
    second = run(other, params, tmp_path / "memo")
    assert second.memo_hits == second.items == first.items and first.memo_hits == 0
    assert sorted((v.item.id, v.trace.text) for v in everything(book)) == sorted(
        (v.item.id, v.trace.text) for v in everything(other)
    )
    other.close()


def test_a_corrected_label_supersedes_open_items_and_drafts_anew(drafted, params, tmp_path):
    with drafted.session() as session:
        notes.set_label(session, "clip00", "cavitation", source="reviewer", actor="aya")
    report = run(drafted, params, tmp_path / "memo")
    assert (report.clips, report.superseded) == (1, 2)
    with drafted.reading() as session:
        rows = items.items(session, clip="clip00")
    assert {
        (v.item.slice["fault"], v.state == "superseded") for v in rows if v.item.slice["fault"] != "cavitation"
    } == {(rows_fault(rows), True)}
    fresh = [v for v in rows if v.item.slice["fault"] == "cavitation"]
    assert len(fresh) == params.draft.items_per_clip, "open questions too, whose words do not depend on the label"


def rows_fault(rows):
    return next(v.item.slice["fault"] for v in rows if v.item.slice["fault"] != "cavitation")


def test_withdrawn_labels_are_left_alone(drafted, params, tmp_path):
    with drafted.session() as session:
        notes.set_label(session, "clip01", None, source="reviewer", actor="aya")
    assert run(drafted, params, tmp_path / "memo").clips == 0


def test_shares_are_kept_over_many_clips():
    evidence = {"band": Measured(value="low", reliable=True)}
    shares = Shares(items_per_clip=3, direct=0.3, evidence=0.5, choices=0.6, seed=7)
    made = [
        i
        for k in range(400)
        for i in plan_items(f"c{k}", faults()["rub"], evidence, shares=shares, note_lang="ja", slice={})
    ]
    share = {
        "direct": sum(i.style == "direct" for i in made) / len(made),
        "evidence": sum(i.kind == "with_evidence" for i in made) / len(made),
        "choices": sum(i.choices is not None for i in made) / len(made),
    }
    assert all(abs(share[k] - want) < 0.04 for k, want in (("direct", 0.3), ("evidence", 0.5), ("choices", 0.6))), share
    assert len({i.id for i in made}) == len(made)
    changed = dataclasses.replace(shares, seed=8)
    assert plan_items("c1", faults()["rub"], evidence, shares=changed, note_lang="en", slice={}) != made[3:6]
