"""Decisions: states, who and how long, refused contradictions, stale versions, two people, relabelling."""

import re

import pytest

from otoloop.catalog import items, notes, reviews
from otoloop.errors import OtoloopError
from otoloop.review.decide import Act, RefusedError, StaleError, decide
from otoloop.review.queue import Decided, place, weakness
from otoloop.review.simulated import CARELESS, NAMES, careless, mislabel, review_all
from otoloop.review.views import show

BASE = "otoloop-mini"


def pick(book, *, double=False, style="cot", kind=None):
    with book.reading() as session:
        views = items.items(session, state="queued")
    return next(
        v
        for v in views
        if v.double == double and v.item.style == style and kind in (None, v.item.kind) and "Hz" in v.trace.text
    )


def act(decision="approve", actor="aya", **more):
    return Act(actor=actor, decision=decision, seconds_spent=9.0, **more)


def test_approve_writes_who_when_how_long(drafted):
    view = pick(drafted)
    outcome = decide(drafted, view.item.id, act(seen_version=1), BASE)
    assert (outcome.state, outcome.final) == ("approved", True)
    with drafted.reading() as session:
        (row,) = reviews.reviews(session, item_id=view.item.id)
        assert (row.actor, row.seconds_spent, row.decision) == ("aya", 9.0, "approve") and row.created_at
        assert [a.item.id for a in reviews.approved_items(session)] == [view.item.id]


def test_a_second_decision_is_stale(drafted):
    view = pick(drafted)
    decide(drafted, view.item.id, act(), BASE)
    with pytest.raises(StaleError, match="approved"):
        decide(drafted, view.item.id, act(actor="ben"), BASE)


def test_a_newer_trace_makes_an_open_page_stale(drafted):
    view = pick(drafted)
    with drafted.session() as session:
        items.add_trace(session, view.item.id, view.trace.text, drafter="composer")
    with pytest.raises(StaleError, match="newer trace"):
        decide(drafted, view.item.id, act(seen_version=1), BASE)


def wrong(text):
    return re.sub(r"(\d+) Hz", lambda m: f"{int(m.group(1)) * 3} Hz", text, count=1)


def test_an_edit_that_contradicts_the_sound_is_refused_unless_forced(drafted):
    view = pick(drafted)
    with pytest.raises(RefusedError) as refused:
        decide(drafted, view.item.id, act(edited=wrong(view.trace.text)), BASE)
    assert {f.code for f in refused.value.findings} <= {
        "claim_contradicted",
        "event_not_supported",
        "claim_not_hearable",
    }
    with pytest.raises(RefusedError):
        decide(drafted, view.item.id, act(edited=wrong(view.trace.text), force=True), BASE)
    forced = act(edited=wrong(view.trace.text), force=True, reason="the detector misses this tone")
    assert decide(drafted, view.item.id, forced, BASE).state == "approved"
    with drafted.reading() as session:
        (approved,) = reviews.approved_items(session)
        assert approved.trace == wrong(view.trace.text)
        (row,) = reviews.reviews(session, item_id=view.item.id)
        assert row.edits["forced"] and "misses" in row.reason


def test_a_good_edit_becomes_the_approved_version(drafted):
    view = pick(drafted)
    better = view.trace.text.replace("</PLANNING>", " Take your time.</PLANNING>")
    decide(drafted, view.item.id, act(edited=better), BASE)
    with drafted.reading() as session:
        (approved,) = reviews.approved_items(session)
        assert approved.trace == better
        assert items.traces(session, view.item.id)[-1].drafter == "reviewer:aya"


def test_reject_needs_a_reason_and_can_correct_the_label(drafted):
    view = pick(drafted)
    with pytest.raises(OtoloopError, match="reason"):
        decide(drafted, view.item.id, act("reject"), BASE)
    with pytest.raises(OtoloopError, match="Unknown fault"):
        decide(drafted, view.item.id, act("reject", reason="no", fault="gremlins"), BASE)
    decide(drafted, view.item.id, act("reject", reason="it is the line", fault="compressed air leak"), BASE)
    with drafted.reading() as session:
        label = notes.label(session, view.item.clip)
    assert (label.fault, label.source, label.actor) == ("air_leak", "reviewer", "aya")


def test_double_review_needs_two_people_and_a_third_when_they_disagree(drafted):
    view = pick(drafted)
    with drafted.session() as session:
        from otoloop.catalog.tables import ItemRow

        session.get_one(ItemRow, view.item.id).double = True
    first = decide(drafted, view.item.id, act(), BASE)
    assert (first.state, first.final) == ("queued", False)
    with pytest.raises(OtoloopError, match="already"):
        decide(drafted, view.item.id, act(), BASE)
    second = decide(drafted, view.item.id, act("reject", actor="ben", reason="no"), BASE)
    assert not second.final and "third" in second.needs
    third = decide(drafted, view.item.id, act(actor="chi"), BASE)
    assert (third.state, third.final) == ("approved", True)


def test_skipping_moves_nothing(drafted):
    view = pick(drafted)
    outcome = decide(drafted, view.item.id, act("skip"), BASE)
    assert (outcome.state, outcome.final) == ("queued", False)


def test_the_simulated_reviewer_decides_from_what_it_sees_and_says_so(drafted):
    done = review_all(drafted, BASE)
    with drafted.reading() as session:
        counts = items.count_by_state(session)
        actors = {r.actor for r in reviews.reviews(session)}
        spent = [r.seconds_spent for r in reviews.reviews(session)]
    assert counts.get("queued", 0) == 0 and counts["approved"] == done.decided["approved"] > 15
    assert actors <= set(NAMES) and all("simulated" in a for a in actors) and all(6 <= s <= 26 for s in spent)


def test_it_rejects_what_the_note_contradicts(drafted):
    view = pick(drafted)
    from otoloop.records import Note

    with drafted.session() as session:
        notes.set_note(session, view.item.clip, Note(text="", fault="cavitation", author="ken"))
    review_all(drafted, BASE)
    with drafted.reading() as session:
        assert items.item(session, view.item.id).state == "rejected"


def test_the_careless_reviewer_spoils_names_and_nothing_else(book, params, tmp_path):
    """A wrong name on true facts passes every check; a careful reader would have seen the note."""
    from otoloop.reasoning.draft import run

    with book.reading() as session:
        before = notes.labels(session)
    wrong = mislabel(book, before, {"gear_wear": "inverter_whine"})
    assert wrong == sum(label.fault == "gear_wear" for label in before.values()) > 0
    run(book, params, tmp_path / "memo")
    review_all(book, BASE, opinion=careless)
    with book.reading() as session:
        after = notes.labels(session)
        spoiled = [v for v in items.items(session, state="approved") if after[v.item.clip].actor == CARELESS]
        assert {after[c].fault for c, label in before.items() if label.fault == "gear_wear"} == {"inverter_whine"}
        shown = [show(session, v.item.id, BASE) for v in spoiled]
    assert spoiled and all(not s.problems for s in shown)


def test_new_sites_and_faults_come_first_and_some_at_random(drafted, params):
    with drafted.reading() as session:
        views = items.items(session, state="queued")
    assert {v.picked_by for v in views} <= {"new_site", "random"}
    seen = Decided()
    seen.by_site["osaka"] = 1000
    spots = [place(v.item, [], seen, params.review, seed=3) for v in views]
    assert {s.picked_by for s in spots} <= {"new_fault", "random"}
    for view in views:
        seen.by_fault[view.item.slice["fault"]] = 1000
    for view in views:  # a direct answer claims nothing, so nothing about it is weak
        expected = "diversity" if view.item.style == "direct" else "uncertainty"
        assert place(view.item, [], seen, params.review, seed=3).picked_by in (expected, "random")


def test_weakness_falls_with_confirmed_claims(drafted):
    with drafted.reading() as session:
        shown = show(session, pick(drafted).item.id, BASE)
    assert weakness(shown.claims) == 0 and weakness([]) == 0.5 and not shown.problems
    assert shown.to_json()["claims"][0]["status"] == "confirmed"
