"""Left alone: machines send, the calendar runs fast, people only review; Prefect is killed and wiped on the way."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import yaml

from otoloop import catalog
from otoloop.catalog import clips, items
from otoloop.demo import runs
from otoloop.demo.living import deliver
from otoloop.demo.site import set_params
from otoloop.params import load_params
from otoloop.review.simulated import review_all
from otoloop.vcs import Repo
from otoloop.workspace.init import init
from otoloop.workspace.prefect_api import call
from otoloop.workspace.processes import marked
from otoloop.workspace.state import load
from otoloop.workspace.up import down, up

from .test_loop_flow import SMALL

DAYS = 3
CLIPS = 24
PARTS = ["s3", "prefect", "worker-cpu"]
SECONDS = {"intake": 30, "draft": 30, "promote": 60, "reap": 90, "retrain": 90, "release": 300, "watch": 120}
"""A "day" in which what usually runs every five minutes runs twice a minute."""
PATIENCE_S = 400

pytestmark = pytest.mark.long


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    folder = init(tmp_path / "site", prefix="alone")
    set_params(folder, SMALL, "A small site")
    plan = yaml.safe_load((folder / "prefect.yaml").read_text(encoding="utf-8"))
    for one in plan["deployments"]:
        if one.get("schedules"):
            one["schedules"] = [{"interval": SECONDS[one["name"]], "slug": "short"}]
    (folder / "prefect.yaml").write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    Repo(folder).commit(["prefect.yaml"], "Short days")
    yield folder
    down(folder)


def until(happened: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, f"{what} did not happen"
        time.sleep(1)


def counts(site: Path) -> tuple[int, int]:
    """Clips, and items that wait for or had a decision."""
    with catalog.open_workspace(site).reading() as session:
        return len(clips.clips(session)), sum(items.count_by_state(session).values())


def memory_mb(site: Path) -> float:
    return sum(p.memory_info().rss for p in marked(site) if psutil.pid_exists(p.pid)) / 2**20


def wipe_prefect(site: Path) -> None:
    """kill -9 the server, and remove its database."""
    part = load(site).parts["prefect"]
    os.killpg(os.getpgid(part.pid), signal.SIGKILL)
    psutil.wait_procs([psutil.Process(part.pid)] if psutil.pid_exists(part.pid) else [], timeout=20)
    shutil.rmtree(site / ".otoloop" / "prefect")


def one_day(site: Path, day: int) -> None:
    """Machines send, the calendar does the rest; people only review."""
    before = counts(site)
    deliver(site, 200 + day, datetime.now(UTC), clips=CLIPS)
    until(lambda: counts(site)[0] == CLIPS * day, f"the intake of day {day}")
    until(lambda: counts(site)[1] > before[1], f"drafting on day {day}")
    review_all(catalog.open_workspace(site), load_params(site / "params.yaml").base)
    until(lambda: len(Repo(site).tags("cycle/*")) >= day, f"cycle {day}")
    until(lambda: Repo(site).clean(), "the end of the cycle")


def test_days_pass_and_nothing_is_lost_or_piles_up(site: Path) -> None:
    up(site, only=PARTS)
    one_day(site, 1)
    size, kept = memory_mb(site), (counts(site), Repo(site).tags("*"))
    wipe_prefect(site)
    down(site)
    up(site, only=PARTS)
    assert (counts(site), Repo(site).tags("*")) == kept
    for day in range(2, DAYS + 1):
        one_day(site, day)
    assert memory_mb(site) < 1.5 * size + 200, "memory grows"

    url = load(site).parts["prefect"].url
    assert url is not None
    late = {"flow_runs": {"state": {"name": {"any_": ["Late"]}}}}
    until(lambda: len(call(url, "POST", "/flow_runs/filter", late)) < 4, "catching up")
    ended = {"flow_runs": {"state": {"type": {"any_": ["FAILED", "CRASHED"]}}}}
    assert call(url, "POST", "/flow_runs/filter", ended) == []
    assert {"intake", "drafts", "gate-report"} <= {r["key"] for r in call(url, "POST", "/artifacts/latest/filter", {})}
    assert runs.scheduled(url, wait_s=30)
    down(site)
    assert marked(site) == []
