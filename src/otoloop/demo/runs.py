"""Flow runs seen from outside: start one through its deployment, follow its log and state over Prefect's HTTP API."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.workspace.prefect_api import insist

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
POLL_S = 0.5
CHATTER = (
    "Beginning flow run", "Finished in state", "Created task run", "Executing ", "Running 1 deployment pull",
    "Deployment step", "All deployment steps", "To track the changes", "\tgit add", "To enable auto staging",
    "\tdvc config", "Use `dvc push`", "Updating lock file", "Generating lock file",
)  # fmt: skip
"""What only tells how Prefect and DVC work."""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment of the workspace's prefect.yaml by its id and name (``flow/deployment``)."""

    url: str
    id: str
    name: str


def deployment(url: str, name: str) -> Deployment:
    """Look a deployment up by ``flow/deployment``.

    Raises:
        OtoloopError: it is not deployed.
    """
    try:
        return Deployment(url, insist(url, "GET", f"/deployments/name/{name}")["id"], name)
    except urllib.error.HTTPError as err:
        raise OtoloopError(f"Prefect has no deployment {name} ({err.code}).", "Run `otoloop up`.") from err


def scheduled(url: str, *, wait_s: float = 0) -> list[tuple[str, datetime]]:
    """(deployment's name, time) of the runs that the schedules have planned, soonest first; waits for the first."""
    end = time.monotonic() + wait_s
    while not (found := _planned(url)) and time.monotonic() < end:
        time.sleep(POLL_S)
    return found


def _planned(url: str) -> list[tuple[str, datetime]]:
    names = {row["id"]: row["name"] for row in insist(url, "POST", "/deployments/filter", {})}
    wanted = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}, "sort": "EXPECTED_START_TIME_ASC"}
    rows = insist(url, "POST", "/flow_runs/filter", wanted)
    return [(names[r["deployment_id"]], _time(r["expected_start_time"])) for r in rows if r["deployment_id"] in names]


def pause_schedules(url: str) -> None:
    """Keep the clock from starting runs; runs that are asked for and events still work."""
    _set_paused(url, True)


def resume_schedules(url: str) -> None:
    """Let the calendar run again."""
    _set_paused(url, False)


def settle(url: str, *, wait_s: float) -> None:
    """Wait until no run is under way: one that the calendar began would keep out the one that is asked for."""
    under_way = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}}
    end = time.monotonic() + wait_s
    while insist(url, "POST", "/flow_runs/filter", under_way) and time.monotonic() < end:
        time.sleep(POLL_S)


def _set_paused(url: str, paused: bool) -> None:
    for row in insist(url, "POST", "/deployments/filter", {}):
        insist(url, "PATCH", f"/deployments/{row['id']}", {"paused": paused})


def start(target: Deployment, parameters: Mapping[str, Any] | None = None) -> str:
    """Ask for a run now; returns its id."""
    body = {"state": {"type": "SCHEDULED"}, "parameters": dict(parameters or {})}
    return str(insist(target.url, "POST", f"/deployments/{target.id}/create_flow_run", body)["id"])


def started_since(target: Deployment, since: datetime, *, wait_s: float) -> dict[str, Any] | None:
    """The first run of a deployment created after ``since`` by an event, or None if none comes within ``wait_s``."""
    wanted = {"deployments": {"id": {"any_": [target.id]}}, "sort": "EXPECTED_START_TIME_ASC"}
    end = time.monotonic() + wait_s
    while True:
        for row in insist(target.url, "POST", "/flow_runs/filter", wanted):
            if _time(row["created"]) >= since and not row["auto_scheduled"]:
                return dict(row)
        if time.monotonic() > end:
            return None
        time.sleep(POLL_S)


def follow(url: str, run: str, *, say: Say = lambda _: None, timeout_s: float = 1800) -> dict[str, Any]:
    """Wait for a run to end, passing on each line of its log; returns the run.

    Raises:
        OtoloopError: it failed, crashed, was cancelled, or did not end in time.
    """
    end, seen = time.monotonic() + timeout_s, 0
    while True:
        row = insist(url, "GET", f"/flow_runs/{run}")
        for line in _log(url, run, seen):
            seen += 1
            if line is not None:
                say(line)
        if row["state_type"] in FINAL:
            break
        if time.monotonic() > end:
            raise OtoloopError(f"Run {row['name']} has not ended after {timeout_s:.0f} s.", f"See {page(url, run)}.")
        time.sleep(POLL_S)
    if row["state_type"] != "COMPLETED":
        words = str(row["state"].get("message") or row["state_name"])
        raise OtoloopError(f"Run {row['name']} ended as {row['state_name']}: {words[:600]}", f"See {page(url, run)}.")
    return dict(row)


def _log(url: str, run: str, offset: int) -> list[str | None]:
    """Messages after the first ``offset``: the first line of each, None for what only tells how Prefect works."""
    wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "offset": offset, "limit": 200, "sort": "TIMESTAMP_ASC"}
    return [_line(row) for row in insist(url, "POST", "/logs/filter", wanted)]


def _line(row: Mapping[str, Any]) -> str | None:
    text = str(row["message"])
    ours = row["name"] in ("prefect.flow_runs", "prefect.task_runs") and not text.startswith(CHATTER)
    return text.splitlines()[0] if ours and text.strip() else None


def task_seconds(url: str, run: str) -> dict[str, float]:
    """How long each task of a run took, by its name, in order."""
    wanted = {"flow_runs": {"id": {"any_": [run]}}, "sort": "EXPECTED_START_TIME_ASC"}
    rows = insist(url, "POST", "/task_runs/filter", wanted)
    rows.sort(key=lambda row: row["start_time"] or "")
    return {row["name"]: float(row["total_run_time"]) for row in rows}


def page(url: str, run: str) -> str:
    """Where a person sees a run."""
    return f"{url.removesuffix('/api')}/runs/flow-run/{run}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
