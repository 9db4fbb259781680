"""Complaints and a random share of answers reach the reviewers, once, for the right reason, and train nothing."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from otoloop.catalog import items, notes, reviews, watched
from otoloop.review.decide import Act, decide


def label(site, clip="c1"):
    with site.book.reading() as session:
        return notes.label(session, clip)


def test_a_complaint_that_names_a_fault_is_proposed_and_drafted(site):
    site.hear("c1")
    site.ask("a1", "c1")
    site.say("a1", label="rotor rub", comment="opened it: the seal touches")
    report = site.watch()
    assert (report.seen, report.complaints, report.proposed, report.random) == (1, 1, 1, 0)
    found = label(site)
    assert (found.fault, found.source, found.actor) == ("rub", "answer", "ken")
    with site.book.reading() as session:
        assert notes.note(session, "c1").text == "opened it: the seal touches"
        assert reviews.approved_items(session) == [], "nobody has approved anything"
    site.draft()
    assert site.queue() == {("c1", "rub", "complaint")}


def test_what_is_right_or_unsure_is_left_alone(site):
    site.hear("c1")
    site.ask("a1", "c1")
    site.say("a1", "right")
    site.say("a1", "unsure", label="rub")
    assert site.watch().proposed == 0 and label(site) is None


def test_the_words_of_a_complaint_count_too_and_denials_do_not(site):
    site.hear("c1")
    site.ask("a1", "c1")
    site.say("a1", comment="this is no belt squeal, it is an air leak")
    site.watch()
    assert label(site).fault == "air_leak"


def test_a_complaint_without_a_fault_shows_what_the_model_said(site):
    site.hear("c1")
    site.ask("a1", "c1", said="belt_squeal", version="v3")
    site.say("a1", comment="nonsense")
    site.watch()
    site.draft()
    found = label(site)
    assert (found.fault, found.source, found.actor) == ("belt_squeal", "model", "v3")
    assert site.queue() == {("c1", "belt_squeal", "complaint")}


def test_a_random_share_is_drawn_once(sites, tmp_path):
    site = sites(tmp_path / "s", share=0.1)
    for n in range(400):
        site.ask(f"a{n}", f"sound{n}")
    first = site.watch()
    assert first.seen == 400 and 20 < first.random < 65 and first.without_sound == first.random
    again = site.watch()
    assert (again.seen, again.random, again.without_sound) == (0, 0, first.without_sound)
    site.ask("declined", None)
    assert site.watch().random == 0, "without a sound there is nothing to review"


def test_a_random_answer_is_reviewed_and_a_complaint_about_it_comes_first(sites, tmp_path):
    site = sites(tmp_path / "s", share=1.0)
    site.ask("a1", "raw1")
    assert site.watch().without_sound == 1
    site.hear("c1", parent="raw1")
    site.watch()
    site.draft()
    assert site.queue() == {("c1", "belt_squeal", "random")}
    site.say("a1")
    report = site.watch()
    assert report.moved > 0 and site.queue() == {("c1", "belt_squeal", "complaint")}
    with site.book.reading() as session:
        assert all(v.priority >= 5 for v in items.items(session, state="queued"))
        assert [pick.row.random for pick in watched.picks(session)] == [True], "the fair sample keeps it"


def test_what_a_note_or_a_reviewer_said_goes_before_what_the_model_said(sites, tmp_path):
    site = sites(tmp_path / "s", share=1.0)
    site.hear("c1")
    site.ask("a1", "c1", said="belt_squeal")
    with site.book.session() as session:
        notes.set_label(session, "c1", "rub", source="note_field", actor="ken")
    site.watch()
    assert label(site).fault == "rub"


def test_a_decided_complaint_is_not_asked_again(site):
    site.hear("c1")
    site.ask("a1", "c1")
    site.say("a1", label="rub")
    site.watch()
    site.draft()
    decide_all(site, decision="reject", reason="a leak", fault="compressed air leak")
    assert label(site).fault == "air_leak"
    site.ask("a2", "c1")
    site.say("a2", label="rub")
    assert site.watch().proposed == 0 and label(site).fault == "air_leak"
    site.draft()
    assert site.queue() == {("c1", "air_leak", "complaint")}


def test_an_approved_correction_supersedes_what_was_approved_before(site):
    site.hear("c1")
    with site.book.session() as session:
        notes.set_label(session, "c1", "belt_squeal", source="note_field")
    site.draft()
    decide_all(site, decision="approve", force=True, reason="heard it")
    site.ask("a1", "c1")
    site.say("a1", label="rub")
    site.watch()
    site.draft()
    assert {fault for _, fault in approved(site)} == {"belt_squeal"}, "until a reviewer agrees"
    decide_all(site, decision="approve", force=True, reason="heard it")
    assert {fault for _, fault in approved(site)} == {"rub"}


def decide_all(site, **act):
    with site.book.reading() as session:
        names = [v.item.id for v in items.items(session, state="queued")]
    for name in names:
        decide(site.book, name, Act(actor="aya", seconds_spent=5, **act), site.params.base)


def approved(site):
    with site.book.reading() as session:
        return {(one.item.clip, one.item.slice["fault"]) for one in reviews.approved_items(session)}


ASKED = [("ask", "a1", "c1", "belt_squeal"), ("ask", "a2", "c1", "rub"), ("ask", "a3", "c2", "belt_squeal"),
         ("ask", "a4", "raw3", "rub")]  # fmt: skip
CLIPS = [("hear", "c1"), ("hear", "c2"), ("hear", "c3", "raw3")]
NAMES = ("a1", "a2", "a3", "a4")
FEEDBACK = st.tuples(
    st.just("say"), st.sampled_from(NAMES), st.sampled_from(["wrong", "right"]),
    st.sampled_from([None, "rub", "air_leak", "cavitation"]),
)  # fmt: skip


def play(site, events):
    """Events in order; feedback about an answer that is not there yet waits for it."""
    known, early = set(), []
    for event in events:
        if event[0] == "say" and event[1] not in known:
            early.append(event)
            continue
        getattr(site, event[0])(*event[1:])
        if event[0] == "ask":
            known.add(event[1])
            for late in [e for e in early if e[1] == event[1]]:
                site.say(*late[1:])


@settings(max_examples=12, deadline=None)
@given(said=st.lists(FEEDBACK, max_size=4), data=st.data(), share=st.sampled_from([0.0, 0.5, 1.0]))
def test_any_order_and_any_number_of_runs_make_the_same_queue(sites, said, data, share):
    events = [*ASKED, *CLIPS, *said]
    mixed = data.draw(st.permutations([*events, *[("watch",)] * 3]))
    queues = []
    with tempfile.TemporaryDirectory() as folder:
        for number, order in enumerate((events, mixed)):
            site = sites(Path(folder) / str(number), share)
            play(site, order)
            site.watch()
            site.draft()
            before = site.queue()
            again = site.watch()
            assert (again.seen, again.complaints, again.proposed, again.moved) == (0, 0, 0, 0)
            assert site.draft().clips == 0 and site.queue() == before
            queues.append(before)
            site.book.close()
    assert queues[0] == queues[1]


def test_drafting_before_or_after_makes_the_same_queue(sites, tmp_path):
    steps = [("ask", "a1", "c1", "belt_squeal"), ("hear", "c1"), ("say", "a1", "wrong", "rub"), ("watch",), ("draft",)]
    queues = set()
    for number, order in enumerate(itertools.permutations(steps)):
        if number % 10:
            continue
        site = sites(tmp_path / str(number), 1.0)
        play(site, order)
        site.watch()
        site.draft()
        queues.add(frozenset(site.queue()))
        site.book.close()
    assert queues == {frozenset({("c1", "rub", "complaint")})}
