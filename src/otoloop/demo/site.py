"""The demo's workspace, its parts, and what the simulated site delivers."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from otoloop.demo import runs
from otoloop.demo.tour import Demo
from otoloop.errors import OtoloopError

SITE = "demo"
PARTS = ("prefect", "worker-cpu")
PARAMS: dict[str, dict[str, float]] = {
    "gate": {"margin": 0.10, "min_clusters": 40}, "retrain": {"min_new_items": 60},
    "release": {"test_share": 0.35, "general_items": 120}, "answer": {"variant_items": 60},
}  # fmt: skip
"""What the demo changes of the defaults: one small site can neither show nor fill more, and nobody likes to wait."""
LATER_PARAMS = {"release": {"test_share": 0.1}}
"""From the second cycle on: the sealed test is large enough, most of what is new may teach."""
FIRST_WAVES, LAST_WAVE = (0, 1, 2), (3,)
SCHEDULE_WAIT_S, SETTLE_S = 20, 120


def make(demo: Demo) -> str:
    """`otoloop init`, the demo's parameters, the S3 server; Prefect starts in the background meanwhile."""
    from otoloop.workspace import ensure_store
    from otoloop.workspace.init import init

    folder = init(demo.workspace, prefix="demo")
    set_params(folder, PARAMS, "Parameters of the demo")
    ensure_store(folder)
    demo.background.append(_begin_up(folder))
    return f"{folder}: a git and DVC repository with pipeline, flows and parameters. S3 answers, Prefect is starting."


def set_params(folder: Path, values: Mapping[str, Mapping[str, Any]], message: str) -> None:
    """Change values of params.yaml, and commit; what is written around them stays."""
    from ruamel.yaml import YAML

    from otoloop.vcs import Repo

    text, path = YAML(), folder / "params.yaml"
    params = text.load(path.read_text(encoding="utf-8"))
    for section, changed in values.items():
        params[section].update(changed)
    with path.open("w", encoding="utf-8") as stream:
        text.dump(params, stream)
    Repo(folder).commit([path.name], message)


def _begin_up(folder: Path) -> subprocess.Popen[bytes]:
    """`otoloop up` beside us: Prefect takes ten seconds that the simulation can use."""
    only = [word for part in PARTS for word in ("--only", part)]
    with (folder / ".otoloop" / "logs" / "up.log").open("wb") as log:
        command = [sys.executable, "-m", "otoloop", "up", *only]
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def deliver(demo: Demo) -> str:
    """Render the site's recordings and put them into S3 as they would arrive, bad files and late notes included."""
    from otoloop.params import load_params
    from otoloop.simulate.site import plan_site
    from otoloop.simulate.writer import write_site

    out = folder_of(demo)
    limits = load_params(demo.workspace / "params.yaml").intake.model_dump()
    counts = write_site(plan_site(SITE, demo.seed, cycle=demo.cycle), out, limits=limits)
    machines = out / "machines.yaml"
    _describe_machines(demo.workspace, machines.read_text(encoding="utf-8"))
    uploaded = send(demo, FIRST_WAVES)
    return (
        f"{counts['clips']} recordings of {len(yaml.safe_load(machines.read_text()))} machines with notes and sensors, "
        f"and broken files of every kind: {uploaded} objects in S3; {counts['objects'] - uploaded} more come later."
    )


def deliver_more(demo: Demo) -> str:
    """The deliveries of a later cycle, most of which may teach."""
    set_params(demo.workspace, LATER_PARAMS, "The sealed test is large enough")
    return f"{deliver(demo)}\nOf new sessions a tenth is sealed from now on: the examination is large enough."


def folder_of(demo: Demo) -> Path:
    """Where the files of this cycle's deliveries lie, with the truth that is never uploaded."""
    return demo.workspace / ".otoloop" / "site" / str(demo.cycle)


def send(demo: Demo, waves: tuple[int, ...]) -> int:
    """Upload waves of arrival."""
    from otoloop.simulate.deliveries import upload
    from otoloop.store import connect

    return upload(folder_of(demo), connect(demo.workspace), waves)


def _describe_machines(workspace: Path, text: str) -> None:
    """machines.yaml of the workspace: what stands where, with its geometry."""
    from otoloop.vcs import Repo

    (workspace / "machines.yaml").write_text(text, encoding="utf-8")
    Repo(workspace).commit(["machines.yaml"], "The machines of the demo's site")


def await_prefect(demo: Demo) -> str:
    """Wait for Prefect and its worker, show that the calendar is alive, then stop the clock for the tour."""
    from otoloop.workspace.prefect_api import api_url
    from otoloop.workspace.processes import last_line

    if any(process.wait() for process in demo.background):
        log = demo.workspace / ".otoloop" / "logs" / "up.log"
        raise OtoloopError(f"Prefect did not start: {last_line(log)}", f"See {log}.")
    url = api_url(demo.workspace)
    assert url is not None
    demo.facts["prefect"] = url
    planned = runs.scheduled(url, wait_s=SCHEDULE_WAIT_S)
    demo.facts["scheduled"] = dict(Counter(name for name, _ in planned))
    runs.pause_schedules(url)
    runs.settle(url, wait_s=SETTLE_S)
    first = ", ".join(f"{name} at {when:%H:%M}" for name, when in sorted({n: w for n, w in reversed(planned)}.items()))
    return f"{url.removesuffix('/api')}: {len(planned)} runs planned (next: {first} UTC); paused for this tour."
