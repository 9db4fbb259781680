from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otoloop.promote import anchors, approvers, audit, bundle, decisions, promotion, requests, witness
from otoloop.promote.events import Event, make
from otoloop.promote.keys import Signer
from otoloop.promote.ledger import Request
from otoloop.promote.registry import BUCKET, Registry, open_registry
from otoloop.vcs.run import git


@pytest.fixture
def live(site: Path, asked: Request, kim: Signer) -> Registry:
    """v1 went live: register, request, approve, promote; then a request for the pilot channel."""
    decisions.approve(site, asked.id, kim)
    promotion.promote_all(site)
    requests.request(site, channel="pilot")
    assert audit.verify(site) == []
    return open_registry(site)


def key(registry: Registry, seq: int) -> str:
    return registry.key("events", f"{seq:010d}.json")


def forget(site: Path) -> None:
    """As on another machine: nothing was seen of the chain before."""
    (site / ".otoloop" / witness.FILE).unlink()


def rewrite(registry: Registry, after: int, *drafts: tuple[Any, str, str, dict[str, Any]]) -> None:
    """Replace the chain after an event by another one whose links fit."""
    events = registry.events()
    for event in events[after:]:
        registry.store.delete(BUCKET, key(registry, event.seq))
    made: list[Event] = events[:after]
    for type, actor, version, fields in drafts:
        made.append(make(type, actor, version, fields, after=made, time=events[-1].at))
        registry.store.put(BUCKET, key(registry, len(made)), made[-1].to_bytes())


@pytest.mark.parametrize("trials", [10, pytest.param(150, marks=pytest.mark.slow)])
def test_any_changed_byte_names_its_event(site: Path, live: Registry, trials: int) -> None:
    rng = random.Random(trials)
    for _ in range(trials):
        seq = rng.randrange(1, 6)
        whole = live.store.get(BUCKET, key(live, seq))
        raw = bytearray(whole)
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        live.store.put(BUCKET, key(live, seq), bytes(raw))
        first = audit.verify(site)[0]
        assert first.event == seq, (first, seq)
        live.store.put(BUCKET, key(live, seq), whole)
    assert audit.verify(site) == []


def test_no_byte_of_a_signature_may_differ(asked: Request, site: Path, kim: Signer) -> None:
    event = decisions.approve(site, asked.id, kim)
    known, signature = approvers.load(site), event.signature or ""
    assert known.objection(event) is None
    for place in range(len(signature)):
        for bit in range(7):
            other = signature[:place] + chr(ord(signature[place]) ^ 1 << bit) + signature[place + 1 :]
            assert known.objection(replace(event, signature=other)) == "its signature is not kim's"


@pytest.mark.parametrize("seq", [1, 3, 4])
def test_a_missing_event_is_the_first_named(site: Path, live: Registry, seq: int) -> None:
    live.store.delete(BUCKET, key(live, seq))
    first = audit.verify(site)[0]
    assert (first.event, first.what) == (seq, f"Event {seq} is missing.")


def test_two_events_that_changed_places_are_noticed(site: Path, live: Registry) -> None:
    two, three = (live.store.get(BUCKET, key(live, n)) for n in (2, 3))
    live.store.put(BUCKET, key(live, 2), three)
    live.store.put(BUCKET, key(live, 3), two)
    assert audit.verify(site)[0].event == 2


def test_the_first_of_several_broken_events_is_named(site: Path, live: Registry) -> None:
    live.store.delete(BUCKET, key(live, 4))
    live.store.put(BUCKET, key(live, 2), b"{}")
    assert audit.verify(site)[0].event == 2


def test_a_cut_tail_is_known_to_this_machine_at_once(site: Path, live: Registry) -> None:
    live.store.delete(BUCKET, key(live, 5))
    (problem,) = audit.verify(site)
    assert problem.event == 5 and "ends with event 4, but this machine" in problem.what


def test_a_cut_tail_is_known_from_tag_and_bundle_elsewhere(site: Path, live: Registry) -> None:
    for seq in (5, 4, 3):
        live.store.delete(BUCKET, key(live, seq))
    forget(site)
    found = audit.verify(site)
    assert any("the bundle of v1 knows of event 3: its tail was cut off" in p.what for p in found)
    assert any("the tag otoloop#prod#4 knows of event 4: its tail was cut off" in p.what for p in found)
    assert {p.event for p in found if "cut off" in p.what} == {3}


def test_a_rewritten_chain_is_known_from_what_remembers_it(site: Path, live: Registry) -> None:
    registered = live.events()[0]
    rewrite(live, 0, ("register", "mika", "v1", dict(registered.fields)), *[("look", "mika", "v1", {})] * 4)
    forget(site)
    found = [p.what for p in audit.verify(site)]
    for where in ("the tag otoloop@v1", "the bundle of v1", "the tag otoloop#prod#4"):
        assert any(f"is not the one that {where} knows: the chain was rewritten" in what for what in found), found


def test_reading_a_rewritten_chain_does_not_make_it_the_known_one(site: Path, live: Registry) -> None:
    before = witness.seen(site)
    rewrite(live, 3, *[("look", "eve", "v1", {})] * 6)
    open_registry(site).pointer("prod")
    assert witness.seen(site) == before
    assert any("this machine" in p.what and "rewritten" in p.what for p in audit.verify(site))


def test_a_forged_decision_counts_for_nothing_and_is_named(site: Path, live: Registry) -> None:
    pilot = requests.find(live.ledger(), "v1-5")
    fields = {"request": "v1-5", "channel": "pilot", "pack_sha256": pilot.pack_sha256}
    rewrite(live, 5, ("approve", "kim", "v1", fields), ("promote", "eve", "v1", fields))
    assert promotion.promote_all(site) == [] and open_registry(site).pointer("pilot") is None
    what = {p.event: p.what for p in audit.verify(site)}
    assert what[6] == "Event 6 counts for nothing: its signature is not kim's."
    assert "promotes what nobody approved" in what[7]


@pytest.mark.parametrize(
    "name", ["manifest.json", "adapter/adapter_model.safetensors", "approval.json", "bundle.sig", "pack"]
)
def test_changed_contents_are_named_with_their_event(site: Path, live: Registry, asked: Request, name: str) -> None:
    path = live.key(f"versions/v1/packs/{asked.pack_sha256}.json" if name == "pack" else f"versions/v1/{name}")
    raw = bytearray(live.store.get(BUCKET, path))
    raw[len(raw) // 3] ^= 4
    live.store.put(BUCKET, path, bytes(raw))
    events = {p.event for p in audit.verify(site)}
    assert events <= {1, 2, 4} and events


def test_a_lying_pointer_and_a_changed_list_of_approvers_are_noticed(site: Path, live: Registry) -> None:
    live.store.put(BUCKET, live.key("channels/prod.json"), b'{"version":"v7"}')
    entries = approvers.load(site).entries
    approvers.save(site, [*entries, approvers.Approver("eve", "AAAA", entries[0].added, entries[0].expires)])
    what = " ".join(p.what for p in audit.verify(site))
    assert "The pointer of prod says v7, the chain says v1" in what and "approvers.yaml differs" in what


def test_another_bundle_key_is_noticed(site: Path, live: Registry) -> None:
    for path in (site / ".otoloop/keys").iterdir():
        path.unlink()
    bundle.ensure_key(site)
    assert [p.event for p in audit.verify(site)] == [4]


def test_tags_that_went_missing_are_made_again_and_strangers_are_left_alone(site: Path, live: Registry) -> None:
    git(site, "tag", "--delete", "otoloop#prod#4", "otoloop@v1")
    git(site, "tag", "otoloop@mine")
    assert audit.verify(site) == []
    assert sorted(anchors.mirror(site, live)) == ["otoloop#prod#4", "otoloop@v1"]
    assert anchors.mirror(site, live) == []
