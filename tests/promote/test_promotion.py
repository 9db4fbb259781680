from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otoloop.errors import OtoloopError
from otoloop.promote import audit, bundle, decisions, promotion, requests
from otoloop.promote.keys import Signer
from otoloop.promote.ledger import Request
from otoloop.promote.registry import BUCKET, Pointer, open_registry
from otoloop.vcs import Repo

from .conftest import finish_cycle

PROGRAM = "import sys; from pathlib import Path; from otoloop.promote.promotion import promote_all; promote_all(Path(sys.argv[1]))"


def live(site: Path, channel: str = "prod") -> str | None:
    found = open_registry(site).pointer(channel)
    return found.version if found else None


@pytest.fixture
def approved(site: Path, asked: Request, kim: Signer) -> Request:
    decisions.approve(site, asked.id, kim)
    return asked


@pytest.fixture
def second(site: Path, adapter: Path, template: Path, approved: Request, kim: Signer) -> Request:
    """v1 is live; v2, compared with it, is approved."""
    promotion.promote_all(site)
    finish_cycle(site, adapter, template.parent / "remote", 2, champion="v1")
    made = requests.request(site)
    decisions.approve(site, made.id, kim)
    return made


def test_what_is_approved_goes_live_signed_and_tagged(site: Path, approved: Request, tmp_path: Path) -> None:
    assert live(site) is None
    (outcome,) = promotion.promote_all(site)
    assert outcome == promotion.Outcome("v1-2", "v1", "prod", True)
    registry = open_registry(site)
    event = registry.events()[-1]
    pointer = registry.pointer("prod")
    assert pointer == Pointer("prod", "v1", registry.manifest("v1").adapter_sha256, event.seq, event.hash)
    assert (event.type, event.actor, event.request) == ("promote", "loop", "v1-2")
    folder = registry.fetch("v1", tmp_path / "v1")
    assert bundle.verify(folder, bundle.public_key(site)).version == "v1"
    assert bundle.approval(folder).actor == "kim"
    repo = Repo(site)
    assert repo.commit_of(f"otoloop#prod#{event.seq}") == repo.commit_of("otoloop@v1") == repo.commit_of("cycle/0001")
    assert event.hash in repo.tag_message(f"otoloop#prod#{event.seq}")
    assert promotion.promote_all(site) == [] and registry.head()[0] == 4
    assert audit.verify(site) == []


def test_nothing_goes_live_without_an_approval(site: Path, asked: Request, kim: Signer) -> None:
    assert promotion.promote_all(site) == [] and live(site) is None
    with pytest.raises(OtoloopError, match="promotes what nobody approved"):
        open_registry(site).append("promote", "eve", "v1", channel="prod", request=asked.id, adapter_sha256="x")
    decisions.reject(site, asked.id, kim, reason="no")
    assert promotion.promote_all(site) == [] and live(site) is None


@pytest.mark.parametrize("place", ["promote: bundle", "promote: event"])
def test_killed_in_a_gap_it_goes_on(site: Path, approved: Request, place: str) -> None:
    env = {**os.environ, "OTOLOOP_CRASH_AT": place}
    killed = subprocess.run([sys.executable, "-c", PROGRAM, str(site)], env=env, cwd=site, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-500:]
    registry = open_registry(site)
    assert registry.stored_pointer("prod") is None
    if place == "promote: event":
        assert live(site) == "v1" and (registry.stored_pointer("prod") or {})["version"] == "v1", (
            "any reader repairs it"
        )
    else:
        assert live(site) is None
    promotion.promote_all(site)
    events = [e for e in open_registry(site).events() if e.type == "promote"]
    assert len(events) == 1 and live(site) == "v1"
    assert audit.verify(site) == []


def test_many_promoters_promote_once(site: Path, approved: Request) -> None:
    with ThreadPoolExecutor(6) as pool:
        outcomes = [o for found in pool.map(lambda _: promotion.promote_all(site), range(6)) for o in found]
    assert outcomes and all(o.live for o in outcomes)
    assert [e.type for e in open_registry(site).events()].count("promote") == 1
    assert audit.verify(site) == []


@pytest.mark.parametrize("name", ["packs", "manifest.json", "adapter/adapter_model.safetensors", "approval.json"])
def test_what_was_changed_after_the_approval_does_not_go_live(site: Path, approved: Request, name: str) -> None:
    registry = open_registry(site)
    path = f"packs/{approved.pack_sha256}.json" if name == "packs" else name
    registry.store.put(BUCKET, registry.key(f"versions/v1/{path}"), b'{"format":1}')
    (outcome,) = promotion.promote_all(site)
    assert not outcome.live and outcome.problem and live(site) is None


def test_a_forged_approval_in_the_store_is_not_signed(site: Path, approved: Request) -> None:
    registry = open_registry(site)
    from otoloop.promote.events import make

    decided = registry.events()[2]
    forged = make("approve", "kim", "v1", decided.fields, after=registry.events()[:2], time=decided.at)
    registry.store.put(BUCKET, registry.key("versions/v1/approval.json"), forged.to_bytes())
    (outcome,) = promotion.promote_all(site)
    assert "none that the chain knows" in outcome.problem


def test_a_lost_bundle_key_leaves_nothing_behind_that_cannot_be_promoted(site: Path, approved: Request) -> None:
    key = bundle.ensure_key(site)
    key.rename(key.with_suffix(".backup"))
    (outcome,) = promotion.promote_all(site)
    assert not outcome.live and "is lost" in outcome.problem
    key.with_suffix(".backup").rename(key)
    assert [o.live for o in promotion.promote_all(site)] == [True] and audit.verify(site) == []


def test_a_signature_that_does_not_hold_is_not_stored(
    site: Path, approved: Request, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        foreign = bundle.ensure_key(tmp_path)
        patch.setattr(bundle, "ensure_key", lambda workspace: foreign)
        bundle.public_key(site).parent.mkdir(exist_ok=True)
        bundle.public_key(site).write_bytes(b"another")
        (outcome,) = promotion.promote_all(site)
    assert "does not hold" in outcome.problem
    bundle.public_key(site).unlink()
    assert [o.live for o in promotion.promote_all(site)] == [True] and live(site) == "v1"


def test_the_next_version_follows_and_rollback_returns(site: Path, second: Request) -> None:
    promotion.promote_all(site)
    assert live(site) == "v2"
    began = time.monotonic()
    found = promotion.rollback(site, "prod", "calls healthy fans faulty", "mika")
    assert time.monotonic() - began < 10
    assert found and found.version == "v1" and live(site) == "v1"
    event = open_registry(site).events()[-1]
    assert (event.type, event.actor, event.reason) == ("rollback", "mika", "calls healthy fans faulty")
    assert Repo(site).has_tag(f"otoloop#prod#{event.seq}")
    assert promotion.promote_all(site) == [] and live(site) == "v1", "what was taken back stays back"
    assert audit.verify(site) == []


def test_rollback_says_what_it_cannot_do(site: Path, second: Request) -> None:
    with pytest.raises(OtoloopError, match="needs a reason"):
        promotion.rollback(site, "prod", " ")
    with pytest.raises(OtoloopError, match="v1 is the first version on prod"):
        promotion.rollback(site, "prod", "bad")
    with pytest.raises(OtoloopError, match="prod did not serve v9 before v1"):
        promotion.rollback(site, "prod", "bad", to="v9")
    with pytest.raises(OtoloopError, match="'pilot' serves nothing"):
        promotion.rollback(site, "pilot", "bad")
    assert promotion.rollback(site, "prod", "bad", to="nothing") is None
    assert live(site) is None and (open_registry(site).stored_pointer("prod") or {})["version"] is None
    assert audit.verify(site) == []


def test_an_approval_made_against_another_champion_is_void(site: Path, second: Request) -> None:
    promotion.rollback(site, "prod", "bad", to="nothing")
    assert promotion.promote_all(site) == [] and live(site) is None
    with pytest.raises(OtoloopError, match="another champion"):
        requests.require_open(open_registry(site).ledger().requests[second.id])


def test_a_version_goes_on_to_other_channels_with_its_own_approval(site: Path, approved: Request, kim: Signer) -> None:
    promotion.promote_all(site)
    made = requests.request(site, channel="pilot")
    assert promotion.promote_all(site) == []
    decisions.approve(site, made.id, kim)
    promotion.promote_all(site)
    assert live(site, "pilot") == live(site) == "v1" and live(site, "shadow") is None
    assert audit.verify(site) == []
