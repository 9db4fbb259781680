"""`otoloop init`, `up`, `down`, `status` and `doctor`: a workspace and its background parts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

from otoloop.commands.output import Json, emit, one_of, say


def _parts() -> Iterable[str]:
    from otoloop.workspace.up import PARTS

    return PARTS


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (init, up, down, status, doctor):
        app.command()(command)


def init(
    folder: Path = typer.Argument(..., metavar="DIR", help="The new workspace."),
    prefix: str = typer.Option("otoloop", help="Start of the S3 bucket names; differs where workspaces share a store."),
    as_json: bool = Json,
) -> None:
    """Make a workspace: a git and DVC repository with pipeline, flows and parameters.

    Example: otoloop init my-site && cd my-site && otoloop up
    """
    from otoloop.workspace.init import init as make

    path = make(folder, prefix=prefix)
    emit(
        {"workspace": str(path), "prefix": prefix},
        f"Made the workspace {path}.\nNext: cd {folder}, then: otoloop add FOLDER --site NAME, or: otoloop up",
        as_json,
    )


def up(
    only: list[str] = typer.Option(
        [],
        callback=one_of(_parts),
        help="Start just this part (repeatable): s3, prefect, worker-cpu, worker-gpu, web, gateway.",
    ),
    s3_port: int = typer.Option(0, help="Port of the S3 server; any free one by default."),
    prefect_port: int = typer.Option(0, help="Port of Prefect; 4200 if free by default."),
    web_port: int = typer.Option(0, help="Port of the review page; 8080 if free by default."),
    gateway_port: int = typer.Option(0, help="Port of the gateway; 8000 if free by default."),
    as_json: bool = Json,
) -> None:
    """Start S3, Prefect with its workers, the pages and the gateway, all on this machine only; safe to repeat.

    With OTOLOOP_S3_ENDPOINT or PREFECT_API_URL set, yours are used and none is started.

    Example: otoloop up        or, for collecting alone: otoloop up --only s3
    """
    from otoloop.workspace import up as starting

    given = {"s3": s3_port, "prefect": prefect_port, "web": web_port, "gateway": gateway_port}
    ports = {name: port for name, port in given.items() if port}
    if not only or set(only) != {"s3"}:
        say("Starting; Prefect takes some seconds ...")
    parts = starting.up(_workspace(), only=only or starting.PARTS, ports=ports)
    _show_status(as_json)
    if any(part.name == "web" for part in parts):
        _welcome_first()


def down(as_json: bool = Json) -> None:
    """End every part of this workspace and all that they started; data stays.

    Example: otoloop down
    """
    from otoloop.workspace.up import down as end

    ended = end(_workspace())
    emit({"ended": ended}, f"Ended {', '.join(ended)}." if ended else "Nothing ran.", as_json)


def status(as_json: bool = Json) -> None:
    """Show which parts run, and where.

    Example: otoloop status --json
    """
    _show_status(as_json)


def doctor(as_json: bool = Json) -> None:
    """Check workspace and machine: parameters, packages, git, disk, S3, DVC, catalogue, registry, Prefect; exit 1 on errors.

    Example: otoloop doctor
    """
    from dataclasses import asdict

    from otoloop.workspace import doctor as examination

    checks = examination.doctor(_workspace())
    emit([asdict(check) for check in checks], examination.in_words(checks), as_json)
    if any(check.level == "error" for check in checks):
        raise typer.Exit(1)


def _workspace() -> Path:
    """The workspace that the current folder is in."""
    from otoloop.settings import Settings

    return Settings().workspace


def _welcome_first() -> None:
    """The first start tells how to come in: there is no default password."""
    from otoloop.web.links import first_link

    if url := first_link(_workspace()):
        say(f"Nobody has an account yet. Make the first (valid once, 15 minutes; again: `otoloop user link`):\n  {url}")


def _show_status(as_json: bool) -> None:
    """Print what runs."""
    from otoloop.workspace import status as report

    data: dict[str, Any] = report.status(_workspace())
    emit(data, report.in_words(data), as_json)
