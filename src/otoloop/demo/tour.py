"""Walk the steps of the demo one after the other: say what each does, time it, and leave no process behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import psutil

from otoloop.commands.output import say
from otoloop.errors import OtoloopError
from otoloop.outs import read_json, write_json
from otoloop.workspace.processes import MARKER, marked

MARK = ".otoloop/demo.json"
"""Says that a folder is a demo's: only such a folder is ever cleared."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a step took, and how much the processors worked for it, in all processes of the workspace."""

    title: str
    seconds: float
    cpu_seconds: float


@dataclass(slots=True)
class Demo:
    """One demo: where, how, and what came out so far (the content of report.json, and more for the page)."""

    workspace: Path
    seed: int
    cycles: int
    ask: bool
    """Whether a person at the terminal approves; else the simulated reviewer does, and the output says so."""
    report: dict[str, Any] = field(default_factory=lambda: {"intake": {}, "cycles": [], "answers": []})
    facts: dict[str, Any] = field(default_factory=dict)
    timings: list[Timing] = field(default_factory=list)
    cycle: int = 1
    background: list[subprocess.Popen[bytes]] = field(default_factory=list)


Step = tuple[str, Callable[[Demo], str]]
"""What a step does in plain words, and the function that does it and returns what came of it."""


def walk(demo: Demo, once: Sequence[Step], cycles: Sequence[Sequence[Step]]) -> None:
    """Take every step; whatever happens, end all that was started."""
    with _clean_end(demo):
        for step in once:
            _take(demo, step)
        for number, steps in enumerate(cycles[: demo.cycles], 1):
            demo.cycle = number
            for step in steps:
                _take(demo, step)
    _remember(demo, "finished")


def _take(demo: Demo, step: Step) -> None:
    title, action = step
    say(f"\n== {title}" if demo.cycles == 1 else f"\n== Cycle {demo.cycle}. {title}")
    _remember(demo, title)
    start, worked = time.monotonic(), _cpu_seconds(demo.workspace)
    outcome = action(demo)
    name = title.split(":")[0] if demo.cycles == 1 else f"{demo.cycle} {title.split(':')[0]}"
    timing = Timing(name, time.monotonic() - start, _cpu_seconds(demo.workspace) - worked)
    demo.timings.append(timing)
    for line in outcome.splitlines():
        say(f"   {line}")
    say(f"   ({timing.seconds:.1f} s)")


def _cpu_seconds(workspace: Path) -> float:
    """Processor seconds spent so far by this process, by those of the workspace, and by their ended children."""
    total = sum(os.times()[:4])
    for process in marked(workspace):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def _remember(demo: Demo, step: str) -> None:
    if demo.workspace.is_dir():
        (demo.workspace / MARK).parent.mkdir(exist_ok=True)
        write_json(demo.workspace / MARK, {"seed": demo.seed, "step": step})


@contextlib.contextmanager
def _clean_end(demo: Demo) -> Iterator[None]:
    """End every process of the workspace at the end of the block, also after Ctrl-C, SIGTERM or a failure."""
    before = signal.signal(signal.SIGTERM, _terminated)
    os.environ[MARKER] = str(demo.workspace.resolve())  # whatever we start carries it, so that nothing is overlooked
    try:
        yield
    finally:
        held = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the cleaning up
        for process in demo.background:
            _stop(process)
        _end_all(demo.workspace)
        signal.signal(signal.SIGINT, held)
        signal.signal(signal.SIGTERM, before)


def _terminated(*_: Any) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a command of ours that is not through: it ends what it was starting."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def _end_all(workspace: Path) -> None:
    from otoloop.workspace.up import down

    if workspace.is_dir():
        down(workspace)


def finished(folder: Path) -> bool:
    """Whether a whole demo lies there."""
    return (folder / MARK).is_file() and read_json(folder / MARK).get("step") == "finished"


def make_room(folder: Path) -> str:
    """Clear the folder of an earlier demo and say so.

    Raises:
        OtoloopError: the folder holds something else; it is not touched.
    """
    if not folder.exists() or (folder.is_dir() and not os.listdir(folder)):
        return f"Starting in the new folder {folder}."
    if not (folder / MARK).is_file():
        raise OtoloopError(f"{folder} exists and is no demo's.", "Give another folder: otoloop demo --dir DIR")
    _end_all(folder)
    step = read_json(folder / MARK).get("step", "")
    aside = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)  # so that a kill in the middle leaves no half of a demo behind
    shutil.rmtree(aside)
    was = "is complete" if step == "finished" else f"was stopped at: {step}"
    return f"An earlier demo in {folder} {was}. Starting clean."
