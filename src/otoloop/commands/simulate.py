"""`otoloop simulate`: a site that does not exist, with machines, faults, people and bad files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from otoloop.commands.output import Json, emit, say

if TYPE_CHECKING:
    from otoloop.store.s3 import ObjectStore


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
    from otoloop.simulate.deliveries import upload as put_site
    from otoloop.simulate.site import plan_site
    from otoloop.simulate.writer import write_site

    _require_empty(out_dir)
    bucket = _bucket() if upload else None
    say("Rendering; about ten seconds for the default number of clips ...")
    report: dict[str, Any] = {"folder": str(out_dir), "site": site, "seed": seed, "cycle": cycle}
    with _all_or_nothing(out_dir):
        report["outcomes"] = write_site(plan_site(site, seed, clips, cycle), out_dir, bad=bad, limits=_limits())
        report["uploaded"] = put_site(out_dir, bucket) if bucket else 0
    emit(report, _words(report), as_json)


def _require_empty(folder: Path) -> None:
    from otoloop.errors import OtoloopError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OtoloopError(f"{folder} is not an empty folder.", "Name a new folder, or empty it first.")


@contextmanager
def _all_or_nothing(folder: Path) -> Iterator[None]:
    """Empty the folder again when it could not be finished, so that the same command may be repeated."""
    from otoloop.errors import room_for

    new = not folder.exists()
    try:
        with room_for(folder):
            yield
    except BaseException:
        for path in [folder] if new else list(folder.iterdir()):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def _limits() -> dict[str, Any] | None:
    """The intake limits of the workspace we stand in; None outside one."""
    from otoloop.errors import OtoloopError
    from otoloop.params import load_params
    from otoloop.settings import find_workspace

    try:
        workspace = find_workspace(Path.cwd())
    except OtoloopError:
        return None
    return load_params(workspace / "params.yaml").intake.model_dump()


def _bucket() -> ObjectStore:
    """The workspace's store, once it is sure that its incoming bucket answers."""
    from otoloop.settings import Settings
    from otoloop.store import connect

    store = connect(Settings().workspace)
    store.require_bucket("incoming")
    return store


def _words(report: dict[str, Any]) -> str:
    outcomes: dict[str, int] = report["outcomes"]
    refused = sum(n for k, n in outcomes.items() if k not in ("objects", "clips", "admit", "duplicate"))
    text = f"{outcomes['clips']} recordings of site {report['site']} in {report['folder']}: {outcomes['objects']} "
    text += (
        f"objects, {outcomes.get('duplicate', 0)} duplicates, {refused} to be refused. truth.jsonl says what is true."
    )
    return text + (f"\nUploaded {report['uploaded']} objects." if report["uploaded"] else "")
