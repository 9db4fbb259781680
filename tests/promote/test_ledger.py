"""The rules of the chain, without a store: events are made in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from otoloop.promote.approvers import Approver, Approvers
from otoloop.promote.events import Event, Type, make, parse, sha256
from otoloop.promote.keys import Signer
from otoloop.promote.ledger import Ledger, read

START = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = {name: Ed25519PrivateKey.generate() for name in ("kim", "lee", "mika", "eve")}


class Chain:
    """A chain with a clock that stands still unless told to move."""

    def __init__(self, signers: dict[str, Signer]) -> None:
        self.events: list[Event] = []
        self.now, self.signers = START, signers
        entries = [Approver(n, s.public_key, START, START + timedelta(days=30)) for n, s in signers.items()]
        self.approvers = Approvers(entries)

    def add(self, type: Type, actor: str, version: str | None = "v1", *, signer: str = "", **fields: Any) -> Event:
        sign = self.signers[signer].sign if signer else None
        self.events.append(make(type, actor, version, fields, after=self.events, time=self.now, sign=sign))
        return self.events[-1]

    def ask(self, version: str = "v1", channel: str = "prod", owner: str = "mika", **more: Any) -> str:
        if version not in self.ledger.versions:
            self.add("register", owner, version)
        fields = {"pack_sha256": f"pack {len(self.events)}", "expires": (self.now + timedelta(days=7)).isoformat()}
        event = self.add("request", owner, version, channel=channel, **{**fields, **more})
        return f"{version}-{event.seq}"

    def decide(self, request: str, actor: str = "kim", type: Type = "approve", **more: Any) -> Event:
        version = request.split("-")[0]
        pack = self.ledger.requests[request].pack_sha256
        fields = {"request": request, "pack_sha256": pack, "signer": actor, **more}
        return self.add(type, actor, version, **fields)

    def promote(self, request: str, **more: Any) -> Event:
        asked = self.ledger.requests[request].event
        return self.add("promote", "loop", asked.version, channel=asked.channel, request=request, **more)

    @property
    def ledger(self) -> Ledger:
        return read(self.events, self.approvers)

    def state(self, request: str) -> str:
        return self.ledger.requests[request].state(self.now)

    def why(self, event: Event) -> str:
        return self.ledger.void[event.seq]


@pytest.fixture
def chain() -> Chain:
    return Chain({name: Signer(name, KEYS[name]) for name in ("kim", "lee", "mika")})


def test_asked_approved_promoted(chain: Chain) -> None:
    request = chain.ask()
    assert chain.state(request) == "open"
    chain.decide(request)
    assert chain.state(request) == "approved" and chain.ledger.live("prod") is None
    chain.promote(request)
    live = chain.ledger.live("prod")
    assert chain.state(request) == "promoted" and live and live.version == "v1" and chain.ledger.champion() == "v1"
    assert chain.ledger.void == {}


def test_a_request_is_decided_once(chain: Chain) -> None:
    request = chain.ask()
    chain.decide(request, "kim", "reject")
    for actor, type in (("lee", "approve"), ("kim", "approve"), ("kim", "reject")):
        assert "was rejected" in chain.why(chain.decide(request, actor, type))
    assert chain.state(request) == "rejected"


def test_owner_and_main_reviewer_may_not_approve_by_any_spelling(chain: Chain) -> None:
    request = chain.ask(owner="Ｋim ", barred=["LEE"])
    assert "may not approve" in chain.why(chain.decide(request, "kim"))
    assert "may not approve" in chain.why(chain.decide(request, "lee"))
    chain.decide(request, "kim", "reject")
    assert chain.state(request) == "rejected", "an owner may withdraw"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"signer": ""}, "not kim's"),
        ({"signer": "lee"}, "not kim's"),
        ({"pack_sha256": "another"}, "other evidence"),
        ({"code": "guessed"}, "code that was never given"),
    ],
)
def test_a_decision_that_is_not_its_actors_own_is_void(chain: Chain, fields: dict[str, Any], why: str) -> None:
    request = chain.ask()
    assert why in chain.why(chain.decide(request, **fields))
    assert chain.state(request) == "open"
    assert "nobody approved" in chain.why(chain.promote(request))
    assert chain.ledger.live("prod") is None


def test_a_stranger_decides_nothing(chain: Chain) -> None:
    request = chain.ask()
    chain.signers["eve"] = Signer("eve", KEYS["eve"])
    assert "no registered approver" in chain.why(chain.decide(request, "eve"))


@pytest.mark.parametrize("ends", ["expires", "revoked"])
def test_a_key_counts_from_its_registration_to_its_end(chain: Chain, ends: str) -> None:
    request = chain.ask(expires=(START + timedelta(days=90)).isoformat())
    kim = replace(chain.approvers.entries[0], added=START + timedelta(days=1), **{ends: START + timedelta(days=3)})
    chain.approvers = Approvers([kim])
    assert "did not count" in chain.why(chain.decide(request))
    chain.now += timedelta(days=3)
    assert "did not count" in chain.why(chain.decide(request))
    chain.now -= timedelta(days=1)
    chain.decide(request)
    assert chain.state(request) == "approved"


@pytest.mark.parametrize("ends", ["expires", "revoked"])
def test_a_key_that_is_registered_again_counts_again_from_then_on(chain: Chain, ends: str) -> None:
    request = chain.ask(expires=(START + timedelta(days=90)).isoformat())
    old = replace(chain.approvers.entries[0], **{ends: START + timedelta(days=3)})
    new = replace(old, added=START + timedelta(days=6), expires=START + timedelta(days=40), revoked=None)
    chain.approvers = Approvers([old, new])
    chain.now += timedelta(days=4)
    assert "did not count" in chain.why(chain.decide(request))
    chain.now += timedelta(days=3)
    chain.decide(request)
    assert chain.state(request) == "approved"


def test_a_signature_of_one_event_is_none_for_another(chain: Chain) -> None:
    one, two = chain.ask(), chain.ask("v2")
    good = chain.decide(one)
    forged = chain.add("approve", "kim", "v2", request=two, pack_sha256=chain.ledger.requests[two].pack_sha256)
    chain.events[-1] = replace(forged, signature=good.signature)
    assert "not kim's" in chain.why(forged)


def test_new_evidence_voids_the_old_request_even_when_approved(chain: Chain) -> None:
    old = chain.ask()
    chain.decide(old)
    new = chain.ask()
    assert (chain.state(old), chain.state(new)) == ("replaced", "open")
    assert chain.ledger.requests[old].replaced_by == new
    assert "nobody approved" in chain.why(chain.promote(old))
    assert "replaced by a newer one" in chain.why(chain.decide(old, "lee"))


def test_a_request_expires_but_an_approval_waits(chain: Chain) -> None:
    one, two = chain.ask(), chain.ask("v2")
    chain.decide(one)
    chain.now += timedelta(days=7)
    assert (chain.state(one), chain.state(two)) == ("approved", "expired")
    assert "has expired" in chain.why(chain.decide(two))


def test_another_champion_voids_what_was_compared_with_the_old_one(chain: Chain) -> None:
    one, two, again = chain.ask(), chain.ask("v2"), chain.ask(channel="pilot")
    chain.decide(one)
    chain.decide(two)
    chain.promote(one)
    assert chain.state(two) == "outdated" and chain.state(again) == "open", "the champion itself may go further"
    assert "nobody approved" in chain.why(chain.promote(two))
    three = chain.ask("v3", against="v1")
    assert chain.state(three) == "open"


def test_rollback_goes_back_along_what_was_served_and_no_further(chain: Chain) -> None:
    for n, against in ((1, None), (2, "v1"), (3, "v2")):
        request = chain.ask(f"v{n}", against=against)
        chain.decide(request)
        chain.promote(request)
    assert "did not serve before" in chain.why(chain.add("rollback", "mika", "v3", channel="prod"))
    assert "did not serve before" in chain.why(chain.add("rollback", "mika", "v1", channel="pilot"))
    chain.add("rollback", "mika", "v1", channel="prod")
    live = chain.ledger.live("prod")
    assert live and live.version == "v1"
    assert "did not serve before" in chain.why(chain.add("rollback", "mika", "v2", channel="prod"))
    chain.add("rollback", "mika", None, channel="prod")
    assert chain.ledger.live("prod") is None and chain.ledger.champion() is None


def test_a_code_decides_once_for_one_request_in_its_time(chain: Chain) -> None:
    one, two = chain.ask(), chain.ask("v2")
    until = (START + timedelta(minutes=30)).isoformat()
    chain.add("code", "kim", request=one, code_sha256=sha256(b"1234"), expires=until, signer="kim")
    forged = chain.add("code", "kim", "v2", request=two, code_sha256=sha256(b"5678"), expires=until, signer="lee")
    assert "not kim's" in chain.why(forged)
    for request, code, actor in ((two, "1234", "kim"), (one, "1234", "lee"), (two, "5678", "kim")):
        assert "never given" in chain.why(chain.decide(request, actor, signer="", code=code))
    chain.decide(one, signer="", code="1234")
    assert chain.state(one) == "approved"


def test_a_code_ends(chain: Chain) -> None:
    request = chain.ask()
    until = (START + timedelta(minutes=30)).isoformat()
    chain.add("code", "kim", request=request, code_sha256=sha256(b"1234"), expires=until, signer="kim")
    chain.now += timedelta(minutes=30)
    assert "has expired" in chain.why(chain.decide(request, signer="", code="1234"))


def test_a_request_of_nothing_is_void(chain: Chain) -> None:
    chain.add("register", "mika")
    for fields in ({}, {"channel": "prod", "pack_sha256": "x", "expires": "soon"}, {"channel": "moon"}):
        assert chain.why(chain.add("request", "mika", **fields)) == "is no whole request"
    assert "nobody registered" in chain.why(chain.add("request", "mika", "v7"))
    assert "registers v1 again" in chain.why(chain.add("register", "mika"))


@given(st.data())
def test_one_changed_byte_is_never_the_same_event(data: st.DataObject) -> None:
    """A byte of a stored event flipped: it is no event, or its signature is not the one that was given."""
    event = make("approve", "kim", "v1", {"reason": "良い", "n": 3}, after=[], time=START, sign=lambda _: "AAAA")
    raw = bytearray(event.to_bytes())
    place, bit = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 7))
    raw[place] ^= 1 << bit
    try:
        found = parse(bytes(raw), 1)
    except Exception as err:
        assert "event 1 " in str(err)
        return
    assert found.hash == event.hash and found.signature != event.signature
    assert replace(found, signature=event.signature) == event


ACTS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(("v1", "v2", "v3")), st.sampled_from(("prod", "pilot", "shadow"))),
    st.tuples(
        st.sampled_from(("approve", "reject")), st.integers(0, 9), st.sampled_from(("kim", "lee", "mika", "eve"))
    ),
    st.tuples(st.just("steal"), st.integers(0, 9), st.sampled_from(("kim", "eve"))),
    st.tuples(st.just("promote"), st.integers(0, 9), st.just("")),
    st.tuples(st.just("rollback"), st.sampled_from(("v1", "v2", None)), st.sampled_from(("prod", "pilot"))),
    st.tuples(st.just("wait"), st.integers(1, 5), st.just("")),
)


@given(st.lists(ACTS, max_size=40))
def test_whatever_is_written_rules_hold(acts: list[tuple[Any, Any, Any]]) -> None:
    """Honest and dishonest writers in any order: nothing is live that another person did not approve in time, once."""
    chain = Chain({name: Signer(name, KEYS[name]) for name in ("kim", "lee", "mika")})
    chain.signers["eve"] = Signer("eve", KEYS["eve"])
    for act, one, two in acts:
        asked = list(chain.ledger.requests)
        if act == "ask":
            chain.ask(one, two, against=chain.ledger.champion())
        elif act == "rollback":
            chain.add("rollback", "mika", one, channel=two)
        elif act == "wait":
            chain.now += timedelta(days=one)
        elif asked and act == "steal":
            chain.decide(asked[one % len(asked)], "kim", signer="" if two == "kim" else two)
        elif asked and act == "promote":
            chain.promote(asked[one % len(asked)])
        elif asked:
            chain.decide(asked[one % len(asked)], two, act)
    require_rules(chain)


def require_rules(chain: Chain) -> None:
    ledger = chain.ledger
    counted = [e for e in chain.events if e.seq not in ledger.void]
    decided = [e.request for e in counted if e.type in ("approve", "reject")]
    assert len(decided) == len(set(decided)), "one decision each"
    approvals = {e.request: e for e in counted if e.type == "approve"}
    for event in approvals.values():
        request = ledger.requests[event.request]
        assert event.actor in ("kim", "lee") and chain.approvers.objection(event) is None
        assert event.at < request.expires and event.fields["pack_sha256"] == request.pack_sha256
    promoted = [e.request for e in counted if e.type == "promote"]
    assert len(promoted) == len(set(promoted)) and set(promoted) <= set(approvals)
    for channel, served in ledger.served.items():
        assert all(e.channel == channel and e.request in approvals for e in served)
    for prefix in range(len(chain.events)):
        early = read(chain.events[:prefix], chain.approvers)
        assert {k: v for k, v in ledger.void.items() if k <= prefix} == early.void, "later events change no verdict"
