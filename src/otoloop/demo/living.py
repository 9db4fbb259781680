"""The demo's site goes on sending: every few minutes some of its machines are recorded today and delivered to S3.

python -m otoloop.demo.living --every 120        a part of `otoloop demo --stay`, ended by `otoloop down`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from otoloop.demo import runs
from otoloop.demo.site import SITE
from otoloop.workspace.env import child_environment
from otoloop.workspace.processes import Plan, start
from otoloop.workspace.state import Part, running

if TYPE_CHECKING:
    from otoloop.simulate.site import SitePlan

NAME = "site"
CLIPS = 8
EVERY_S = 120.0
FIRST = 100
"""Turns of the living site are numbered from here, far from the demo's own cycles."""


def stay(workspace: Path) -> list[Part]:
    """Start all parts of a demo's workspace again, let its calendar run, and its machines send."""
    from otoloop.workspace.up import up

    up(workspace)
    prefect = running(workspace, "prefect")
    if prefect and prefect.url:
        runs.resume_schedules(prefect.url)
    if running(workspace, NAME) is None:
        command = [sys.executable, "-m", "otoloop.demo.living", "--every", str(EVERY_S)]
        start(workspace, Plan(name=NAME, command=command, env=child_environment(workspace), ready=lambda: True))
    return up(workspace)


def today(plan: SitePlan, now: datetime) -> SitePlan:
    """The same recordings as if made in the last minutes."""
    times = [now - timedelta(seconds=20 * (len(plan.name) - i)) for i in range(len(plan.name))]
    names = [f"{name.split('_')[0]}_{t:%Y%m%d_%H%M%S}" for name, t in zip(plan.name, times, strict=True)]
    return replace(plan, time=times, name=names)


def deliver(workspace: Path, turn: int, now: datetime, clips: int = CLIPS) -> int:
    """Record ``clips`` machines and put everything into S3; returns the number of objects."""
    from otoloop.simulate.deliveries import upload
    from otoloop.simulate.site import plan_site
    from otoloop.simulate.writer import write_site
    from otoloop.store import connect

    with tempfile.TemporaryDirectory(prefix="otoloop-site-") as place:
        plan = today(plan_site(SITE, turn, clips=clips, cycle=1), now)
        write_site(plan, Path(place), bad=False)
        return upload(Path(place), connect(workspace), (0, 1, 2, 3))


def main() -> None:
    """Deliver for ever; a store that does not answer is tried again at the next turn."""
    from otoloop.errors import OtoloopError
    from otoloop.settings import Settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=float, default=EVERY_S, metavar="SECONDS")
    every, turn = parser.parse_args().every, FIRST
    while True:
        now = datetime.now(UTC)
        try:
            print(f"{now:%H:%M:%S} {deliver(Settings().workspace, turn, now)} objects", flush=True)
        except OtoloopError as err:
            print(f"{now:%H:%M:%S} {err}", flush=True)
        turn += 1
        time.sleep(every)


if __name__ == "__main__":
    main()
