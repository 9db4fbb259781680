"""Reviews: every decision with who, when and how long; and the approved items that a release may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from otoloop.catalog import items as item_store
from otoloop.catalog.states import move
from otoloop.catalog.tables import ClipRow, ItemRow, ReleaseItemRow, ReviewRow, TraceRow
from otoloop.errors import OtoloopError
from otoloop.records import Finding, Item

Decision = Literal["approve", "reject", "skip"]
TARGETS: dict[str, str] = {"approve": "approved", "reject": "rejected"}


@dataclass(frozen=True, slots=True)
class ApprovedItem:
    """An item that may be trained on: its gold answer, the approved version of its trace, and its clip."""

    item: Item
    trace: str
    trace_id: int
    approved_at: datetime
    clip: ClipRow


def decide(
    session: Session,
    item_id: str,
    decision: Decision,
    actor: str,
    seconds_spent: float,
    edited_trace: str | None = None,
    reason: str | None = None,
    *,
    findings: Sequence[Finding] = (),
    edits: Mapping[str, Any] | None = None,
    final: bool = True,
) -> ReviewRow:
    """Write one person's decision on a queued item and, unless ``final`` is False, move the item.

    Args:
        session: a write session.
        item_id: the item.
        decision: approve, reject, or skip (recorded, moves nothing).
        actor: who decided.
        seconds_spent: time from showing to deciding.
        edited_trace: the reviewer's own version of the trace; becomes the newest version, and the approved one.
        reason: why it was rejected or skipped, in their words.
        findings: outcome of the checks of ``edited_trace``.
        edits: what else the reviewer noted, for agreement (for example ``{"fault": "air_leak"}``).
        final: False for the first of two blind reviews: recorded, and the item stays queued.

    Raises:
        OtoloopError: no such item, it is not queued (somebody else was first), or there is no trace to approve.
    """
    view = item_store.item(session, item_id)
    if view.state != "queued":
        raise OtoloopError(f"Item {item_id} is {view.state}, not queued.", "Somebody decided it before: take the next.")
    trace = view.trace
    if edited_trace is not None and (trace is None or edited_trace != trace.text):
        trace = item_store.add_trace(session, item_id, edited_trace, drafter=f"reviewer:{actor}", findings=findings)
    if decision == "approve" and trace is None:
        raise OtoloopError(f"Item {item_id} has no trace to approve.", "Write one, or run `otoloop draft`.")
    if final and decision in TARGETS:
        move(session, [item_id], TARGETS[decision])
    return _write(session, item_id, trace, decision, actor, seconds_spent, reason, edits, final)


def _write(
    session: Session, item_id: str, trace: TraceRow | None, decision: str, actor: str, seconds_spent: float,
    reason: str | None, edits: Mapping[str, Any] | None, final: bool,
) -> ReviewRow:  # fmt: skip
    row = ReviewRow(item=item_id, trace=trace.id if trace else None, actor=actor, decision=decision)
    row.seconds_spent, row.reason, row.edits, row.final = seconds_spent, reason or "", dict(edits or {}), final
    session.add(row)
    session.flush()
    return row


def reviews(
    session: Session, *, item_id: str | None = None, actor: str | None = None, since: datetime | None = None
) -> Sequence[ReviewRow]:
    """Decisions that match every filter given, oldest first."""
    query = select(ReviewRow).order_by(ReviewRow.id)
    query = query.where(ReviewRow.item == item_id) if item_id else query
    query = query.where(ReviewRow.actor == actor) if actor else query
    return session.scalars(query.where(ReviewRow.created_at >= since) if since else query).all()


def who_approved(session: Session, release: str) -> dict[str, int]:
    """How many items of a release each person approved, by the review that counted."""
    last = select(func.max(ReviewRow.id)).join(ReleaseItemRow, ReleaseItemRow.item == ReviewRow.item)
    last = last.where(
        ReleaseItemRow.release == release, ReviewRow.decision == "approve", ReviewRow.final.is_(True)
    )  # fmt: skip
    query = select(ReviewRow.actor, func.count()).where(ReviewRow.id.in_(last.group_by(ReviewRow.item)))
    return {actor: int(n) for actor, n in session.execute(query.group_by(ReviewRow.actor).order_by(ReviewRow.actor))}


def approved_items(
    session: Session, cutoff: datetime | None = None, *, since: datetime | None = None, site: str | None = None
) -> list[ApprovedItem]:
    """Items approved up to ``cutoff`` (after ``since``) whose clip is not erased, by item id.

    The trace is the version that the approval names, not simply the newest.
    """
    last = select(ReviewRow.item, func.max(ReviewRow.id).label("id")).where(
        ReviewRow.decision == "approve", ReviewRow.final.is_(True)
    )
    approval = last.group_by(ReviewRow.item).subquery()
    query = (
        select(ItemRow, TraceRow, ClipRow)
        .join(ClipRow, ClipRow.id == ItemRow.clip)
        .join(approval, approval.c.item == ItemRow.id)
        .join(ReviewRow, ReviewRow.id == approval.c.id)
        .join(TraceRow, TraceRow.id == ReviewRow.trace)
        .where(ItemRow.state == "approved", ClipRow.state == "admitted")
    )
    query = query.where(ItemRow.decided_at <= cutoff) if cutoff else query
    query = query.where(ItemRow.decided_at > since) if since else query
    query = query.where(ClipRow.site == site) if site else query
    return [_approved(*row) for row in session.execute(query.order_by(ItemRow.id))]


def _approved(row: ItemRow, trace: TraceRow, clip: ClipRow) -> ApprovedItem:
    assert row.decided_at is not None, "an approved item has a time"
    return ApprovedItem(item_store.record(row), trace.text, trace.id, row.decided_at, clip)
