"""dvc.yaml as data: the stages in their order, and what they write. Nothing here runs anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from otoloop.errors import OtoloopError
from otoloop.params import Params
from otoloop.yamlfile import read_yaml

PIPELINE, PARAMS = "dvc.yaml", "params.yaml"
_RESULTS = ("outs", "metrics", "plots")


def stage_names(workspace: Path, first: str | None = None, last: str | None = None) -> list[str]:
    """The stages from ``first`` to ``last`` (both included; the ends of dvc.yaml by default) in the order of dvc.yaml.

    Raises:
        OtoloopError: there is no such stage, or ``first`` comes after ``last``.
    """
    names = list(_pipeline(workspace)["stages"])
    for name in (first, last):
        if name is not None and name not in names:
            raise OtoloopError(f"There is no stage {name!r}.", f"dvc.yaml has {', '.join(names)}.")
    chosen = names[names.index(first) if first else 0 : (names.index(last) if last else len(names) - 1) + 1]
    if not chosen:
        raise OtoloopError(f"Stage {first} comes after {last}.", f"The order is {', '.join(names)}.")
    return chosen


def results(workspace: Path, *, in_git: bool = False) -> list[str]:
    """Paths that stages write, all of them or those that git keeps instead of DVC's cache."""
    found = (out for stage in _pipeline(workspace)["stages"].values() for out in _outs(stage))
    return [path for path, flags in found if not in_git or flags.get("cache") is False]


def require_sections(workspace: Path) -> None:
    """Make sure that params.yaml holds every section that a stage reads: DVC knows no defaults.

    Raises:
        OtoloopError: one is missing; the remedy is the section with its defaults.
    """
    written = read_yaml(workspace / PARAMS) or {}
    lacking = [name for name in _sections(workspace) if name not in written]
    if lacking:
        raise OtoloopError(
            f"{workspace / PARAMS} lacks {' and '.join(f'`{name}`' for name in lacking)}, which stages of {PIPELINE} read.",
            f"Add to it: {' '.join(map(_defaults, lacking))}",
        )


def _outs(stage: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in _RESULTS:
        for entry in stage.get(key) or []:
            yield (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))


def _pipeline(workspace: Path) -> dict[str, Any]:
    path = workspace / PIPELINE
    if not path.is_file():
        raise OtoloopError(f"There is no {PIPELINE} in {workspace}.", "Run `otoloop init` in a new folder and compare.")
    data = read_yaml(path)
    if not isinstance(data, dict) or not isinstance(data.get("stages"), dict):
        raise OtoloopError(f"{path} holds no stages.", f"Restore it: `git checkout -- {PIPELINE}`.")
    return data


def _sections(workspace: Path) -> list[str]:
    """The sections of params.yaml that stages read, in their order."""
    entries = [entry for stage in _pipeline(workspace)["stages"].values() for entry in stage.get("params") or []]
    return list(dict.fromkeys(entry.split(".")[0] for entry in entries if isinstance(entry, str)))


def _defaults(section: str) -> str:
    """A section as one line of YAML."""
    known = Params().model_dump(mode="json").get(section, {})
    return f"`{yaml.safe_dump({section: known}, default_flow_style=True, sort_keys=False, width=1e9).strip()[1:-1]}`"
