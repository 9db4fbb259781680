"""The numbers of the home page: how many of what, each countable again on its list."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from otoloop.catalog.tables import (
    AnswerRow,
    ClipRow,
    DeliveryRow,
    FeedbackRow,
    ItemRow,
    LabelRow,
    MachineRow,
    ReleaseItemRow,
    ReviewRow,
)


def arrived(session: Session, since: datetime | None = None) -> int:
    """Objects that arrived."""
    query = select(func.count()).select_from(DeliveryRow)
    return int(session.scalar(query.where(DeliveryRow.seen_at >= since) if since else query) or 0)


def admitted(session: Session) -> int:
    """Clips that may be used."""
    return int(session.scalar(select(func.count()).select_from(ClipRow).where(ClipRow.state == "admitted")) or 0)


def machines(session: Session) -> int:
    """Machines that we know of."""
    return int(session.scalar(select(func.count()).select_from(MachineRow)) or 0)


def answers(session: Session, since: datetime | None = None) -> int:
    """Answers given."""
    query = select(func.count()).select_from(AnswerRow)
    return int(session.scalar(query.where(AnswerRow.created_at >= since) if since else query) or 0)


def feedback(session: Session, since: datetime | None = None) -> dict[str, int]:
    """How often people said right, wrong, unsure."""
    query = select(FeedbackRow.verdict, func.count()).group_by(FeedbackRow.verdict)
    query = query.where(FeedbackRow.created_at >= since) if since else query
    return {verdict: n for verdict, n in session.execute(query)}


def rejections(session: Session) -> dict[str, int]:
    """Why reviewers rejected items, in their words, most frequent first."""
    query = select(ReviewRow.reason, func.count().label("n")).where(ReviewRow.decision == "reject", ReviewRow.final)
    query = query.group_by(ReviewRow.reason).order_by(func.count().desc(), ReviewRow.reason)
    return {reason: n for reason, n in session.execute(query)}


def not_yet_learnt(session: Session, release: str | None) -> int:
    """Approved items that a release (the one of the last cycle; None: no cycle yet) does not hold."""
    query = select(func.count()).select_from(ItemRow).join(ClipRow, ClipRow.id == ItemRow.clip)
    query = query.where(ItemRow.state == "approved", ClipRow.state == "admitted")
    if release is not None:
        query = query.where(ItemRow.id.not_in(select(ReleaseItemRow.item).where(ReleaseItemRow.release == release)))
    return int(session.scalar(query) or 0)


def unnamed(session: Session) -> int:
    """Admitted clips that no label names a fault for."""
    newest = select(LabelRow.clip, func.max(LabelRow.version).label("v")).group_by(LabelRow.clip).subquery()
    named = select(LabelRow.clip).join(newest, (LabelRow.clip == newest.c.clip) & (LabelRow.version == newest.c.v))
    query = select(func.count()).select_from(ClipRow).where(ClipRow.state == "admitted")
    return int(session.scalar(query.where(ClipRow.id.not_in(named.where(LabelRow.fault.is_not(None))))) or 0)
