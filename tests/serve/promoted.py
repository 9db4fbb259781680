"""Workspaces in which versions are promoted as people do it, with the fixtures of the registry's own tests."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from otoloop.promote import decisions, keys, promotion, requests
from otoloop.promote.registry import BUCKET
from otoloop.store.s3 import ObjectStore

_spec = importlib.util.spec_from_file_location(
    "promote_conftest", Path(__file__).parents[1] / "promote" / "conftest.py"
)
registry_tests = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(registry_tests)


def mini_adapter(folder: Path, seed: int) -> Path:
    """An adapter of the mini base whose weights do something."""
    import torch

    from otoloop.model.adapters import add_adapter
    from otoloop.model.bases import load_base
    from otoloop.train.stage import save

    torch.set_num_threads(1)
    model = add_adapter(load_base().model, rank=2, alpha=4, seed=seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.8, generator=torch.Generator().manual_seed(seed))
    save(model, "otoloop-mini", "embedded", folder)
    return folder


def make_template(made: Path, root: Path) -> Path:
    """A workspace with an approver, a reviewed release and its first cycle finished; its adapters lie beside it."""
    from otoloop.promote import enrol
    from otoloop.vcs import Repo

    folder = Path(shutil.copytree(made, root / "site", symlinks=True))
    config = folder / ".dvc" / "config"
    config.write_text(config.read_text(encoding="utf-8").replace("s3://made-dvc/data", str(root / "remote")))
    Repo(folder).commit([".dvc/config"], "Keep data in a folder")
    enrol.add(folder, "lee")
    registry_tests.fill_catalogue(folder)
    for n in (1, 2):
        mini_adapter(root / f"adapter{n}", n)
    registry_tests.finish_cycle(folder, root / "adapter1", root / "remote")
    return folder


def next_cycle(site: Path, root: Path) -> None:
    """Finish a second cycle."""
    registry_tests.finish_cycle(site, root / "adapter2", root / "remote", 2, champion="v1")


def approve(site: Path) -> str:
    """Have the last cycle's adapter approved; not promoted yet. Returns the version."""
    request = requests.request(site)
    decisions.approve(site, request.id, keys.unlock("lee"), reason="looks right")
    return str(request.event.version)


def promote(site: Path) -> None:
    assert all(outcome.live for outcome in promotion.promote_all(site))


@pytest.fixture(scope="session")
def template(made_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("promoted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTOLOOP_KEYS", str(root / "keys"))
        yield make_template(made_workspace, root)


@dataclass(frozen=True)
class Moment:
    """What lay in the registry at a moment, and the workspace's keys."""

    objects: dict[str, bytes]
    keys: Path


@pytest.fixture(scope="session")
def moments(template: Path, weed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Moment]:
    """The registry when v1 was approved, and when it was promoted: made once, since probing and signing take seconds."""
    store, found = ObjectStore(weed, "moments"), {}
    store.ensure_buckets()
    with pytest.MonkeyPatch.context() as patch:
        site = registry_tests.settle(template, tmp_path_factory.mktemp("moments") / "site", weed, "moments", patch)
        for name, step in (("approved", approve), ("live", promote)):
            step(site)
            objects = {one.key: store.get(BUCKET, one.key) for one in store.list(BUCKET)}
            found[name] = Moment(objects, site / ".otoloop" / "keys")
    return found


def at(moment: Moment, template: Path, folder: Path, store: ObjectStore, patch: pytest.MonkeyPatch) -> Path:
    site = registry_tests.settle(template, folder, store.connection, store.prefix, patch)
    for key, data in moment.objects.items():
        store.put(BUCKET, key, data)
    if moment.keys.is_dir():
        shutil.copytree(moment.keys, site / ".otoloop" / "keys", dirs_exist_ok=True)
    return site


@pytest.fixture
def approved(moments, template: Path, object_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of this test's own whose v1 is approved for prod and waits to be promoted."""
    return at(moments["approved"], template, tmp_path / "site", object_store, monkeypatch)


@pytest.fixture
def live(moments, template: Path, object_store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of this test's own with v1 live in prod."""
    return at(moments["live"], template, tmp_path / "site", object_store, monkeypatch)
