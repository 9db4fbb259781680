"""`otoloop release`: freeze approved items, list, check, compare and export what was frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from otoloop.commands.output import Json, emit, say

release = typer.Typer(no_args_is_help=True, help="Freeze approved items into versioned releases.")


def register(app: typer.Typer) -> None:
    """Add `release` to the command line."""
    app.add_typer(release, name="release")


def _workspace() -> Path:
    from otoloop.settings import find_workspace

    return find_workspace(Path.cwd())


@release.command()
def create(as_json: bool = Json) -> None:
    """Freeze what is approved: shards, DVC, push, verify, commit, tag. A release that was cut off is finished first.

    Example: otoloop release create
    """
    from otoloop.release.create import create as make

    made = make(_workspace(), say=say)
    if made is None:
        emit(None, "Nothing new is approved; no release was made.", as_json)
        return
    counts = ", ".join(f"{c['items']} {split}" for split, c in made["counts"].items())
    lines = [f"Made {made['tag']}: {counts} items.", *(f"Note: {w}" for w in made["warnings"])]
    emit(made, "\n".join(lines), as_json)


@release.command("list")
def list_(as_json: bool = Json) -> None:
    """List the releases, oldest first.

    Example: otoloop release list --json
    """
    from otoloop import catalog
    from otoloop.catalog import releases
    from otoloop.settings import Settings

    book = catalog.open_workspace(_workspace(), Settings().database_url)
    with book.reading() as session:
        rows = [_row(r) for r in releases.intents(session)]
    lines = [f"{r['release']}  {r['state']:<6}  {r['cutoff'][:16]}  {_items(r)}" for r in rows]
    emit(rows, "\n".join(lines) or "No release yet. Run `otoloop release create`.", as_json)


def _row(row: Any) -> dict[str, Any]:
    return {
        "release": row.id, "state": row.state, "cutoff": row.cutoff.isoformat(), "commit": row.commit,
        "counts": row.meta.get("counts"), "withheld": row.meta.get("withheld", 0),
    }  # fmt: skip


def _items(row: dict[str, Any]) -> str:
    counts = row["counts"]
    return ", ".join(f"{c['items']} {s}" for s, c in counts.items()) if counts else "run `release create` to finish it"


@release.command()
def verify(
    reproduce: str | None = typer.Option(
        None, metavar="TAG", help="Repeat this cycle in a fresh clone and compare every result (takes minutes)."
    ),
    as_json: bool = Json,
) -> None:
    """Check the release here against its manifest and the remote; exit 1 if anything is wrong.

    Example: otoloop release verify --reproduce cycle/0001
    """
    if reproduce:
        _reproduce(reproduce, as_json)
        return
    from otoloop.release.create import FOLDER
    from otoloop.release.verify import problems
    from otoloop.vcs import Repo

    workspace = _workspace()
    found = problems(workspace / FOLDER)
    if not found:
        Repo(workspace).verify_pushed(FOLDER)
    human = "\n".join(found) or "The release is what its manifest says, and the remote holds all of it."
    emit({"ok": not found, "problems": found}, human, as_json)
    if found:
        raise typer.Exit(1)


def _reproduce(tag: str, as_json: bool) -> None:
    """Repeat a cycle and print the comparison."""
    from otoloop.release.reproduce import reproduce

    rows = reproduce(_workspace(), tag, say=say)
    same = all(r.same for r in rows)
    lines = [f"{'same     ' if r.same else 'DIFFERENT'}  {r.path}" for r in rows]
    found = [{"path": r.path, "same": r.same, "tagged": r.tagged, "found": r.found} for r in rows]
    last = f"{tag} was reproduced bit by bit." if same else f"{tag} was NOT reproduced."
    emit({"tag": tag, "reproduced": same, "outs": found}, "\n".join([*lines, last]), as_json)
    if not same:
        raise typer.Exit(1)


@release.command()
def diff(
    old: str = typer.Argument(..., metavar="OLD", help="A release, as r0001."),
    new: str = typer.Argument(..., metavar="NEW", help="Another release."),
    as_json: bool = Json,
) -> None:
    """Show what changed from one release to another.

    Example: otoloop release diff r0001 r0002
    """
    from otoloop.release.diff import diff as compare

    found = compare(_workspace(), old, new)
    lines = [f"{len(found[what]):>6} {what}" for what in ("added", "removed", "changed", "moved")]
    lines += [f"{name}: {a} -> {b}" for name, (a, b) in {**found["by_split"], **found["by_fault"]}.items()]
    emit(found, "\n".join(lines), as_json)


@release.command()
def export(
    hf: Path = typer.Option(..., "--hf", metavar="DIR", help="New folder for `datasets.load_dataset(DIR)`."),
    as_json: bool = Json,
) -> None:
    """Write the release here as a Hugging Face dataset: questions, traces and audio in one table a split.

    Example: otoloop release export --hf ./dataset
    """
    from otoloop.release.create import FOLDER
    from otoloop.release.export import export_hf

    counts = export_hf(_workspace() / FOLDER, hf)
    shown = ", ".join(f"{n} {split}" for split, n in counts.items())
    emit({"folder": str(hf), "rows": counts}, f"Wrote {shown} rows to {hf}.", as_json)
