"""Items through review into releases; the state machine against its own specification."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from otoloop import catalog
from otoloop.catalog import items, releases, reviews
from otoloop.catalog.states import MOVES, move
from otoloop.codes import REVIEW_STATES
from otoloop.errors import OtoloopError
from otoloop.records import Finding, Item

from .conftest import put_clip, put_item


def queued(session, item_id: str = "i1", text: str = "trace 1") -> None:
    put_item(session, item_id)
    items.add_trace(session, item_id, text, drafter="composer")
    items.queue(session, [item_id])


def test_items_go_in_and_out_unchanged_and_once(book, a_clip):
    item = Item(
        id="i1", clip=a_clip, question="何の音？", answer="空気漏れ", choices=("空気漏れ", "こすれ"), answer_letter="A",
        kind="with_evidence", style="direct", lang="ja", evidence="<EVIDENCE>…", slice={"site": "osaka"},
    )  # fmt: skip
    with book.session() as session:
        assert items.add_items(session, [item]) == ["i1"]
        assert items.add_items(session, [item]) == []
        view = items.item(session, "i1")
    assert view.item == item and view.state == "drafted" and view.trace is None and view.clip.id == a_clip


def test_an_item_of_an_unknown_clip_is_refused(book):
    with pytest.raises(OtoloopError, match="c9"), book.session() as session:
        put_item(session, "i1", clip="c9")


def test_traces_keep_their_checks(book, a_clip):
    bad = Finding(code="claim_contradicted", message="no", claim="tone", span=(3, 9), stated=2900.0, unit="Hz")
    good = Finding(code=None, message="confirmed")
    with book.session() as session:
        put_item(session, "i1")
        items.add_trace(session, "i1", "t1", drafter="composer", findings=[good, bad], model="m", prompt_sha="p")
        items.add_trace(session, "i1", "t2", drafter="composer", findings=[good])
        assert [(t.version, t.ok) for t in items.traces(session, "i1")] == [(1, False), (2, True)]
        assert items.findings_of(items.traces(session, "i1")[0]) == [good, bad]
        assert items.item(session, "i1").trace.text == "t2"


def test_the_queue_shows_the_most_valuable_first(book, a_clip):
    with book.session() as session:
        for name in ("i1", "i2", "i3"):
            put_item(session, name)
        items.queue(session, ["i1", "i2"], priority={"i2": 0.9}, picked_by={"i1": "random"}, double=["i2"])
        views = items.items(session, state="queued", site="osaka", clip=a_clip)
        assert [(v.item.id, v.picked_by, v.double) for v in views] == [("i2", "", True), ("i1", "random", False)]
        assert items.count_by_state(session) == {"drafted": 1, "queued": 2}
        assert not items.items(session, since=datetime.now(UTC) + timedelta(hours=1))


def test_approving_names_the_version_of_the_trace(book, a_clip):
    with book.session() as session:
        queued(session)
        review = reviews.decide(session, "i1", "approve", "ann", 31.5, edited_trace="trace 2", edits={"fault": "rub"})
        items.add_trace(session, "i1", "a later draft", drafter="composer")
        (approved,) = reviews.approved_items(session)
    assert approved.trace == "trace 2" and approved.trace_id == review.trace
    assert (review.actor, review.seconds_spent, review.edits) == ("ann", 31.5, {"fault": "rub"})


def test_an_unchanged_trace_makes_no_new_version(book, a_clip):
    with book.session() as session:
        queued(session)
        reviews.decide(session, "i1", "approve", "ann", 3, edited_trace="trace 1")
        assert len(items.traces(session, "i1")) == 1


def test_rejected_items_are_never_approved_items(book, a_clip):
    with book.session() as session:
        queued(session)
        reviews.decide(session, "i1", "reject", "ann", 3, reason="not a leak")
        assert reviews.approved_items(session) == []
        assert [r.reason for r in reviews.reviews(session, actor="ann", item_id="i1")] == ["not a leak"]
        with pytest.raises(OtoloopError, match="rejected"):
            reviews.decide(session, "i1", "approve", "bob", 3)


def test_the_first_of_two_blind_reviews_and_a_skip_move_nothing(book, a_clip):
    with book.session() as session:
        queued(session)
        reviews.decide(session, "i1", "skip", "ann", 3)
        reviews.decide(session, "i1", "approve", "ann", 3, final=False)
        assert items.item(session, "i1").state == "queued" and not reviews.approved_items(session)
        reviews.decide(session, "i1", "approve", "bob", 3)
        assert len(reviews.approved_items(session)) == 1 and len(reviews.reviews(session)) == 3


def test_nothing_is_approved_without_a_trace(book, a_clip):
    with book.session() as session:
        put_item(session, "i1")
        items.queue(session, ["i1"])
        with pytest.raises(OtoloopError, match="no trace"):
            reviews.decide(session, "i1", "approve", "ann", 3)


def test_of_two_reviewers_at_once_one_wins(book, a_clip):
    with book.session() as session:
        queued(session)
    outcomes: list[str] = []
    ready = threading.Barrier(2)

    def approve(actor: str) -> None:
        ready.wait()
        try:
            with book.session() as session:
                reviews.decide(session, "i1", "approve", actor, 3)
            outcomes.append("won")
        except OtoloopError:
            outcomes.append("lost")

    threads = [threading.Thread(target=approve, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost", "won"]
    with book.reading() as session:
        assert len(reviews.reviews(session)) == 1


def test_a_corrected_item_supersedes_the_old_one(book, a_clip):
    with book.session() as session:
        queued(session)
        reviews.decide(session, "i1", "approve", "ann", 3)
        items.replace_item(session, "i1", Item(id="i1b", clip=a_clip, question="?", answer="rub"))
        assert items.item(session, "i1").replaced_by == "i1b" and items.item(session, "i1b").state == "drafted"
        assert reviews.approved_items(session) == []


def test_moves_are_all_or_none(book, a_clip):
    with book.session() as session:
        put_item(session, "i1")
    with pytest.raises(OtoloopError, match="i9"), book.session() as session:
        move(session, ["i1", "i9"], "queued")
    with book.reading() as session:
        assert items.item(session, "i1").state == "drafted"


def approve(session, *names: str) -> None:
    for name in names:
        queued(session, name)
        reviews.decide(session, name, "approve", "ann", 3)


def test_a_release_holds_what_its_intent_named_whatever_happens_later(book, a_clip):
    with book.session() as session:
        approve(session, "i1", "i2")
        chosen = reviews.approved_items(session)
        releases.open_intent(
            session, "r1", chosen, cutoff=datetime.now(UTC), splits={"i1": "train", "i2": "test"}, meta={"why": "due"}
        )
    with book.session() as session:
        items.replace_item(session, "i1", Item(id="i1b", clip=a_clip, question="?", answer="rub"))
        items.add_trace(session, "i2", "newer", drafter="composer")
        held = releases.release_items(session, "r1")
        told = [(i.item.id, i.trace, split) for i, split in held]
        assert told == [("i1", "trace 1", "train"), ("i2", "trace 1", "test")]
        assert releases.released_in(session, a_clip) == ["r1"]


def test_an_open_intent_is_finished_before_a_new_one(book, a_clip):
    cutoff = datetime.now(UTC)
    with book.session() as session:
        approve(session, "i1")
        chosen = reviews.approved_items(session)
        with pytest.raises(OtoloopError, match="without items"):
            releases.open_intent(session, "r0", [], cutoff=cutoff)
        releases.open_intent(session, "r1", chosen, cutoff=cutoff)
        with pytest.raises(OtoloopError, match="r1 is not finished"):
            releases.open_intent(session, "r2", chosen, cutoff=cutoff)
        releases.close_intent(session, "r1", commit="abc", meta={"sha": "d"})
        releases.close_intent(session, "r1", commit="other")
        assert releases.release(session, "r1").commit == "abc"
        with pytest.raises(OtoloopError, match="exists"):
            releases.open_intent(session, "r1", chosen, cutoff=cutoff)
        releases.open_intent(session, "r2", chosen, cutoff=cutoff)
        releases.drop_intent(session, "r2")
        with pytest.raises(OtoloopError, match="closed"):
            releases.drop_intent(session, "r1")
        assert [r.id for r in releases.intents(session)] == ["r1"] and not releases.intents(session, state="open")


def test_the_cutoff_and_erased_clips_bound_a_release(book, a_clip):
    with book.session() as session:
        put_clip(session, "c2")
        put_item(session, "j", clip="c2")
        items.add_trace(session, "j", "t", drafter="composer")
        items.queue(session, ["j"])
        reviews.decide(session, "j", "approve", "ann", 1)
        middle = items.item(session, "j").decided_at
        approve(session, "i1")
        assert [a.item.id for a in reviews.approved_items(session, middle)] == ["j"]
        assert [a.item.id for a in reviews.approved_items(session, since=middle)] == ["i1"]
        assert [a.item.id for a in reviews.approved_items(session, site="kobe")] == []
        catalog.clips.erase_clip(session, "c2")
        assert [a.item.id for a in reviews.approved_items(session)] == ["i1"]


def test_the_states_are_the_documented_ones():
    assert set(MOVES) == set(REVIEW_STATES)


class ReviewMachine(RuleBasedStateMachine):
    """Random people do random things to items; the catalogue must follow the specification and nothing else."""

    names = Bundle("names")

    @initialize()
    def start(self) -> None:
        self.book = catalog.open("sqlite://")
        self.model: dict[str, str] = {}
        self.decisions = 0
        with self.book.session() as session:
            put_clip(session, "c1")

    def teardown(self) -> None:
        self.book.close()

    @rule(target=names)
    def draft(self) -> str:
        name = f"i{len(self.model)}"
        with self.book.session() as session:
            put_item(session, name)
            items.add_trace(session, name, "t", drafter="composer")
        self.model[name] = "drafted"
        return name

    @rule(name=names)
    def queue(self, name: str) -> None:
        self._try(name, "queued", lambda s: items.queue(s, [name]))

    @rule(name=names, decision=st.sampled_from(["approve", "reject", "skip"]), final=st.booleans())
    def decide(self, name: str, decision: str, final: bool) -> None:
        allowed = self.model[name] == "queued"
        moved = {"approve": "approved", "reject": "rejected"}.get(decision) if final else None
        self.decisions += allowed
        self._try(name, moved, lambda s: reviews.decide(s, name, decision, "ann", 1.0, final=final), allowed)

    @rule(name=consumes(names), data=st.data())
    def supersede(self, name: str, data: st.DataObject) -> None:
        new = Item(id=f"i{len(self.model)}", clip="c1", question="?", answer="rub")
        allowed = self.model[name] != "superseded"
        self._try(name, "superseded", lambda s: items.replace_item(s, name, new), allowed)
        if allowed:
            self.model[new.id] = "drafted"

    def _try(self, name, to, action, allowed=None) -> None:
        if allowed is None:
            allowed = to in MOVES[self.model[name]]
        try:
            with self.book.session() as session:
                action(session)
            assert allowed
            self.model[name] = to or self.model[name]
        except OtoloopError:
            assert not allowed

    @invariant()
    def catalogue_and_model_agree(self) -> None:
        with self.book.reading() as session:
            assert {v.item.id: v.state for v in items.items(session)} == self.model
            approved = {a.item.id for a in reviews.approved_items(session)}
            assert approved == {n for n, s in self.model.items() if s == "approved"}
            assert len(reviews.reviews(session)) == self.decisions


TestReviewMachine = ReviewMachine.TestCase
TestReviewMachine.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_who_approved_a_release_is_whoever_counted(book, a_clip):
    with book.session() as session:
        for name in ("i1", "i2", "i3"):
            queued(session, name)
        reviews.decide(session, "i1", "approve", "ana", 1.0, final=False)
        for name, actor in (("i1", "ben"), ("i2", "ben"), ("i3", "ana")):
            reviews.decide(session, name, "approve", actor, 1.0)
        some = [one for one in reviews.approved_items(session) if one.item.id != "i3"]
        releases.open_intent(session, "r0001", some, cutoff=datetime.now(UTC))
        releases.close_intent(session, "r0001")
        releases.open_intent(session, "r0002", reviews.approved_items(session), cutoff=datetime.now(UTC))
    with book.reading() as session:
        assert reviews.who_approved(session, "r0001") == {"ben": 2}
        assert reviews.who_approved(session, "r0002") == {"ana": 1, "ben": 2}
        assert reviews.who_approved(session, "r0009") == {}
