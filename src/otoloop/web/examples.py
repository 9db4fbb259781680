"""Gained and lost examples of a cycle: the question, the sound, and what both models wrote, claims marked.

Reports name items and clips alone; words are looked up here, so what was erased is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from otoloop.catalog import clips, items
from otoloop.catalog.tables import ClipRow
from otoloop.cycles import Cycle
from otoloop.errors import OtoloopError
from otoloop.reasoning.check import claims_against
from otoloop.reasoning.draft import derived
from otoloop.records import Evidence, Item
from otoloop.web.desk import Desk
from otoloop.web.marks import Part, trace_parts

SIDES = ("won", "lost")


@dataclass(frozen=True, slots=True)
class Said:
    """What one model wrote about an example; ``parts`` empty when its words are not there any more."""

    model: str
    said: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Example:
    """One item on which two models differ; ``clip`` is None when its sound does not lie in the catalogue."""

    row: Mapping[str, Any]
    question: Item | None
    clip: ClipRow | None
    sig: str
    models: Sequence[Said]


def examples(desk: Desk, cycle: Cycle) -> dict[str, list[Example]]:
    """``{won: [...], lost: [...]}`` of a cycle's report."""
    found = cycle.report.get("examples") or {}
    reference = str(cycle.report.get("reference", "base"))
    ids = [row["item"] for side in SIDES for row in found.get(side, ())]
    words = {name: _outputs(desk, cycle.number, name, ids) for name in ("candidate", reference)}
    with desk.book.reading() as session:
        return {side: [_example(desk, session, row, words) for row in found.get(side, ())] for side in SIDES}


def _outputs(desk: Desk, number: int, name: str, ids: Sequence[str]) -> Mapping[str, str]:
    """What a model wrote; nothing when the data cannot be had."""
    try:
        return desk.history.outputs(number, name, ids)
    except OtoloopError:
        return {}


def _example(desk: Desk, session: Session, row: Mapping[str, Any], words: Mapping[str, Mapping[str, str]]) -> Example:
    question, clip = _asked(session, row["item"])
    facts = derived(clip, clips.machine_of(session, clip)) if clip else {}
    said = [
        Said(name, str(row["candidate" if name == "candidate" else "reference"]),
             _parts(outputs.get(row["item"], ""), facts, question, desk.base))
        for name, outputs in words.items()
    ]  # fmt: skip
    return Example(row, question, clip, desk.keys.sign("audio", clip.id) if clip else "", said)


def _asked(session: Session, item_id: str) -> tuple[Item | None, ClipRow | None]:
    """The question and its clip; suites other than the site's own are not in the catalogue."""
    try:
        view = items.item(session, item_id)
    except OtoloopError:
        return None, None
    return (None, None) if view.clip.state == "erased" else (view.item, view.clip)


def _parts(text: str, facts: Evidence, question: Item | None, base: str) -> list[Part]:
    if not text:
        return []
    return trace_parts(text, claims_against(text, facts, question.kind, base) if question else ())
