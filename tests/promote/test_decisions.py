from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from otoloop import catalog
from otoloop.errors import OtoloopError
from otoloop.promote import approvers, decisions, enrol, keys, pack, promotion, requests, versions
from otoloop.promote.events import Event, parse
from otoloop.promote.keys import Signer
from otoloop.promote.ledger import Request
from otoloop.promote.registry import BUCKET, open_registry
from otoloop.vcs import Repo


def state(site: Path, request: str) -> str:
    return open_registry(site).ledger().requests[request].state(datetime.now(UTC))


def test_somebody_else_approves(site: Path, asked: Request, kim: Signer) -> None:
    event = decisions.approve(site, "v1", kim, reason=" heard ten of them ", pack_sha256=asked.pack_sha256)
    assert (event.type, event.actor, event.request, event.reason) == ("approve", "kim", "v1-2", "heard ten of them")
    assert event.fields["pack_sha256"] == asked.pack_sha256 and event.signature
    assert state(site, "v1-2") == "approved"
    with pytest.raises(OtoloopError, match="v1-2 was approved already by kim"):
        decisions.approve(site, "v1-2", kim)


def test_rejecting_needs_a_reason(site: Path, asked: Request, lee: Signer) -> None:
    with pytest.raises(OtoloopError, match="needs a reason"):
        decisions.reject(site, asked.id, lee, reason="  ")
    decisions.reject(site, asked.id, lee, reason="misses rubs")
    assert state(site, asked.id) == "rejected"
    with pytest.raises(OtoloopError, match="was rejected by lee"):
        decisions.approve(site, asked.id, lee)


@pytest.mark.parametrize(("name", "why"), [("mika", "mika owns the cycle"), ("rei", "rei reviewed most of its items")])
def test_owner_and_main_reviewer_do_not_approve(site: Path, asked: Request, name: str, why: str) -> None:
    enrol.add(site, name)
    with pytest.raises(OtoloopError, match=why):
        decisions.approve(site, asked.id, keys.unlock(name))
    assert state(site, asked.id) == "open"


def test_a_stranger_and_an_impostor_do_not_approve(site: Path, asked: Request, lee: Signer) -> None:
    with pytest.raises(OtoloopError, match="eve is no registered approver"):
        decisions.approve(site, asked.id, keys.create("eve"))
    with pytest.raises(OtoloopError, match="its signature is not kim's"):
        decisions.approve(site, asked.id, Signer("kim", lee.key))
    assert len(open_registry(site).events()) == 2, "nothing void is written"


def test_a_key_that_expired_or_was_revoked_does_not_approve(
    site: Path, asked: Request, kim: Signer, lee: Signer
) -> None:
    enrol.revoke(site, "kim")
    with pytest.raises(OtoloopError, match="kim's key did not count"):
        decisions.approve(site, asked.id, kim)
    then = datetime.now(UTC) - timedelta(days=400)
    approvers.save(site, [approvers.Approver("lee", lee.public_key, then, then + timedelta(days=365))])
    with pytest.raises(OtoloopError, match="lee's key did not count"):
        decisions.approve(site, asked.id, lee)


def forged(site: Path, asked: Request, **changes: Any) -> Request:
    """A request on evidence that was changed by somebody who may write to the bucket, hash and all."""
    registry = open_registry(site)
    raw = json.dumps({**requests.evidence(registry, asked), **changes}).encode()
    digest = versions.keep_pack(registry, "v1", raw)
    event = registry.append("request", "mika", "v1", **{**asked.event.fields, "pack_sha256": digest})
    return registry.ledger().requests[f"v1-{event.seq}"]


@pytest.mark.parametrize(
    "changes", [{"reason": "Much better."}, {"scores": {}}, {"gate": {"headline": {}}}, {"tag": "cycle/0000"}]
)
def test_evidence_that_contradicts_its_commit_is_not_approved(
    site: Path, asked: Request, kim: Signer, changes: dict[str, Any]
) -> None:
    Repo(site).tag("cycle/0000", "another", at="HEAD")
    made = forged(site, asked, **changes)
    with pytest.raises(OtoloopError, match=f"not what git has at its commit: {next(iter(changes))} differs"):
        decisions.approve(site, made.id, kim)
    decisions.reject(site, made.id, kim, reason="forged")
    assert state(site, made.id) == "rejected"


def test_evidence_of_a_commit_that_is_not_here_is_not_compared(site: Path, asked: Request, kim: Signer) -> None:
    found = requests.evidence(open_registry(site), asked)
    assert pack.unlike_git(Repo(site), found) == []
    for commit in ("0" * 40, "HEAD", "--help"):
        assert pack.unlike_git(Repo(site), {**found, "commit": commit}) is None
    decisions.approve(site, forged(site, asked, commit="0" * 40).id, kim)


def test_evidence_that_was_replaced_is_not_approved(site: Path, asked: Request, kim: Signer) -> None:
    with pytest.raises(OtoloopError, match=r"evidence you looked at \(0000"):
        decisions.approve(site, asked.id, kim, pack_sha256="0" * 64)
    with catalog.open_workspace(site).session() as session:
        from otoloop.catalog.tables import ReviewRow

        session.add(ReviewRow(item="i9", actor="lee", decision="approve", seconds_spent=1.0, trace=None))
    new = requests.request(site)
    with pytest.raises(OtoloopError, match=rf"v1-2 was replaced .* Look at {new.id}"):
        decisions.approve(site, asked.id, kim)
    with pytest.raises(OtoloopError, match="evidence you looked at"):
        decisions.approve(site, "v1", kim, pack_sha256=asked.pack_sha256)
    decisions.approve(site, new.id, kim, pack_sha256=new.pack_sha256)


@pytest.mark.parametrize("damage", [lambda raw: raw[:-2] + b"0}", lambda raw: b""])
def test_changed_evidence_is_not_approved(
    site: Path, asked: Request, kim: Signer, damage: Callable[[bytes], bytes]
) -> None:
    registry = open_registry(site)
    key = registry.key(f"versions/v1/packs/{asked.pack_sha256}.json")
    registry.store.put(BUCKET, key, damage(registry.store.get(BUCKET, key)))
    with pytest.raises(OtoloopError, match="missing or was changed"):
        decisions.approve(site, asked.id, kim)


def test_a_request_expires(site: Path, adapter: Path, kim: Signer) -> None:
    params = site / "params.yaml"
    params.write_text(params.read_text().replace("expire_hours: 168", "expire_hours: 1.0e-9"))
    made = requests.request(site)
    with pytest.raises(OtoloopError, match=r"has expired.*promotions request"):
        decisions.approve(site, made.id, kim)
    again = requests.request(site)
    assert again.id != made.id and again.pack_sha256 == made.pack_sha256


def test_a_replayed_decision_counts_for_nothing(site: Path, asked: Request, kim: Signer) -> None:
    """The same bytes again are no link of the chain; the same signature on a link that fits is no signature."""
    event = decisions.reject(site, asked.id, kim, reason="no")
    registry = open_registry(site)
    again = requests.request(site)
    replay = {**event.to_json(), "seq": again.event.seq + 1, "prev_hash": again.event.hash, "request": again.id}
    from otoloop.promote.events import canonical, sha256

    body = {k: v for k, v in replay.items() if k not in ("hash", "signature")}
    raw = canonical({**replay, "hash": sha256(canonical(body))})
    registry.store.create(BUCKET, registry.key(f"events/{replay['seq']:010d}.json"), raw)
    assert parse(raw, replay["seq"]).actor == "kim"
    assert open_registry(site).ledger().void[replay["seq"]] == "its signature is not kim's"
    assert state(site, again.id) == "open"


@pytest.mark.slow
def test_two_hundred_decisions_at_once_are_one(site: Path, asked: Request, kim: Signer, lee: Signer) -> None:
    """Approvals and rejections by two people and by one code typed again and again: the first one decides."""
    code = decisions.new_code(site, asked.id, kim)
    acts: list[Callable[[], Event]] = [
        lambda: decisions.approve(site, asked.id, kim),
        lambda: decisions.approve(site, asked.id, lee),
        lambda: decisions.reject(site, asked.id, lee, reason="no"),
        lambda: decisions.decide_by_code(site, code, "approve"),
        lambda: decisions.decide_by_code(site, code, "reject", "no"),
    ]

    def attempt(n: int) -> Event | str:
        try:
            return acts[n % len(acts)]()
        except OtoloopError as err:
            return err.message

    order = list(range(200))
    random.Random(5).shuffle(order)
    with ThreadPoolExecutor(40) as pool:
        results = list(pool.map(attempt, order))
    won = [r for r in results if isinstance(r, Event)]
    chain = open_registry(site).events()
    assert len(won) == 1 and [e.type for e in chain][:3] == ["register", "request", "code"] and chain[3:] == won
    refusals = Counter(r.split(" ")[0] for r in results if isinstance(r, str))
    assert set(refusals) <= {"Request", "This"}, refusals


@pytest.mark.slow
def test_each_of_many_requests_is_decided_once_whatever_races(
    site: Path, asked: Request, kim: Signer, lee: Signer
) -> None:
    waiting = [asked.id, *(requests.request(site, channel=channel).id for channel in ("pilot", "shadow"))]

    def attempt(n: int) -> Event | None:
        person = (kim, lee)[n % 2]
        try:
            return decisions.approve(site, waiting[n % 3], person)
        except OtoloopError:
            return None

    with ThreadPoolExecutor(30) as pool:
        won = [e for e in pool.map(attempt, range(60)) if e]
    assert sorted(e.request for e in won) == sorted(waiting)


# ---- codes ---------------------------------------------------------------------------------------------------------


def test_a_code_stands_for_its_approver_once(site: Path, asked: Request, kim: Signer) -> None:
    code = decisions.new_code(site, asked.id, kim)
    stored = open_registry(site).events()[-1]
    assert stored.type == "code" and code.replace("-", "") not in stored.to_bytes().decode()
    event = decisions.decide_by_code(site, f" {code.lower()} ", "approve", request=asked.id)
    assert (event.actor, event.request, event.signature) == ("kim", asked.id, None)
    assert state(site, asked.id) == "approved"
    with pytest.raises(OtoloopError, match="never given for the request, or was used"):
        decisions.decide_by_code(site, code, "approve")


def test_a_code_is_for_one_request_and_its_evidence(site: Path, asked: Request, kim: Signer) -> None:
    code = decisions.new_code(site, asked.id, kim)
    with pytest.raises(OtoloopError, match="never given"):
        decisions.decide_by_code(site, code, "approve", request="v1-9")
    with pytest.raises(OtoloopError, match="never given"):
        decisions.decide_by_code(site, "AAAA-AAAA-AAAA-AAAA", "approve")
    with catalog.open_workspace(site).session() as session:
        from otoloop.catalog.tables import ReviewRow

        session.add(ReviewRow(item="i9", actor="lee", decision="approve", seconds_spent=1.0, trace=None))
    requests.request(site)
    with pytest.raises(OtoloopError, match="was replaced"):
        decisions.decide_by_code(site, code, "approve")


def test_a_code_expires(site: Path, asked: Request, kim: Signer) -> None:
    params = site / "params.yaml"
    params.write_text(params.read_text().replace("code_minutes: 30", "code_minutes: 1.0e-9"))
    code = decisions.new_code(site, asked.id, kim)
    with pytest.raises(OtoloopError, match="has expired"):
        decisions.decide_by_code(site, code, "approve")


def test_codes_are_given_by_whoever_may_approve(site: Path, asked: Request) -> None:
    enrol.add(site, "mika")
    with pytest.raises(OtoloopError, match="owns the cycle"):
        decisions.new_code(site, asked.id, keys.unlock("mika"))
    with pytest.raises(OtoloopError, match="no registered approver"):
        decisions.new_code(site, asked.id, Signer("zoe", keys.unlock("kim").key))


# ---- approvers -----------------------------------------------------------------------------------------------------


def test_an_approvers_key_is_theirs_and_its_public_half_is_committed(site: Path) -> None:
    made = enrol.add(site, "noa", passphrase="open sesame")
    path = keys.path_of("noa")
    assert path.stat().st_mode & 0o777 == 0o600 and not path.is_relative_to(site)
    assert Repo(site).clean() and made.public_key in Repo(site).show("HEAD", "approvers.yaml")
    assert keys.is_sealed("noa") and keys.unlock("noa", "open sesame").public_key == made.public_key
    for word in (None, "wrong"):
        with pytest.raises(OtoloopError, match=r"is sealed|does not open"):
            keys.unlock("noa", word)
    with pytest.raises(OtoloopError, match="may approve already"):
        enrol.add(site, "noa")


def test_a_key_that_others_may_read_is_not_used(site: Path) -> None:
    keys.create("open")
    keys.path_of("open").chmod(0o644)
    with pytest.raises(OtoloopError, match="Others may read"):
        keys.unlock("open")
    with pytest.raises(OtoloopError, match="no key of nobody"):
        keys.unlock("nobody")
    with pytest.raises(OtoloopError, match="no name for an approver"):
        keys.unlock("../kim")


def test_a_revoked_approver_comes_back_with_another_key(site: Path, asked: Request, kim: Signer) -> None:
    event = decisions.approve(site, asked.id, kim)
    enrol.revoke(site, "kim")
    keys.path_of("kim").rename(keys.path_of("kim").with_suffix(".old"))
    try:
        new = enrol.add(site, "kim")
        assert new.public_key != kim.public_key
        assert approvers.load(site).objection(event) is None, "what was decided before stays"
        assert state(site, asked.id) == "approved"
    finally:
        keys.path_of("kim").with_suffix(".old").rename(keys.path_of("kim"))


def test_an_expired_key_is_renewed(site: Path, asked: Request, kim: Signer) -> None:
    then = datetime.now(UTC) - timedelta(days=400)
    old = approvers.Approver("kim", kim.public_key, then, then + timedelta(days=365))
    approvers.save(site, [old])
    Repo(site).commit(["approvers.yaml"], "Time passed")
    assert enrol.add(site, "kim").public_key == kim.public_key
    decisions.approve(site, asked.id, kim)
    assert state(site, asked.id) == "approved"


def test_a_revoked_key_comes_back_on_purpose_only(site: Path, asked: Request, kim: Signer) -> None:
    enrol.revoke(site, "kim")
    with pytest.raises(OtoloopError, match=r"was revoked.*--public-key"):
        enrol.add(site, "kim")
    enrol.add(site, "kim", public_key=kim.public_key)
    decisions.approve(site, asked.id, kim)
    assert state(site, asked.id) == "approved"


def test_a_public_key_from_elsewhere_is_taken_and_nonsense_is_not(site: Path) -> None:
    assert enrol.add(site, "ada", public_key=keys.create("elsewhere").public_key).name == "ada"
    with pytest.raises(OtoloopError, match="no Ed25519 public key"):
        enrol.add(site, "bob", public_key="AAAA")
    (site / "approvers.yaml").write_text("approvers: [{name: kim}]")
    with pytest.raises(OtoloopError, match=r"approvers\.yaml is damaged"):
        approvers.load(site)


def test_what_was_approved_by_a_key_revoked_since_does_not_go_live(site: Path, asked: Request, kim: Signer) -> None:
    decisions.approve(site, asked.id, kim)
    enrol.revoke(site, "kim")
    (outcome,) = promotion.promote_all(site)
    assert not outcome.live and "approved by kim, whose key has expired or was revoked" in outcome.problem
    assert open_registry(site).pointer("prod") is None
