"""The proof that a cycle can be repeated: a fresh clone, only its inputs, every stage run, every out compared."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from otoloop.errors import OtoloopError
from otoloop.vcs import Repo


@dataclass(frozen=True, slots=True)
class Comparison:
    """One out of a cycle: its md5 in the tagged dvc.lock, and in the repetition."""

    path: str
    tagged: str | None
    found: str | None

    @property
    def same(self) -> bool:
        """Whether both are the same bytes."""
        return self.tagged is not None and self.tagged == self.found


def reproduce(
    workspace: Path, tag: str, *, say: Callable[[str], None] = lambda _: None,
    change: Callable[[Path], None] | None = None, keep: Path | None = None,
) -> list[Comparison]:  # fmt: skip
    """Repeat the cycle of ``tag`` in a clone of its own, without run cache and memos, and compare all outs.

    Args:
        workspace: whose history and servers are used.
        tag: a cycle's tag or any commit with its dvc.lock.
        say: gets each line that DVC prints.
        change: called with the clone's folder before it runs, to see a difference found.
        keep: clone into this folder, which stays, instead of a temporary one.

    Raises:
        OtoloopError: there is no such tag or it records no cycle, its data are not in the remote, or a stage failed.
    """
    repo = Repo(workspace)
    _require_cycle(repo, tag)
    with tempfile.TemporaryDirectory(prefix="otoloop-reproduce-") as scratch:
        clone = repo.clone(tag, keep or Path(scratch) / "clone")
        inputs = sorted(p.relative_to(clone.workspace).with_suffix("") for p in _pointers(clone.workspace))
        say(f"Fetching {', '.join(map(str, inputs))}")
        clone.dvc_pull(*inputs)
        if change is not None:
            change(clone.workspace)
        clone.dvc_repro(None, single=False, pull=False, force=True, on_line=say)
        found = _outs((clone.workspace / "dvc.lock").read_text(encoding="utf-8"))
    tagged = _outs(repo.show(tag, "dvc.lock"))
    return [Comparison(path, tagged.get(path), found.get(path)) for path in sorted({*tagged, *found})]


def _require_cycle(repo: Repo, tag: str) -> None:
    """The commit must record a cycle of its own inputs, not of earlier ones."""
    try:
        lock, inputs = repo.show(tag, "dvc.lock"), repo.show(tag, "inputs/cycle.yaml")
    except OtoloopError as err:
        remedy = "Name a cycle: `git tag --list 'cycle/*'` shows them."
        raise OtoloopError(f"{tag} records no cycle: {err.message}", remedy) from err
    recorded = yaml.safe_load(lock)["stages"].get("gate", {}).get("params", {}).get("inputs/cycle.yaml", {})
    if recorded and recorded.get("cycle") != yaml.safe_load(inputs).get("cycle"):
        raise OtoloopError(f"The results at {tag} are of an earlier cycle than its inputs.", "Name a cycle's tag.")


def _pointers(root: Path) -> list[Path]:
    """The .dvc files of a clone."""
    return [p for p in root.rglob("*.dvc") if p.is_file() and ".dvc" not in p.relative_to(root).parts[:-1]]


def _outs(lock: str) -> dict[str, str]:
    """md5 by path of everything that the stages of a dvc.lock made."""
    stages = (yaml.safe_load(lock) or {}).get("stages", {})
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
