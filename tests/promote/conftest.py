"""A workspace with a finished cycle, a real adapter in its DVC remote, reviews in its catalogue, and a registry on S3.

People: mika owns the cycle, rei reviewed most of its items, kim some, lee none; kim and lee are approvers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from otoloop.outs import write_json
from otoloop.promote import enrol, keys, requests
from otoloop.promote.keys import Signer
from otoloop.promote.ledger import Request
from otoloop.promote.registry import BUCKET, Registry, open_registry
from otoloop.store.connection import Connection
from otoloop.store.s3 import ObjectStore
from otoloop.vcs import Repo

CHECK = {"n": 40, "clusters": 20, "difference": 0.2, "low": 0.1, "high": 0.3, "smallest_detectable": 0.08}


@pytest.fixture
def registry(object_store: ObjectStore) -> Registry:
    """Nobody's decisions are checked: the chain alone."""
    return Registry(object_store)


@pytest.fixture(scope="session", autouse=True)
def own_keys(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Private keys of these tests' people."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTOLOOP_KEYS", str(tmp_path_factory.mktemp("keys")))
        yield


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the mini base whose weights do something."""
    import torch

    from otoloop.model.adapters import add_adapter
    from otoloop.model.bases import load_base
    from otoloop.train.stage import save

    torch.set_num_threads(1)
    model = add_adapter(load_base().model, rank=2, alpha=4, seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.2)
    folder = tmp_path_factory.mktemp("adapter") / "adapter"
    save(model, "otoloop-mini", "embedded", folder)
    return folder


@pytest.fixture(scope="session")
def template(made_workspace: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after its first cycle; copy it before changing it."""
    root = tmp_path_factory.mktemp("template")
    folder = Path(shutil.copytree(made_workspace, root / "site", symlinks=True))
    config = folder / ".dvc" / "config"
    config.write_text(config.read_text(encoding="utf-8").replace("s3://made-dvc/data", str(root / "remote")))
    Repo(folder).commit([".dvc/config"], "Keep data in a folder")
    for name in ("kim", "lee"):
        enrol.add(folder, name)
    fill_catalogue(folder)
    finish_cycle(folder, adapter, root / "remote")
    return folder


def fill_catalogue(folder: Path) -> None:
    """Release r0001: ten items, seven approved by rei (one of them after kim), three by kim."""
    from otoloop import catalog
    from otoloop.catalog import clips, items, releases, reviews
    from otoloop.records import Clip, Item

    start = datetime(2026, 1, 1, tzinfo=UTC)
    with catalog.open_workspace(folder).session() as session:
        for n in range(10):
            place = {"site": "osaka", "machine": "m1", "time": start.isoformat()}
            clips.add_clip(
                session, Clip(id=f"c{n}", seconds=1.0, rate=16000, channels=1, **place), time=start, recording_session="s"
            )  # fmt: skip
            items.add_items(session, [Item(id=f"i{n}", clip=f"c{n}", question="?", answer="rub")])
            items.add_trace(session, f"i{n}", "trace", drafter="composer")
            items.queue(session, [f"i{n}"])
            if n == 0:
                reviews.decide(session, "i0", "approve", "kim", 3.0, final=False)
            reviews.decide(session, f"i{n}", "approve", "rei" if n < 7 else "kim", 3.0)
        releases.open_intent(session, "r0001", reviews.approved_items(session), cutoff=start + timedelta(days=900))
        releases.close_intent(session, "r0001")


def finish_cycle(
    folder: Path, adapter: Path, remote: Path, number: int = 1, *, champion: str | None = None, **report: Any
) -> str:
    """Commit and tag a cycle as its flow does, its adapter laid into the remote as DVC does; returns the tag."""
    from dataclasses import asdict

    from otoloop.train.base import describe

    base = asdict(describe("otoloop-mini"))
    inputs = {
        "cycle": number, "release": {"id": "r0001", "sha256": "00"}, "base": base, "owner": "mika", "reason": "a test",
        "champion": {"version": champion, "sha256": None, "base": None}, "suites": [], "replay": [], "grant": None,
    }  # fmt: skip
    (folder / "inputs").mkdir(exist_ok=True)
    (folder / "inputs/cycle.yaml").write_text(yaml.safe_dump(inputs, sort_keys=False))
    outs = [{"path": "models/adapter", "hash": "md5", "md5": push(adapter, remote), "size": 1, "nfiles": 2}]
    (folder / "dvc.lock").write_text(
        yaml.safe_dump({"schema": "2.0", "stages": {"train": {"cmd": "train", "outs": outs}}})
    )
    example = {"item": "i1", "clip": "c1", "gold": "rub", "candidate": "rub", "reference": "air leak"}
    write_json(folder / "gate/report.json", {
        "verdict": "pass", "pilot": None, "reason": "Every check passed.", "headline": CHECK,
        "examples": {"won": [example], "lost": [], "won_count": 1, "lost_count": 0}, **report,
    })  # fmt: skip
    write_json(folder / "metrics/scores.json", {"answerers": {"candidate": {"site": {"n": 40, "accuracy": 0.9}}}})
    write_json(folder / "metrics/train.json", {"loss_first": 1.0, "loss_last": 0.1 / number})
    (folder / "plots").mkdir(exist_ok=True)
    (folder / "plots/loss.csv").write_text("step,loss\n1,1.000000\n2,0.500000\n")
    repo = Repo(folder)
    repo.commit(["inputs/cycle.yaml", "dvc.lock", "gate", "metrics", "plots"], f"Cycle {number}")
    repo.tag(f"cycle/{number:04d}", "done")
    return f"cycle/{number:04d}"


def push(adapter: Path, remote: Path) -> str:
    """Lay a folder into a DVC remote: each file under its md5, and the list of them."""
    rows = []
    for path in sorted(adapter.iterdir()):
        rows.append({"md5": lay(path.read_bytes(), remote, ""), "relpath": path.name})
    return lay(json.dumps(rows, sort_keys=True).encode(), remote, ".dir")


def lay(data: bytes, remote: Path, ending: str) -> str:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() + ending
    path = remote / "files" / "md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return md5


@pytest.fixture
def site(template: Path, object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of this test's own, its first cycle finished, its registry empty."""
    return settle(template, tmp_path / "site", object_store.connection, object_store.prefix, monkeypatch)


def settle(template: Path, folder: Path, connection: Connection, prefix: str, patch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(template, folder, symlinks=True)
    params = folder / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("made", prefix), encoding="utf-8")
    Repo(folder).commit(["params.yaml"], "Use this test's buckets")
    patch.setenv("OTOLOOP_S3_ENDPOINT", connection.endpoint)
    patch.setenv("AWS_ACCESS_KEY_ID", connection.access_key or "")
    patch.setenv("AWS_SECRET_ACCESS_KEY", connection.secret_key or "")
    patch.setenv("OTOLOOP_ACTOR", "loop")
    return folder


@pytest.fixture(scope="session")
def asked_once(template: Path, weed: Connection, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The registry's objects after the first cycle was requested: probing the adapter takes a second."""
    store = ObjectStore(weed, "asked")
    store.ensure_buckets()
    with pytest.MonkeyPatch.context() as patch:
        folder = settle(template, tmp_path_factory.mktemp("asked") / "site", weed, "asked", patch)
        requests.request(folder)
    return {one.key: store.get(BUCKET, one.key) for one in store.list(BUCKET)}


@pytest.fixture
def asked(site: Path, object_store: ObjectStore, asked_once: dict[str, bytes]) -> Request:
    """The open request of `site`: v1 for prod, in mika's name."""
    for key, data in asked_once.items():
        object_store.put(BUCKET, key, data)
    return open_registry(site).ledger().requests["v1-2"]


@pytest.fixture
def kim() -> Signer:
    return keys.unlock("kim")


@pytest.fixture
def lee() -> Signer:
    return keys.unlock("lee")
