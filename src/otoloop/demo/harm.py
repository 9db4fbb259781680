"""What careless names did, as only the simulator's side can tell: how many there are, and how the versions fare on the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otoloop.outs import read_jsonl
from otoloop.release import layout

if TYPE_CHECKING:
    from otoloop.catalog import Catalog

SITE = "site"
ALPHA = 0.05


def misnamed(book: Catalog) -> set[str]:
    """Clips that the careless reviewer named."""
    from otoloop.catalog import notes
    from otoloop.review.simulated import CARELESS

    with book.reading() as session:
        return {clip for clip, label in notes.labels(session).items() if label.actor == CARELESS}


def measure(workspace: Path, wrong: Collection[str]) -> dict[str, Any]:
    """The part ``spoiled`` of a cycle in report.json.

    Wrong names among what was trained on and among the sealed test; and, on the sealed items that are named right, the
    shares of champion and candidate with the paired difference, its two-sided 90 % interval and the p of a loss.
    """
    found = {split: _share(workspace, split, wrong) for split in ("train", "test")}
    return {**found, "honest": _honest(workspace, wrong)}


def _share(workspace: Path, split: str, wrong: Collection[str]) -> dict[str, int]:
    rows = layout.read_rows(workspace / "release" / layout.ITEMS_FILE.format(split=split), ["clip"])
    return {"items": len(rows), "wrong": sum(row["clip"] in wrong for row in rows)}


def _honest(workspace: Path, wrong: Collection[str]) -> dict[str, Any] | None:
    from otoloop.gate.statistics import bounds, drop_p, paired

    old, new = (_results(workspace, name, wrong) for name in ("champion", "candidate"))
    ids = sorted(old.keys() & new.keys())
    if not ids:
        return None
    was, now = (np.array([rows[i]["correct"] for i in ids], float) for rows in (old, new))
    pair = paired(now, was, np.array([old[i]["cluster"] for i in ids]))
    low, high = bounds(pair, ALPHA)
    return {
        "n": len(ids), "champion": float(was.mean()), "candidate": float(now.mean()), "difference": pair.difference,
        "low": low, "high": high, "p": drop_p(pair),
    }  # fmt: skip


def _results(workspace: Path, name: str, wrong: Collection[str]) -> dict[str, Mapping[str, Any]]:
    path = workspace / "results" / f"{name}.jsonl"
    rows = read_jsonl(path) if path.is_file() else []
    return {r["id"]: r for r in rows if r["suite"] == SITE and r["clip"] not in wrong}


def told(found: Mapping[str, Any]) -> str:
    """In words, for terminal and page."""
    train, test, honest = found["train"], found["test"], found["honest"]
    lines = [
        f"Wrong names: {train['wrong']} of {train['items']} items in training, {test['wrong']} of {test['items']} in the "
        "sealed test, which the gate could not know."
    ]
    if honest:
        d, low, high = (f"{100 * honest[k]:+.1f}".replace("-", "−") for k in ("difference", "low", "high"))
        lines.append(
            f"On the {honest['n']} sealed items that are named right: champion {100 * honest['champion']:.1f} %, candidate "
            f"{100 * honest['candidate']:.1f} %, {d} points ({low} to {high}), p = {honest['p']:.2g} for a loss."
        )
    return "\n".join(lines)
