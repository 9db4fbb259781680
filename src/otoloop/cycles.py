"""Finished cycles, as their tags tell: verdict, inputs, the gate's report, and what each model answered.

A tag never moves, so what was read once is kept.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from otoloop.errors import OtoloopError
from otoloop.release.cycle import PATH
from otoloop.vcs import Repo

REPORT, PAGE = "gate/report.json", "gate/report.html"
ANSWERS = "answers"
TAGS = "cycle/*"
KEPT = 16


@dataclass(frozen=True, slots=True)
class Cycle:
    """One finished cycle. ``inputs`` is its inputs/cycle.yaml, ``report`` its gate/report.json."""

    number: int
    tag: str
    commit: str
    time: datetime
    inputs: Mapping[str, Any]
    report: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """pass, fail or not_enough_data."""
        return str(self.report.get("verdict", ""))

    @property
    def release(self) -> str:
        """The release it learnt from."""
        return str((self.inputs.get("release") or {}).get("id", ""))

    @property
    def champion(self) -> str | None:
        """The version that it was compared with, if one was live."""
        return (self.inputs.get("champion") or {}).get("version")


@dataclass(frozen=True, slots=True)
class History:
    """The cycles of a workspace."""

    workspace: Path
    _lines: dict[str, Cycle] = field(default_factory=dict)

    def tags(self) -> list[str]:
        """Tags of all finished cycles, newest first."""
        repo = Repo(self.workspace)
        return repo.tags(TAGS)[::-1] if (self.workspace / ".git").exists() else []

    def cycles(self) -> list[Cycle]:
        """All finished cycles, newest first; of their reports only what lists need."""
        return [self._line(tag) for tag in self.tags()]

    def newest(self) -> Cycle | None:
        """The last one that finished."""
        tags = self.tags()
        return self._line(tags[0]) if tags else None

    def under_way(self) -> int | None:
        """The number of a cycle that began and is not finished."""
        path = self.workspace / PATH
        begun = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
        number = int(begun.get("cycle", 0))
        return number if number and tag_of(number) not in self.tags() else None

    def cycle(self, number: int) -> Cycle:
        """One cycle with its whole report.

        Raises:
            OtoloopError: no such cycle is finished.
        """
        if tag_of(number) not in self.tags():
            raise OtoloopError(f"There is no finished cycle {number}.", "List the tags: git tag --list 'cycle/*'")
        return _read(self.workspace, tag_of(number))

    def page(self, number: int) -> str:
        """The gate's report for people, as it was written."""
        return Repo(self.workspace).show(self.cycle(number).tag, PAGE)

    def outputs(self, number: int, answerer: str, items: Collection[str]) -> dict[str, str]:
        """What a model (base, champion, candidate) wrote for these items in a cycle.

        Raises:
            OtoloopError: the data are neither here nor in the remote.
        """
        rows = _answers(self.workspace, self.cycle(number).tag, answerer)
        return {item: rows[item] for item in items if item in rows}

    def _line(self, tag: str) -> Cycle:
        if tag not in self._lines:
            whole = _read(self.workspace, tag)
            short = {k: whole.report.get(k) for k in ("verdict", "reason", "reference", "headline", "pilot")}
            self._lines[tag] = Cycle(whole.number, tag, whole.commit, whole.time, whole.inputs, short)
        return self._lines[tag]


def tag_of(number: int) -> str:
    """The tag of a cycle."""
    return f"cycle/{number:04d}"


@lru_cache(KEPT)
def _read(workspace: Path, tag: str) -> Cycle:
    repo = Repo(workspace)
    inputs = yaml.safe_load(repo.show(tag, PATH)) or {}
    report = json.loads(repo.show(tag, REPORT))
    return Cycle(int(tag.rpartition("/")[2]), tag, repo.commit_of(tag), repo.time_of(tag), inputs, report)


@lru_cache(KEPT)
def _answers(workspace: Path, tag: str, answerer: str) -> Mapping[str, str]:
    data = Repo(workspace).read_at(tag, f"{ANSWERS}/{answerer}.jsonl")
    rows: Sequence[Mapping[str, str]] = [json.loads(line) for line in data.decode().splitlines() if line.strip()]
    return {row["id"]: row["output"] for row in rows}
