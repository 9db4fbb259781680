"""`otoloop retrain`, `stage` and `lock`: a cycle, one stage of it, and what ties a stage to its code."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from otoloop.commands.output import Json, emit, one_of, say

if TYPE_CHECKING:
    from otoloop.retrain import Begun, Done

# What DVC says of its own work; the rest of its lines are the stage's
_CHATTER = (
    "Running stage", "> otoloop stage", "Updating lock file", "Generating lock file", "To track the changes", "git add",
    "To enable auto staging", "dvc config core.autostage", "Use `dvc push`", "Data and pipelines are up to date",
)  # fmt: skip


def _stages() -> Iterable[str]:
    from otoloop.stages import STAGES

    return STAGES


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (retrain, stage, lock):
        app.command()(command)


def retrain(
    first: str | None = typer.Option(None, metavar="STAGE", help="Go on with this stage of a cycle that was begun."),
    last: str | None = typer.Option(None, metavar="STAGE", help="End after this stage."),
    as_json: bool = Json,
) -> None:
    """Run a cycle: freeze what is approved, train on it, examine, judge. Every verdict is a result: exit code 0.

    A cycle that was cut off goes on where it stopped. A candidate whose verdict allows it is requested to go live.

    Example: otoloop retrain        or a part of it: otoloop retrain --last encode
    """
    from otoloop.pipeline import stage_names
    from otoloop.settings import find_workspace
    from otoloop.workspace import ensure_store

    workspace = find_workspace(Path.cwd())
    names = stage_names(workspace, first, last)
    ensure_store(workspace)
    if first is None:
        _freeze(workspace)
    begun, done = _cycle(workspace, names, whole=first is None)
    data, human = _outcome(workspace, begun, done, names)
    if data["tag"]:
        data["request"], told = _ask(workspace)
        human += told
    emit(data, human, as_json)


def _ask(workspace: Path) -> tuple[str | None, str]:
    """The request to go live that the verdict allows, made now or before; the cycle stands without it too."""
    import warnings

    from otoloop.errors import OtoloopError
    from otoloop.promote.requests import after_cycle

    warnings.simplefilter("ignore", FutureWarning)  # libraries to their developers, not to our users
    try:
        made = after_cycle(workspace)
    except OtoloopError as err:
        return None, f"\nNot requested to go live: {err}"
    return (made.id, f"\nFor an approver: otoloop promotions show {made.id}") if made else (None, "")


def _freeze(workspace: Path) -> None:
    """A release of the approved items that wait; with none, the last release stands."""
    from otoloop.release.create import create

    made = create(workspace, say=say)
    counts = ", ".join(f"{c['items']} {split}" for split, c in made["counts"].items()) if made else ""
    say(f"Release {made['release']}: {counts} items." if made else "Nothing new is approved since the last release.")
    for warning in made["warnings"] if made else ():
        say(f"  Note: {warning}")


def _cycle(workspace: Path, names: Sequence[str], *, whole: bool) -> tuple[Begun, Done | None]:
    """What flows/retrain.py does, a line of progress a stage; no `Done` when nothing is new."""
    from otoloop import retrain as cycle
    from otoloop.vcs import Repo

    with Repo(workspace).lease(wait_s=600, purpose="a cycle"):
        begun = cycle.begin(workspace, reason="as asked") if whole else cycle.take_over(workspace)
        say(f"Cycle {begun.cycle}: {begun.start}. Stages: {', '.join(names)}.")
        if begun.start == "nothing new":
            return begun, None
        for number, name in enumerate(names, 1):
            say(f"{name} ({number} of {len(names)})")
            since = time.monotonic()
            cycle.reproduce(workspace, name, _pass_on)
            say(f"  done in {time.monotonic() - since:.0f} s")
        done = cycle.finish(workspace, names)
    if done.tag is None:
        cycle.hand_over(workspace, names)
    return begun, done


def _pass_on(line: str) -> None:
    """Say what a stage says, and why DVC skips one."""
    text = line.strip()
    if text and not text.startswith(_CHATTER):
        say(f"  {text}")


def _outcome(workspace: Path, begun: Begun, done: Done | None, names: Sequence[str]) -> tuple[dict[str, Any], str]:
    """What came of it as data and in words: the verdict where the cycle has ended, now or before."""
    from otoloop.commands.gate import report_words
    from otoloop.outs import read_json
    from otoloop.retrain import REPORT

    data: dict[str, Any] = {"cycle": begun.cycle, "start": begun.start, "tag": begun.tag}
    if done is not None and done.tag is None:
        return data | {"tag": None, "stages": list(names)}, f"Cycle {begun.cycle} goes on after {names[-1]}."
    report, folder = read_json(workspace / REPORT), (workspace / REPORT).parent
    shown = {name: report.get(name) for name in ("verdict", "reason", "pilot", "pilot_reason", "record_more")}
    head = f"{begun.tag} is committed." if done else f"Nothing new since {begun.tag}; its verdict was:"
    return data | shown | {"report": str(folder / "report.html")}, f"{head}\n{report_words(report, folder)}"


def stage(
    name: str = typer.Argument(
        ..., metavar="NAME", callback=one_of(_stages), help="validate, encode, train, answer, score or gate."
    ),
    as_json: bool = Json,
) -> None:
    """Run one stage here and now, whatever has changed; `dvc repro` runs those that need it, in their order.

    Example: otoloop stage score
    """
    import warnings

    from otoloop.settings import find_workspace
    from otoloop.stages import run

    warnings.simplefilter("ignore", FutureWarning)  # libraries to their developers, not to our users
    run(name, find_workspace(Path.cwd()))
    emit({"stage": name, "done": True}, f"Stage {name} is done.", as_json)


def lock(
    check: bool = typer.Option(False, "--check", help="Change nothing; exit 1 if the lock is stale."),
    as_json: bool = Json,
) -> None:
    """Write otoloop.lock: which code and which versions each stage runs with, so that a change re-runs its stages.

    Example: otoloop lock --check
    """
    from otoloop import codelock
    from otoloop.settings import find_workspace

    workspace = find_workspace(Path.cwd())
    stale = codelock.stale(workspace)
    if not check:
        codelock.write(workspace)
    lines = [f"  {name}: {why}" for name, why in stale.items()]
    head = "is stale" if check else "written; these stages will run again"
    human = "\n".join([f"otoloop.lock {head}:", *lines]) if stale else "otoloop.lock is up to date."
    emit({"stale": stale, "written": bool(stale) and not check}, human, as_json)
    if check and stale:
        raise typer.Exit(1)
