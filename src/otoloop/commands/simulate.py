"""`otoloop simulate`: a site that does not exist, with machines, faults, people and bad files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from otoloop.commands.output import Json, emit, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    out_dir: Path = typer.Argument(..., metavar="OUT_DIR", help="Where the files go; must be empty or absent."),
    seed: int = typer.Option(7, help="The same seed gives the same bytes."),
    clips: int | None = typer.Option(None, help="Good recordings to make: 440 in cycle 1, 160 later, by default."),
    site: str = typer.Option("demo", help="Name of the site; another name has other machines and rooms."),
    bad: bool = typer.Option(True, help="Add broken files, invalid notes and one file for each quarantine code."),
    cycle: int = typer.Option(1, help="Which delivery of the site: later cycles are the same machines on later days."),
    upload: bool = typer.Option(
        False, help="Put everything into the workspace's incoming bucket, in order of arrival."
    ),
    as_json: bool = Json,
) -> None:
    """Make the recordings, notes and sensor files of a simulated site, bad ones included, and say what is true of them.

    Example: otoloop simulate /tmp/site --clips 80 --upload
    """
    from otoloop.simulate.site import plan_site
    from otoloop.simulate.writer import write_site

    _require_empty(out_dir)
    say("Rendering; about ten seconds for the default number of clips ...")
    report: dict[str, Any] = {"folder": str(out_dir), "site": site, "seed": seed, "cycle": cycle}
    report["outcomes"] = write_site(plan_site(site, seed, clips, cycle), out_dir, bad=bad, limits=_limits())
    report["uploaded"] = _upload(out_dir) if upload else 0
    emit(report, _words(report), as_json)


def _require_empty(folder: Path) -> None:
    from otoloop.errors import OtoloopError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OtoloopError(f"{folder} is not an empty folder.", "Name a new folder, or empty it first.")


def _limits() -> dict[str, Any] | None:
    """The intake limits of the workspace we stand in; None outside one."""
    from otoloop.errors import OtoloopError
    from otoloop.params import load_params
    from otoloop.settings import find_workspace

    try:
        return load_params(find_workspace(Path.cwd()) / "params.yaml").intake.model_dump()
    except OtoloopError:
        return None


def _upload(out_dir: Path) -> int:
    from otoloop.settings import Settings
    from otoloop.simulate.deliveries import upload
    from otoloop.store import connect

    return upload(out_dir, connect(Settings().workspace))


def _words(report: dict[str, Any]) -> str:
    outcomes: dict[str, int] = report["outcomes"]
    refused = sum(n for k, n in outcomes.items() if k not in ("objects", "clips", "admit", "duplicate"))
    text = f"{outcomes['clips']} recordings of site {report['site']} in {report['folder']}: {outcomes['objects']} "
    text += (
        f"objects, {outcomes.get('duplicate', 0)} duplicates, {refused} to be refused. truth.jsonl says what is true."
    )
    return text + (f"\nUploaded {report['uploaded']} objects." if report["uploaded"] else "")
