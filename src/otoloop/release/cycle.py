"""``inputs/cycle.yaml``: everything a cycle depends on beside its params, so that a stage asks nobody else.

    cycle: 7
    release: {id: r0003, sha256: ...}                      of release/manifest.json
    base: {ref: otoloop-mini, name: ..., revision: ..., sha256: ...}
    champion: {version: v4, sha256: ..., base: {...}, cycle: 5}     files in inputs/champion; version null: there is none
    suites: [{name: general, items: inputs/suites/general.parquet, sha256: ..., role: guard, ...}]
    replay: [{items: inputs/replay/general.parquet, sha256: ...}]        mixed into training against forgetting
    grant: {event: 12, alpha: 0.02}                        leave to look at the sealed sets, or null
    reason: 312 new items
    owner: mika

inputs/champion, inputs/suites and inputs/replay are kept in DVC; this file is kept in git.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from otoloop.errors import OtoloopError
from otoloop.outs import file_sha256, read_json, replacing, write_json

PATH = "inputs/cycle.yaml"
CHAMPION = "inputs/champion"
SUITES = "inputs/suites"
REPLAY = "inputs/replay"


@dataclass(frozen=True, slots=True)
class BaseRef:
    """A base by what loads it (``ref``) and what it must turn out to be (``sha256``)."""

    ref: str
    name: str
    revision: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """The inputs of one cycle; ``champion`` is its version or None, on ``champion_base``."""

    cycle: int
    release: str
    base: BaseRef
    champion: str | None
    champion_sha256: str | None
    champion_base: BaseRef | None
    suites: Sequence[Mapping[str, Any]]
    replay: Sequence[Mapping[str, Any]] = ()

    @property
    def suite_files(self) -> dict[str, str]:
        """Items files of the suites beside the site's own, by suite name."""
        return {str(s["name"]): str(s["items"]) for s in self.suites if s.get("items")}

    @property
    def replay_files(self) -> list[str]:
        """Items files whose lessons are replayed."""
        return [str(r["items"]) for r in self.replay]


def read_cycle(workspace: Path) -> Cycle:
    """The inputs of the cycle in a workspace.

    Raises:
        OtoloopError: there are none yet, or a key is missing.
    """
    path = workspace / PATH
    if not path.is_file():
        raise OtoloopError(f"There is no {PATH} in {workspace}.", "Run `otoloop release create`, which writes one.")
    row = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        champion = row["champion"] or {}
        ancestor = champion.get("base")
        return Cycle(
            cycle=int(row["cycle"]), release=row["release"]["id"], base=BaseRef(**row["base"]),
            champion=champion.get("version"), champion_sha256=champion.get("sha256"),
            champion_base=BaseRef(**ancestor) if ancestor else None, suites=row.get("suites") or [],
            replay=row.get("replay") or [],
        )  # fmt: skip
    except (KeyError, TypeError) as err:
        raise OtoloopError(f"{path} is not a cycle: {err} is missing or unknown.", "Start the cycle anew.") from err


def write_cycle(
    workspace: Path, *, base: BaseRef, champion: Mapping[str, Any] | None = None, champion_files: Path | None = None,
    **more: Any,
) -> Path:  # fmt: skip
    """Write the inputs of the next cycle, and return the file's path.

    Args:
        workspace: where release/ lies.
        base: the pinned base.
        champion: ``{version, sha256, base}`` of the adapter in production, or None.
        champion_files: folder with its adapter, copied to inputs/champion; needed with ``champion``.
        more: as `next_inputs` takes them.

    Raises:
        OtoloopError: as `next_inputs`.
    """
    return write_inputs(workspace, next_inputs(workspace, base=base, champion=champion, **more), champion_files)


def write_inputs(workspace: Path, row: Mapping[str, Any], champion_files: Path | None = None) -> Path:
    """Write inputs made by `next_inputs`, and the champion's adapter; returns the file's path."""
    _put_champion(workspace / CHAMPION, row["champion"]["version"], champion_files)
    with replacing(workspace / PATH) as draft:
        draft.write_text(yaml.safe_dump(dict(row), sort_keys=False, allow_unicode=True), encoding="utf-8")
    return workspace / PATH


def next_inputs(
    workspace: Path, *, base: BaseRef, suites: Sequence[Mapping[str, Any]] = (),
    replay: Sequence[Mapping[str, Any]] = (), champion: Mapping[str, Any] | None = None,
    grant: Mapping[str, Any] | None = None, reason: str = "", owner: str = "",
) -> dict[str, Any]:  # fmt: skip
    """The inputs of the next cycle for the release that lies in the workspace; nothing is written.

    Args:
        workspace: where release/ lies.
        base: the pinned base.
        suites: entries as `evaluate.suites.Suite` reads them; ``sha256`` is filled in for those with ``items``.
        replay: ``{items}`` of files with lessons to mix into training; ``sha256`` is filled in.
        champion: ``{version, sha256, base}`` of the adapter in production, or None.
        grant: leave to look at sealed sets.
        reason: why this cycle runs.
        owner: in whose name.

    Raises:
        OtoloopError: there is no release, or a suite's file is missing.
    """
    return {
        "cycle": _next_number(workspace),
        "release": _release(workspace),
        "base": asdict(base),
        "champion": {"version": None, "sha256": None, "base": None, **(champion or {})},
        "suites": [_with_digest(workspace, s) for s in suites],
        "replay": [_with_digest(workspace, r) for r in replay],
        "grant": dict(grant) if grant else None,
        "reason": reason,
        "owner": owner,
    }


def _next_number(workspace: Path) -> int:
    path = workspace / PATH
    return int(yaml.safe_load(path.read_text(encoding="utf-8")).get("cycle", 0)) + 1 if path.is_file() else 1


def _release(workspace: Path) -> dict[str, str]:
    path = workspace / "release" / "manifest.json"
    if not path.is_file():
        raise OtoloopError(f"There is no release in {workspace}.", "Run `otoloop release create`, or `dvc pull`.")
    return {"id": read_json(path)["release"], "sha256": file_sha256(path)}


def _with_digest(workspace: Path, suite: Mapping[str, Any]) -> dict[str, Any]:
    items = suite.get("items")
    if not items:
        return dict(suite)
    if not (workspace / str(items)).is_file():
        raise OtoloopError(f"The cycle names {items}, which is not there.", "Correct the path.")
    return {**suite, "sha256": file_sha256(workspace / str(items))}


def _put_champion(folder: Path, version: str | None, files: Path | None) -> None:
    """Fill inputs/champion; it always exists, so that the stage that reads it can always declare it."""
    import shutil

    with replacing(folder) as draft:
        if version and files is not None:
            shutil.copytree(files, draft)
        else:
            draft.mkdir()
        write_json(draft / "champion.json", {"version": version})
