"""Results as columns: one table an answerer and suite, rows in order of id, so that two tables pair up by position."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from otoloop.evaluate.results import Result

Bools = NDArray[np.bool_]
Texts = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Table:
    """One answerer's results on one suite; all columns have one entry an item.

    Attributes:
        ids: item ids, ascending.
        digests: what the item was when it was scored.
        clusters: recording session of the item.
        correct: right by the strict rule.
        detected: a faulty machine was not called normal (True as well where there is no fault).
        faulty: the sound shows a fault.
        format_valid: the output is a well-formed trace.
        slices: slice values by key; an item without the key has an empty one.
    """

    ids: Texts
    digests: Texts
    clusters: Texts
    correct: Bools
    detected: Bools
    faulty: Bools
    format_valid: Bools
    slices: Mapping[str, Texts]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sha256(self) -> str:
        """Digest of the items, as `evaluate.score.items_sha256` makes it."""
        lines = "\n".join(f"{i} {d}" for i, d in zip(self.ids, self.digests, strict=True))
        return hashlib.sha256(lines.encode()).hexdigest()

    def where(self, mask: Bools) -> Table:
        """The rows that the mask keeps."""
        return Table(
            self.ids[mask], self.digests[mask], self.clusters[mask], self.correct[mask], self.detected[mask],
            self.faulty[mask], self.format_valid[mask], {k: v[mask] for k, v in self.slices.items()},
        )  # fmt: skip

    def answered(self, correct: Bools, detected: Bools | None = None) -> Table:
        """The same items with other answers, for simulation."""
        return replace(self, correct=correct, detected=self.detected if detected is None else detected)

    def matches(self, wanted: Mapping[str, Sequence[str]]) -> Bools:
        """Which rows carry one of the wanted values for every key; all rows when nothing is wanted."""
        mask = np.ones(len(self), bool)
        for key, values in wanted.items():
            mask &= np.isin(self.slices.get(key, np.full(len(self), "")), list(values))
        return mask


Tables = Mapping[str, Mapping[str, Table]]
"""``{suite: {answerer: table}}``."""


def tables(results: Mapping[str, Sequence[Result]]) -> dict[str, dict[str, Table]]:
    """Cut every answerer's results into suites; variants (``name@variant``) are not judged and left out."""
    suites = sorted({r.suite for rows in results.values() for r in rows})
    models = {name: rows for name, rows in results.items() if "@" not in name}
    return {s: {name: table([r for r in rows if r.suite == s]) for name, rows in models.items()} for s in suites}


def table(results: Sequence[Result]) -> Table:
    """Columns of one answerer's results, sorted by id."""
    rows = sorted(results, key=lambda r: r.id)
    cuts = [{**_renamed(r.slice), "kind": r.kind, "style": r.style} for r in rows]
    keys = sorted({k for cut in cuts for k in cut})
    return Table(
        _texts([r.id for r in rows]), _texts([r.item_sha256 for r in rows]), _texts([r.cluster for r in rows]),
        np.array([r.correct for r in rows], bool), np.array([not r.missed for r in rows], bool),
        np.array([r.faulty for r in rows], bool), np.array([r.format_valid for r in rows], bool),
        {k: _texts([cut.get(k, "") for cut in cuts]) for k in keys},
    )  # fmt: skip


def _renamed(cut: Mapping[str, str]) -> dict[str, str]:
    """A slice key ``kind`` means the kind of machine; the item's own kind keeps the name."""
    return {("machine_kind" if k == "kind" else k): v for k, v in cut.items()}


def _texts(values: Sequence[str]) -> Texts:
    return np.array(values, dtype=np.str_)
