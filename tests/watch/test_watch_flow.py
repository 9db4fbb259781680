"""`watch` as a site runs it: its deployment picks, reports once a day, and starts a cycle with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from otoloop import catalog
from otoloop.demo import runs
from otoloop.vcs import Repo
from otoloop.workspace.init import init
from otoloop.workspace.prefect_api import call
from otoloop.workspace.up import down, up

from .conftest import Site
from .test_due import approve

pytestmark = pytest.mark.flow


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Path]:
    """The deployments of `watch` and `retrain` alone, on a site where few items make a cycle due."""
    folder = init(tmp_path / "site", prefix="watched")
    plan = yaml.safe_load((folder / "prefect.yaml").read_text(encoding="utf-8"))
    plan["deployments"] = [d for d in plan["deployments"] if d["name"] in ("watch", "retrain")]
    (folder / "prefect.yaml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    params["retrain"]["min_new_items"], params["review"]["double_share"] = 2, 0.0
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    Repo(folder).commit(["prefect.yaml", "params.yaml"], "Two flows")
    yield folder
    down(folder)


def artifacts(url: str) -> list[str]:
    return sorted(row["key"] for row in call(url, "POST", "/artifacts/filter", {}) if row["key"])


def test_the_deployment_picks_reports_and_says_why_a_cycle_is_due(stack: Path, measured, params) -> None:
    site = Site(catalog.open_workspace(stack), measured, params, stack / "memo")
    site.ask("a1", "c1")
    site.say("a1", label="rub")
    site.hear("c1")
    url = {part.name: part for part in up(stack, only=["prefect", "worker-cpu"])}["prefect"].url
    assert url
    (every_hour,) = call(url, "GET", "/deployments/name/watch/watch")["schedules"]
    assert every_hour["active"] and every_hour["schedule"]["cron"] == "11 * * * *"
    runs.pause_schedules(url)
    target = runs.deployment(url, "watch/watch")
    runs.follow(url, runs.start(target))
    site.draft()
    assert site.queue() == {("c1", "rub", "complaint")}
    assert artifacts(url) == ["numbers", "review-numbers"]

    approve(site, "c2")
    since = datetime.now(UTC)
    runs.follow(url, runs.start(target))
    assert artifacts(url) == ["numbers", "review-numbers"], "once a day"
    run = runs.started_since(runs.deployment(url, "retrain/retrain"), since, wait_s=60)
    assert run is not None and run["parameters"]["why"] == "4 new approved items"
