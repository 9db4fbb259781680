"""What a reviewer sees of one item, on pages and the command line: note, question, trace, claims, evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from otoloop.catalog import clips, items, notes, reviews
from otoloop.catalog.items import ItemView
from otoloop.catalog.tables import ReviewRow, TraceRow
from otoloop.errors import OtoloopError
from otoloop.reasoning.check import check, claims_against, finding_json
from otoloop.reasoning.draft import derived
from otoloop.reasoning.judge import ClaimFinding
from otoloop.records import Evidence, Finding, Item, Note


@dataclass(frozen=True, slots=True)
class Shown:
    """One item as a reviewer sees it; nothing here tells what is true but the sound."""

    view: ItemView
    note: Note | None
    machine: Mapping[str, Any]
    evidence: Evidence
    problems: Sequence[Finding]
    claims: Sequence[ClaimFinding]
    history: Sequence[ReviewRow]

    @property
    def item(self) -> Item:
        """The question with its gold answer."""
        return self.view.item

    @property
    def trace(self) -> TraceRow:
        """The newest version of the trace.

        Raises:
            OtoloopError: nobody wrote one yet.
        """
        if self.view.trace is None:
            raise OtoloopError(f"Item {self.item.id} has no trace yet.", "Run `otoloop draft`.")
        return self.view.trace

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        facts = {
            k: {"value": m.value, "uncertainty": m.uncertainty, "reliable": m.reliable}
            for k, m in self.evidence.items()
        }
        return {
            **summary(self.view), "question": self.item.question, "choices": list(self.item.choices or ()),
            "answer": self.item.answer, "answer_letter": self.item.answer_letter, "trace": self.trace.text,
            "drafter": self.trace.drafter, "note": note_json(self.note), "evidence": facts,
            "problems": [finding_json(f) for f in self.problems], "claims": [finding_json(f) for f in self.claims],
            "reviews": [review_json(r) for r in self.history],
        }  # fmt: skip


def show(session: Session, item_id: str, base: str) -> Shown:
    """Look one item up and check its trace against the sound as it stands now.

    Raises:
        OtoloopError: there is no such item, or it has no trace.
    """
    view = items.item(session, item_id)
    machine = clips.machine_of(session, view.clip)
    evidence = derived(view.clip, machine)
    note = notes.note(session, view.item.clip)
    text = view.trace.text if view.trace else ""
    return Shown(
        view, note, machine, evidence, check(text, evidence, item=view.item, base=base),
        claims_against(text, evidence, view.item.kind, base), reviews.reviews(session, item_id=item_id),
    )  # fmt: skip


def summary(view: ItemView) -> dict[str, Any]:
    """One line of a list of items."""
    return {
        "id": view.item.id,
        "state": view.state,
        "clip": view.item.clip,
        "site": view.clip.site,
        "machine": view.clip.machine,
        "fault": view.item.slice.get("fault"),
        "kind": view.item.kind,
        "style": view.item.style,
        "lang": view.item.lang,
        "priority": round(view.priority, 3),
        "picked_by": view.picked_by,
        "double": view.double,
        "version": view.trace.version if view.trace else None,
        "ok": view.trace.ok if view.trace else None,
    }


def note_json(note: Note | None) -> dict[str, Any] | None:
    """A note with the fields that somebody filled in."""
    if note is None:
        return None
    return {k: v for k in Note.__slots__ if (v := getattr(note, k))}


def review_json(row: ReviewRow) -> dict[str, Any]:
    """One decision."""
    return {
        "actor": row.actor, "decision": row.decision, "reason": row.reason, "seconds_spent": row.seconds_spent,
        "final": row.final, "time": row.created_at.isoformat(),
    }  # fmt: skip
