from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otoloop import catalog
from otoloop.errors import OtoloopError
from otoloop.evaluate import probe
from otoloop.evaluate.answer import Answerer
from otoloop.promote import pack, requests, versions
from otoloop.promote.events import sha256
from otoloop.promote.ledger import Request
from otoloop.promote.registry import BUCKET, open_registry
from otoloop.train.base import describe
from otoloop.vcs import Repo

from .conftest import finish_cycle


def test_a_finished_cycle_becomes_a_version_and_a_request(site: Path, asked: Request, adapter: Path) -> None:
    registry = open_registry(site)
    commit = Repo(site).commit_of("cycle/0001")
    register, request = registry.events()
    assert (register.type, register.actor, register.version, register.fields["commit"]) == (
        "register",
        "mika",
        "v1",
        commit,
    )
    assert (request.type, request.actor, request.channel, request.fields["barred"]) == (
        "request",
        "mika",
        "prod",
        ["rei"],
    )
    manifest = registry.manifest("v1")
    assert manifest.adapter_sha256 == Answerer(manifest.base, adapter).sha256, "one digest, here and in evaluation"
    assert (manifest.release, manifest.cycle, manifest.commit, manifest.parent) == ("r0001", 1, commit, None)
    recorded = probe.Probe.from_json(manifest.probe)
    assert len(recorded.prompts) == 3 and probe.effect(recorded.logits, recorded.base_logits) > probe.LEAST


def test_the_evidence_is_hashed_whole_and_holds_no_words_about_sounds(site: Path, asked: Request) -> None:
    registry = open_registry(site)
    found = requests.evidence(registry, asked)
    raw = registry.store.get(BUCKET, registry.key(f"versions/v1/packs/{asked.pack_sha256}.json"))
    assert sha256(raw) == asked.pack_sha256
    assert found["reviews"] == {"items": 10, "approved_by": {"kim": 3, "rei": 7}}
    assert found["examples"]["won"] == [{"item": "i1", "clip": "c1"}] and found["examples"]["won_count"] == 1
    assert found["plots"]["loss"] == [[1.0, 1.0], [2.0, 0.5]] and found["metrics"]["train"]["loss_last"] == 0.1
    report = (site / "gate/report.json").read_bytes()
    assert found["files"]["gate/report.json"] == sha256(report) and found["gate"]["headline"]["n"] == 40
    assert b"air leak" in report and b"air leak" not in raw
    assert found["scores"] == json.loads((site / "metrics/scores.json").read_text())


def test_the_bundle_comes_back_as_it_was_stored(site: Path, asked: Request, adapter: Path, tmp_path: Path) -> None:
    folder = open_registry(site).fetch("v1", tmp_path / "v1")
    assert {p.name: p.read_bytes() for p in (folder / "adapter").iterdir()} == {
        p.name: p.read_bytes() for p in adapter.iterdir()
    }
    assert not (folder / "bundle.sig").exists()
    with pytest.raises(OtoloopError, match="no version 'v2'"):
        open_registry(site).fetch("v2", tmp_path / "v2")


@pytest.mark.parametrize("name", ["manifest.json", "adapter/adapter_config.json", "adapter/adapter_model.safetensors"])
def test_a_changed_file_of_a_version_is_not_handed_out(site: Path, asked: Request, tmp_path: Path, name: str) -> None:
    registry = open_registry(site)
    key = registry.key(f"versions/v1/{name}")
    raw = bytearray(registry.store.get(BUCKET, key))
    raw[len(raw) // 2] ^= 1
    registry.store.put(BUCKET, key, bytes(raw))
    with pytest.raises(OtoloopError, match=r"not the one that was registered|changed in the store"):
        registry.fetch("v1", tmp_path / "v1")
    assert not (tmp_path / "v1").exists()


def test_asking_again_is_asking_once(site: Path, asked: Request) -> None:
    assert requests.request(site).id == asked.id == (requests.after_cycle(site) or asked).id
    assert len(open_registry(site).events()) == 2


def test_a_registration_that_was_cut_off_is_taken_up(site: Path, asked: Request) -> None:
    registry = open_registry(site)
    for seq in (1, 2):
        registry.store.delete(BUCKET, registry.key(f"events/{seq:010d}.json"))
    again = requests.request(site)
    assert again.event.version == "v1", "the same files and manifest were lying there"


def test_what_another_cycle_left_lying_is_not_taken(site: Path, asked: Request) -> None:
    registry = open_registry(site)
    for seq in (1, 2):
        registry.store.delete(BUCKET, registry.key(f"events/{seq:010d}.json"))
    registry.store.put(BUCKET, registry.key("versions/v1/manifest.json"), b"{}")
    assert requests.request(site).event.version == "v2"


def test_other_evidence_for_the_same_version_replaces_the_request(site: Path, asked: Request) -> None:
    with catalog.open_workspace(site).session() as session:
        from otoloop.catalog.tables import ReviewRow

        session.add(ReviewRow(item="i9", actor="lee", decision="approve", seconds_spent=1.0, trace=None))
    new = requests.request(site)
    ledger = open_registry(site).ledger()
    assert new.id == "v1-3" and new.pack_sha256 != asked.pack_sha256
    assert ledger.requests["v1-2"].replaced_by == "v1-3"


@pytest.mark.parametrize(
    ("report", "allowed"),
    [
        ({"verdict": "pass", "pilot": None}, ("prod", "pilot", "shadow")),
        ({"verdict": "not_enough_data", "pilot": "eligible"}, ("pilot", "shadow")),
        ({"verdict": "not_enough_data", "pilot": "not_eligible"}, ()),
        ({"verdict": "fail", "pilot": "eligible"}, ()),
        ({}, ()),
    ],
)
def test_the_verdict_says_where_to(report: dict[str, Any], allowed: tuple[str, ...]) -> None:
    assert pack.channels(report.get("verdict"), report.get("pilot")) == allowed


def test_a_failed_cycle_asks_for_nothing(site: Path, adapter: Path, template: Path) -> None:
    finish_cycle(site, adapter, template.parent / "remote", 2, verdict="fail", reason="Worse on pump-1.")
    assert requests.after_cycle(site) is None
    with pytest.raises(OtoloopError, match=r"cycle/0002 ended with 'fail'.* any channel.*Worse on pump-1"):
        requests.request(site)
    assert open_registry(site).events() == []


def test_the_pilot_lane_leads_to_the_pilot_only(site: Path, adapter: Path, template: Path) -> None:
    finish_cycle(site, adapter, template.parent / "remote", 2, verdict="not_enough_data", pilot="eligible")
    with pytest.raises(OtoloopError, match=r"cannot be requested for prod.* pilot or shadow"):
        requests.request(site, channel="prod")
    made = requests.after_cycle(site)
    assert made and (made.event.channel, made.event.fields["verdict"]) == ("pilot", "pilot")


def test_what_there_is_not_cannot_be_asked_for(site: Path) -> None:
    with pytest.raises(OtoloopError, match="no finished cycle 'cycle/0009'"):
        requests.request(site, tag="cycle/0009")
    with pytest.raises(OtoloopError, match="no channel 'moon'"):
        requests.request(site, channel="moon")


def test_unknown_reviews_are_no_reviews_by_nobody(site: Path) -> None:
    for path in (site / ".otoloop").glob("catalog.db*"):
        path.unlink()
    with pytest.raises(OtoloopError, match=r"no review of release r0001.*OTOLOOP_DATABASE_URL"):
        requests.request(site)


def test_an_adapter_of_other_files_is_not_registered(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.bin").write_bytes(b"pickle")
    with pytest.raises(OtoloopError, match=r"adapter_model\.bin; an adapter is"):
        versions.digests(tmp_path)


def test_the_base_of_the_pack_is_the_cycles(site: Path, asked: Request) -> None:
    assert open_registry(site).manifest("v1").base == describe("otoloop-mini")
