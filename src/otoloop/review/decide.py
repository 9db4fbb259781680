"""Deciding on a drafted item: approve, edit, reject, skip. Every decision has who, when and how long.

An item picked for double review needs two people who do not see each other's decision; when they disagree, a third
decides. An edited trace is checked against the sound like any draft; a contradiction can be forced with a reason only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from otoloop.catalog import Catalog, items, notes, reviews
from otoloop.catalog.states import move
from otoloop.catalog.tables import ReviewRow
from otoloop.errors import OtoloopError
from otoloop.reasoning.draft import judged
from otoloop.reasoning.vocab import by_name, fault_names
from otoloop.records import Finding
from otoloop.review.views import Shown, show

Decision = Literal["approve", "reject", "skip"]
PEOPLE = 2


class StaleError(OtoloopError):
    """Somebody changed or decided the item after it was shown."""


class RefusedError(OtoloopError):
    """The trace contradicts the sound; ``findings`` say where."""

    def __init__(self, message: str, remedy: str, findings: Sequence[Finding]) -> None:
        super().__init__(message, remedy)
        self.findings = findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a person decided about an item.

    Attributes:
        actor: who.
        decision: approve (``edited``: with this text in place of the draft), reject, or skip.
        seconds_spent: from seeing the item to deciding.
        reason: why; needed to reject and to force.
        edited: the reviewer's own version of the trace.
        fault: what it is instead, when the label is wrong; becomes the clip's label.
        force: approve although checks speak against the trace.
        seen_version: the version of the trace that was shown; None skips the test for staleness.
    """

    actor: str
    decision: Decision
    seconds_spent: float
    reason: str = ""
    edited: str | None = None
    fault: str | None = None
    force: bool = False
    seen_version: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a decision: the item's state, and whether more people must look at it."""

    item: str
    state: str
    final: bool
    needs: str = ""


def decide(book: Catalog, item_id: str, act: Act, base: str) -> Outcome:
    """Write a decision, all or nothing.

    Raises:
        StaleError: the item is not queued any more, or its trace is not the one that was shown.
        RefusedError: the (edited) trace contradicts the sound and is not forced with a reason.
        OtoloopError: a reason is missing, the fault is unknown, or the same person reviewed the item before.
    """
    with book.session() as session:
        shown = show(session, item_id, base)
        _require_fresh(shown, act)
        findings = _require_sound(shown, act, base)
        _require_reason(act)
        final, needs = _rank(shown, act)
        edits = {k: v for k, v in (("fault", _fault(act)), ("forced", act.force or None)) if v}
        edited = act.edited if act.edited is not None and act.edited.strip() else None
        reviews.decide(session, item_id, act.decision, act.actor, act.seconds_spent, edited, act.reason,
                       findings=findings, edits=edits, final=final)  # fmt: skip
        _relabel(session, shown, act, final)
        if final and act.decision == "approve":
            _supersede_others(session, shown)
        return Outcome(item_id, _state(shown, act, final), final, needs)


def _require_fresh(shown: Shown, act: Act) -> None:
    view = shown.view
    if view.state != "queued":
        raise StaleError(
            f"Item {view.item.id} is {view.state}, not queued.", "Somebody decided it before: take the next."
        )
    if act.seen_version is not None and act.seen_version != shown.trace.version:
        raise StaleError(
            f"Item {view.item.id} has a newer trace (version {shown.trace.version}).", "Reload and look again."
        )


def _require_sound(shown: Shown, act: Act, base: str) -> list[Finding]:
    """The findings of the text to approve.

    Raises:
        RefusedError: there are problems and they are not forced with a reason.
    """
    if act.decision != "approve":
        return []
    text = act.edited if act.edited and act.edited.strip() else shown.trace.text
    findings = judged(text, shown.evidence, shown.item, base)
    problems = [f for f in findings if f.code is not None]
    if problems and not (act.force and act.reason.strip()):
        words = "; ".join(f"{f.code}: {f.message}" for f in problems[:3])
        remedy = "Correct the trace, or approve with --force and --reason."
        raise RefusedError(f"The trace does not pass the checks: {words}", remedy, problems)
    return findings


def _require_reason(act: Act) -> None:
    if act.decision == "reject" and not act.reason.strip():
        raise OtoloopError(
            "A rejection needs a reason.", "Say what is wrong, e.g. --reason 'the note is about another machine'."
        )
    if not act.actor.strip():
        raise OtoloopError("A decision needs a name.", "Give --as NAME or set OTOLOOP_ACTOR.")


def _fault(act: Act) -> str | None:
    """Id of the fault that the reviewer hears instead."""
    if not act.fault:
        return None
    fault = by_name(act.fault)
    if fault is None:
        raise OtoloopError(f"Unknown fault {act.fault!r}.", f"Use one of: {', '.join(fault_names())}.")
    return fault.id


def _rank(shown: Shown, act: Act) -> tuple[bool, str]:
    """Whether this decision settles the item, and who is needed if not."""
    before = [r for r in shown.history if r.decision in ("approve", "reject")]
    if not shown.view.double or act.decision == "skip":
        return act.decision != "skip", ""
    if any(r.actor == act.actor for r in before):
        raise OtoloopError(f"{act.actor} has reviewed item {shown.item.id} already.", "Another person must review it.")
    if not before:
        return False, "a second reviewer"
    agree = any(r.decision == act.decision for r in before)
    return (True, "") if agree or len(before) >= PEOPLE else (False, "a third reviewer: the two disagree")


def _relabel(session: Session, shown: Shown, act: Act, final: bool) -> None:
    """A reviewer who rejects and names another fault corrects the clip's label; `otoloop draft` then drafts anew."""
    fault = _fault(act)
    if fault and final and act.decision == "reject":
        notes.set_label(session, shown.item.clip, fault, source="reviewer", actor=act.actor)


def _supersede_others(session: Session, shown: Shown) -> None:
    """A clip shows one fault: what was approved of it for another fault, before somebody complained, holds no more."""
    fault, approved = shown.item.slice.get("fault"), items.items(session, state="approved", clip=shown.item.clip)
    others = [view.item.id for view in approved if view.item.slice.get("fault", fault) != fault]
    move(session, others, "superseded")


def _state(shown: Shown, act: Act, final: bool) -> str:
    return reviews.TARGETS.get(act.decision, shown.view.state) if final else shown.view.state


def waiting_for(history: Sequence[ReviewRow], actor: str) -> bool:
    """Whether ``actor`` may still review an item with these decisions."""
    return all(r.actor != actor or r.decision == "skip" for r in history)
