"""The loop through Prefect, small: worker, deployments, calendar and event, as the demo and a site run it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from otoloop import catalog
from otoloop.demo import runs
from otoloop.due import announce
from otoloop.outs import read_json
from otoloop.params import load_params
from otoloop.review.simulated import review_all
from otoloop.simulate.deliveries import upload
from otoloop.simulate.site import plan_site
from otoloop.simulate.writer import write_site
from otoloop.store import connect
from otoloop.vcs import Repo
from otoloop.workspace.init import init
from otoloop.workspace.prefect_api import call
from otoloop.workspace.processes import marked
from otoloop.workspace.up import down, up

CLIPS = 48
SMALL: dict[str, dict[str, Any]] = {
    "retrain": {"min_new_items": 20},
    "release": {"general_items": 3, "replay_items": 3},
    "train": {"steps": 4, "batch": 4, "rank": 4},
    "answer": {"max_new_tokens": 60, "variant_items": 3},
    "score": {"resamples": 200},
    "gate": {"resamples": 200},
}

pytestmark = pytest.mark.flow


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    folder = init(tmp_path / "site", prefix="small")
    text, path = YAML(), folder / "params.yaml"
    params = text.load(path.read_text(encoding="utf-8"))
    for section, changed in SMALL.items():
        params[section].update(changed)
    with path.open("w", encoding="utf-8") as stream:
        text.dump(params, stream)
    counts = write_site(plan_site("hall", 3, clips=CLIPS), tmp_path / "recordings")
    assert counts["clips"] == CLIPS
    machines = (tmp_path / "recordings" / "machines.yaml").read_text(encoding="utf-8")
    (folder / "machines.yaml").write_text(machines, encoding="utf-8")
    Repo(folder).commit(["params.yaml", "machines.yaml"], "A small site")
    yield folder
    down(folder)


def artifacts(url: str) -> set[str]:
    return {row["key"] for row in call(url, "POST", "/artifacts/latest/filter", {})}


def test_from_a_bucket_to_a_verdict_through_deployments(site: Path, tmp_path: Path) -> None:
    url = {part.name: part for part in up(site, only=["s3", "prefect", "worker-cpu"])}["prefect"].url
    assert url
    planned = {name for name, _ in runs.scheduled(url, wait_s=30)}
    assert {"intake", "draft"} <= planned, "the calendar is alive"
    runs.pause_schedules(url)
    upload(tmp_path / "recordings", connect(site), (0, 1, 2, 3))

    for name in ("intake", "draft"):
        target = runs.deployment(url, f"{name}/{name}")
        runs.follow(url, runs.start(target, {"whole": True} if name == "intake" else None))
    book = catalog.open_workspace(site)
    approved = review_all(book, load_params(site / "params.yaml").base).to_json()["approved"]
    assert approved >= 20

    since, target = datetime.now(UTC), runs.deployment(url, "retrain/retrain")
    assert announce(site) == approved
    run = runs.started_since(target, since, wait_s=60)
    assert run is not None and run["parameters"]["new_items"] == approved, "the event's number arrives as a number"
    ended = runs.follow(url, run["id"], timeout_s=600)

    verdict = read_json(site / "gate" / "report.json")["verdict"]
    assert ended["state"]["message"].startswith(f"cycle/0001: {verdict}")
    assert {"intake", "quarantine", "drafts", "gate-report", "scores"} <= artifacts(url)
    repo = Repo(site)
    assert repo.tags("*") == ["cycle/0001", "release/r0001"] and repo.clean()
    assert list(runs.task_seconds(url, run["id"])) == [
        "freeze", "validate", "encode", "train", "answer", "score", "gate", "ask",
    ]  # fmt: skip

    again = runs.follow(url, runs.start(target))
    assert "Nothing new" in again["state"]["message"]
    down(site)
    assert marked(site) == []
