"""`otoloop add`, `intake` and `clips`: recordings in, and what became of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from otoloop.commands.output import Json, emit, one_of, say

if TYPE_CHECKING:
    from otoloop.catalog import Catalog


def _states() -> Iterable[str]:
    from otoloop.intake.listing import STATES

    return STATES


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (add, intake, clips):
        app.command()(command)


def add(
    folder: Path = typer.Argument(..., help="Folder (or one file) with WAV or FLAC; subfolders are machines."),
    site: str = typer.Option(..., help="Where they were recorded."),
    machine: str = typer.Option("", help="The machine, where neither a subfolder nor the CSV names it."),
    notes: Path = typer.Option(
        None, help="CSV with the columns file,note[,machine,time,session,lang,author], here or in the folder."
    ),
    as_json: bool = Json,
) -> None:
    """Upload recordings with their notes and take them in; says of each file what became of it.

    Safe to repeat. Exit code 1 when every single file was refused.

    Example: otoloop add recordings/ --site osaka --notes notes.csv
    """
    from otoloop.intake.adding import add as run

    report = run(_workspace(), folder, site=site, machine=machine or None, notes=notes,
                 uploading=_counter("uploading"), progress=_counter("listening"))  # fmt: skip
    emit(report.to_json(), report.human(), as_json)
    if report.nothing_taken:
        raise typer.Exit(1)


def intake(
    once: bool = typer.Option(False, "--once", help="Take in everything that is new, then end."),
    every: float = typer.Option(60, min=1, help="Seconds between two looks, without --once."),
    retry: list[str] = typer.Option([], help="Try quarantined deliveries again: number, reason code or all."),
    show: bool = typer.Option(False, "--show", help="List what is in quarantine, with remedies, and take in nothing."),
    as_json: bool = Json,
) -> None:
    """Take in what arrived in the incoming bucket: admit, or quarantine with a reason and a remedy.

    Example: otoloop intake --once
    """
    from otoloop.intake import pull
    from otoloop.workspace import ensure_store

    workspace = _workspace()
    if show:
        _show(workspace, as_json)
        return
    ensure_store(workspace)
    if retry:
        say(f"{_retry(workspace, retry)} deliveries will be tried again.")
    if once or retry:
        report = pull.run(workspace, progress=_counter("listening"))
        emit(report.to_json(), report.human(), as_json)
        return
    while True:
        report = pull.run(workspace, whole=False, progress=_counter("listening"))
        if report.discovered or report.admitted or report.refused:
            emit(report.to_json(), report.human(), as_json)
        time.sleep(every)


def clips(
    state: str = typer.Option("all", callback=one_of(_states), help="admitted, quarantined, erased or all."),
    site: str = typer.Option("", help="Only this site."),
    machine: str = typer.Option("", help="Only this machine."),
    fault: str = typer.Option("", help="Only clips labelled with this fault."),
    unlabelled: bool = typer.Option(False, "--unlabelled", help="Only clips of which nobody said what they show."),
    limit: int = typer.Option(0, min=0, help="At most so many; 0 lists all."),
    as_json: bool = Json,
) -> None:
    """List clips with their labels, and what is in quarantine.

    Example: otoloop clips --site osaka --state quarantined --json
    """
    from otoloop.intake.listing import clip_lines, list_clips

    book = _book(_workspace())
    with book.reading() as session:
        rows = list_clips(
            session, state=state, site=site or None, machine=machine or None, fault=fault or None, limit=limit or None,
            unlabelled=unlabelled,
        )  # fmt: skip
    emit(rows, clip_lines(rows), as_json)


def _show(workspace: Path, as_json: bool) -> None:
    """Everything in quarantine."""
    from otoloop.catalog import deliveries
    from otoloop.intake.listing import refused_row

    with _book(workspace).reading() as session:
        rows = [refused_row(row) for row in deliveries.deliveries(session, state="quarantined")]
    lines = [
        f"{r['delivery']:>6}  {r['key']!r}: {r['reason_code']}. {r['message']}\n        {r['remedy']}" for r in rows
    ]
    emit(rows, "\n".join(lines) or "Nothing is in quarantine.", as_json)


def _retry(workspace: Path, which: list[str]) -> int:
    from otoloop.intake.listing import retry

    with _book(workspace).session() as session:
        return retry(session, which)


def _workspace() -> Path:
    from otoloop.settings import find_workspace

    return find_workspace(Path.cwd())


def _book(workspace: Path) -> Catalog:
    from otoloop.catalog import open_workspace
    from otoloop.settings import Settings

    return open_workspace(workspace, Settings().database_url)


def _counter(label: str) -> Callable[[int, int], None]:
    """A line that counts on a terminal; elsewhere a line every hundred and at the end."""
    live = sys.stderr.isatty()

    def step(done: int, total: int) -> None:
        if live:
            print(f"\r{label} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done == total or done % 100 == 0:
            say(f"{label} {done}/{total}")

    return step
