"""`otoloop stage` and `otoloop lock`: one stage of a cycle, and what ties it to its code."""

from __future__ import annotations

from pathlib import Path

import typer

from otoloop.commands.output import Json, emit


def register(app: typer.Typer) -> None:
    """Add `stage` and `lock` to the command line."""
    app.command()(stage)
    app.command()(lock)


def stage(
    name: str = typer.Argument(..., metavar="NAME", help="validate, encode, train, answer, score or gate."),
    as_json: bool = Json,
) -> None:
    """Run one stage here and now, whatever has changed; `dvc repro` runs those that need it, in their order.

    Example: otoloop stage score
    """
    from otoloop.settings import find_workspace
    from otoloop.stages import run

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
