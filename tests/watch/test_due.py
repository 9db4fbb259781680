"""Why a cycle runs: new items, complaints with something new to learn, an erasure, or the calendar."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from otoloop import due
from otoloop.catalog import clips, items, notes, releases, reviews
from otoloop.catalog.tables import now
from otoloop.review.decide import Act, decide
from otoloop.vcs import create


@pytest.fixture
def place(site, tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "site"
    (folder / "params.yaml").write_text("base: otoloop-mini\nretrain: {min_new_items: 4, complaint_rate: 0.3}\n")
    (folder / ".gitignore").write_text("/.otoloop/\n")
    create(folder).commit(["params.yaml", ".gitignore"], "Start")
    monkeypatch.setenv("OTOLOOP_WORKSPACE", str(folder))
    return folder


def approve(site, *names: str) -> None:
    """Two items of each clip are approved."""
    for name in names:
        site.hear(name)
        with site.book.session() as session:
            notes.set_label(session, name, "belt_squeal", source="note_field")
    site.draft()
    with site.book.reading() as session:
        queued = [v.item.id for v in items.items(session, state="queued")]
    for item in queued:
        act = Act(actor="aya", decision="approve", seconds_spent=3, force=True, reason="heard it")
        decide(site.book, item, act, "otoloop-mini")


def finish(site, folder: Path) -> None:
    """A cycle of everything approved, as far as `due` looks at it."""
    with site.book.session() as session:
        found = reviews.approved_items(session)
        releases.open_intent(session, "r0001", found, cutoff=now())
        releases.close_intent(session, "r0001")
    (folder / "inputs").mkdir()
    (folder / "inputs/cycle.yaml").write_text(yaml.safe_dump({"cycle": 1, "release": {"id": "r0001"}}))
    repo = create(folder)
    repo.commit(["inputs/cycle.yaml"], "Cycle 1")
    repo.tag("cycle/0001", "Cycle 1")


def test_new_items(site, place):
    approve(site, "c1")
    assert (due.waiting(place), due.reasons(place)) == (2, ())
    assert due.on_schedule(place) == "calendar; 2 new approved items"
    approve(site, "c2")
    assert due.reasons(place) == ("4 new approved items",)
    assert due.on_schedule(place) == "calendar; 4 new approved items"
    finish(site, place)
    assert due.reasons(place) == () and due.on_schedule(place) == "calendar"


def test_complaints_count_when_they_are_many_and_something_is_new(site, place):
    for n in range(12):
        site.ask(f"a{n}", None)
    for n in range(8):
        site.say(f"a{n}")
    assert due.reasons(place) == (), "there is nothing new to learn"
    approve(site, "c1")
    assert due.reasons(place) == ("complaints about v1: 67 % (39 to 86 %, 8 of 12)",)
    site.ask("b", None, version="v2")
    assert due.reasons(place) == (), "the newer version has done nothing wrong yet"


def test_few_answers_prove_nothing(site, place):
    approve(site, "c1")
    for n in range(4):
        site.ask(f"a{n}", None)
        site.say(f"a{n}")
    assert due.reasons(place) == (), "four of four"
    for n in range(40):
        site.ask(f"b{n}", None)
    site.say("b0")
    assert due.reasons(place) == (), "five of 44"


def test_an_erased_clip_of_the_last_release(site, place):
    approve(site, "c1", "c2")
    finish(site, place)
    with site.book.session() as session:
        clips.erase_clip(session, "c2")
    assert due.reasons(place) == ("erasure: 1 clip of r0001",)


def test_the_event_says_why(site, place, monkeypatch):
    from otoloop import notify

    posted = []
    monkeypatch.setattr(notify, "notify", lambda *told: posted.append(told[1:]) or True)
    approve(site, "c1")
    due.announce(place)
    assert posted == []
    approve(site, "c2")
    assert due.announce(place) == 4
    payload = {"new_items": 4, "why": "4 new approved items"}
    assert posted == [("otoloop.items.enough", "otoloop.items.approved", payload)]
