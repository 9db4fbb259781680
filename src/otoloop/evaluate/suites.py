"""Suites as values: which items, by which published rule they are scored, and what the gate wants of them.

Items come from our own files (Parquet or JSON lines) or, for public benchmarks, from their official files
(`benchmarks`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from otoloop.errors import OtoloopError
from otoloop.records import Item
from otoloop.release.cycle import PATH as CYCLE

Role = Literal["target", "guard"]
SITE = "site"
# Columns of a release's rows that are slices as well
_PLACE = ("site", "machine", "session", "fault")
_HEAVY = ("audio", "trace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite and what the gate wants of it.

    Attributes:
        name: as items carry it in ``slice["suite"]`` (items without it belong to ``site``).
        role: ``target`` (the candidate must become better) or ``guard`` (it must not become worse).
        official: the published rule, see `scorers.OFFICIAL`.
        target: slice values that say which items should become better; empty means all of them. The other items are
            the old slices, on which the candidate must not become worse.
        slice_by: slice keys that cut the old items into slices which must each be shown to be no worse; empty means
            one slice.
        watch: slice keys of further slices: a loss shown there fails, missing data there does not block.
        floor: accuracy that the candidate's lower bound must reach, or None.
        sha256: digest of the items file as the cycle's inputs name it, or None.
    """

    name: str
    role: Role = "target"
    official: str = "string_match"
    target: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slice_by: tuple[str, ...] = ()
    watch: tuple[str, ...] = ("fault", "machine", "kind")
    floor: float | None = None
    sha256: str | None = None

    @classmethod
    def from_mapping(cls, row: Mapping[str, Any]) -> Suite:
        """Read one entry of ``suites`` in inputs/cycle.yaml; keys that only others read are ignored.

        Raises:
            OtoloopError: the name is missing, or role or rule is not one of the known ones.
        """
        from otoloop.evaluate.scorers import OFFICIAL

        _one_of(row, "role", ("target", "guard"))
        _one_of(row, "official", tuple(OFFICIAL))
        if not row.get("name"):
            raise OtoloopError(f"A suite without a name: {dict(row)}.", "Give every suite a `name`.")
        known: dict[str, Any] = {k: row[k] for k in cls.__dataclass_fields__ if row.get(k) is not None}
        wanted = {k: (v,) if isinstance(v, str) else tuple(v) for k, v in known.pop("target", {}).items()}
        known |= {k: tuple(known[k]) for k in ("slice_by", "watch") if k in known}
        return cls(**known, target=wanted)


def _one_of(row: Mapping[str, Any], key: str, allowed: Sequence[str]) -> None:
    if row.get(key) is not None and row[key] not in allowed:
        raise OtoloopError(f"Suite {row.get('name')!r}: {key} = {row[key]!r}.", f"Use one of {', '.join(allowed)}.")


@dataclass(frozen=True, slots=True)
class Question:
    """One item to be scored, with the facts measured from its sound (for checking claims), if known."""

    item: Item
    measured: Mapping[str, Any] | None = None

    def in_suite(self, name: str) -> Question:
        """The same question as one of the suite ``name``."""
        return replace(self, item=replace(self.item, slice={**self.item.slice, "suite": name}))

    @property
    def suite(self) -> str:
        """Name of its suite."""
        return self.item.slice.get("suite", SITE)

    @property
    def cluster(self) -> str:
        """What belongs together: ``slice["cluster"]``, else machine and session, else the clip."""
        cut = self.item.slice
        if "cluster" in cut:
            return cut["cluster"]
        place = "/".join(cut[k] for k in ("site", "machine", "session") if k in cut)
        return place if "session" in cut else self.item.clip

    @property
    def sha256(self) -> str:
        """Digest of what decides about right and wrong, so that two models are only compared on the same item."""
        row = self.item.to_json()
        kept = {k: row[k] for k in ("id", "clip", "question", "choices", "answer", "answer_letter", "kind", "evidence")}
        text = json.dumps({**kept, "cluster": self.cluster}, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_inputs(workspace: Path) -> dict[str, Any]:
    """inputs/cycle.yaml as it stands, empty when there is none; `release.cycle` says what it holds."""
    path = workspace / CYCLE
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def join_sealed(items: Path, sealed: Path) -> list[Question]:
    """Questions of a release's test split with their answers, which lie apart.

    Raises:
        OtoloopError: a question has no sealed answer.
    """
    answers = {r["id"]: r for r in read_rows(sealed)}
    rows = list(read_rows(items))
    lost = [r["id"] for r in rows if r["id"] not in answers]
    if lost:
        raise OtoloopError(
            f"{len(lost)} test items have no sealed answer, {lost[0]!r} first.", "Make the release again."
        )
    return [question({**r, **_told(answers[r["id"]])}, f"{items.name}, {r['id']}") for r in rows]


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if v is not None}


def read_items(path: Path) -> list[Question]:
    """Items with answers from Parquet or JSON lines.

    ``slice``, ``choices`` and ``measured`` may be values or JSON text.

    Raises:
        OtoloopError: unreadable file or row, a missing field, an unusable item, or an id that occurs twice.
    """
    questions = [question(row, f"{path.name}, row {number}") for number, row in enumerate(read_rows(path), 1)]
    refuse_duplicates([q.item.id for q in questions], path)
    return questions


def question(row: Mapping[str, Any], where: str) -> Question:
    """One row of an items file."""
    missing = [k for k in ("id", "clip", "question", "answer") if row.get(k) in (None, "")]
    if missing:
        raise OtoloopError(f"{where}: no {', '.join(missing)}.", "An item needs id, clip, question and answer.")
    try:
        cut = {**{k: str(row[k]) for k in _PLACE if row.get(k)}, **_mapping(row.get("slice"))}
        plain = {**row, "slice": cut, "choices": _value(row.get("choices")) or None}
        measured = _value(row.get("measured"))
    except (ValueError, TypeError) as err:
        raise OtoloopError(
            f"{where}: slice, choices or measured is unreadable: {err}.", "Write them as JSON."
        ) from None
    return Question(Item.from_json(plain), measured or None)


def _value(value: Any) -> Any:
    """A value that may have been written as JSON text."""
    return json.loads(value) if isinstance(value, str) and value.strip() else value


def _mapping(value: Any) -> dict[str, str]:
    """A slice from a dict, JSON text, or the pairs that a Parquet map column gives."""
    plain = _value(value) or {}
    return {str(k): str(v) for k, v in (plain.items() if isinstance(plain, Mapping) else plain) if v is not None}


def read_rows(path: Path) -> Iterable[dict[str, Any]]:
    """Rows of a Parquet or JSON lines file.

    Raises:
        OtoloopError: the file is missing, or a line is not a JSON object.
    """
    if not path.is_file():
        raise OtoloopError(f"There is no file {path}.", "Check the path.")
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        names = [n for n in pq.read_schema(path).names if n not in _HEAVY]
        return list(pq.read_table(path, columns=names).to_pylist())
    return [
        _line(text, path, n) for n, text in enumerate(path.read_text(encoding="utf-8").split("\n"), 1) if text.strip()
    ]


def _line(text: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(text)
    except ValueError as err:
        raise OtoloopError(f"{path}, line {number} is not JSON: {err}.", "Write one JSON object a line.") from None
    if not isinstance(row, dict):
        raise OtoloopError(f"{path}, line {number} is not a JSON object.", "Write one JSON object a line.")
    return row


def refuse_duplicates(ids: Sequence[str], path: Path) -> None:
    """Raise when an id occurs twice: a doubled item would count double."""
    seen: set[str] = set()
    for one in ids:
        if one in seen:
            raise OtoloopError(f"{path}: id {one!r} occurs more than once.", "Remove the doubled row.")
        seen.add(one)


def default_suites(slices: Iterable[tuple[str, Mapping[str, str]]]) -> list[Suite]:
    """Suites when the cycle names none, from (suite, slice) of every item.

    The site's own suite is the target. Where some items carry ``novelty: new`` or show faults that the base was never
    taught, those should become better and all others stay; other suites are guards.
    """
    cuts: dict[str, list[Mapping[str, str]]] = {}
    for suite, cut in slices:
        cuts.setdefault(suite, []).append(cut)
    return [_default(name, cuts[name]) for name in sorted(cuts)]


def _default(name: str, cuts: Sequence[Mapping[str, str]]) -> Suite:
    if name != SITE:
        return Suite(name=name, role="guard", watch=())
    if any(c.get("novelty") == "new" for c in cuts):
        return Suite(name=name, target={"novelty": ("new",)})
    from otoloop.reasoning.vocab import left_out_faults

    new = sorted({c.get("fault", "") for c in cuts} & set(left_out_faults()))
    return Suite(name=name, target={"fault": tuple(new)} if new else {})
