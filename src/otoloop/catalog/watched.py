"""Answers that were looked at for the review queue: each once, why it was picked, and what it proposes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from otoloop.catalog.tables import AnswerRow, ClipRow, FeedbackRow, WatchedRow

PICKED = or_(WatchedRow.random, WatchedRow.complaint)


@dataclass(frozen=True, slots=True)
class Pick:
    """A picked answer, and the clip that its sound became."""

    row: WatchedRow
    answer: AnswerRow
    clip: str


def unseen(session: Session) -> Sequence[AnswerRow]:
    """Answers that nobody looked at yet, oldest first."""
    query = select(AnswerRow).outerjoin(WatchedRow, WatchedRow.answer == AnswerRow.id)
    query = query.where(WatchedRow.answer.is_(None))
    return session.scalars(query.order_by(AnswerRow.created_at, AnswerRow.id)).all()


def add(session: Session, answers: Iterable[AnswerRow], drawn: Iterable[str]) -> None:
    """Remember that answers were looked at, and which of them were drawn at random."""
    chosen = set(drawn)
    session.add_all(WatchedRow(answer=row.id, random=row.id in chosen) for row in answers)
    session.flush()


def fresh_complaints(session: Session) -> Sequence[WatchedRow]:
    """Answers seen before that somebody called wrong since."""
    wrong = select(FeedbackRow.answer).where(FeedbackRow.verdict == "wrong")
    return session.scalars(
        select(WatchedRow).where(WatchedRow.complaint.is_(False), WatchedRow.answer.in_(wrong))
    ).all()


def picks(session: Session) -> list[Pick]:
    """Picked answers whose sound is an admitted clip by now (or was hidden speech's parent), by clip and answer."""
    sound = or_(ClipRow.id == AnswerRow.clip, ClipRow.parent == AnswerRow.clip)
    query = select(WatchedRow, AnswerRow, ClipRow.id).join(AnswerRow, AnswerRow.id == WatchedRow.answer)
    query = query.join(ClipRow, sound).where(PICKED, ClipRow.state == "admitted")
    return [Pick(*row) for row in session.execute(query.order_by(ClipRow.id, AnswerRow.id))]


def reason(session: Session, clip: ClipRow) -> str:
    """Why a clip was picked: ``complaint``, which goes before ``random``, or nothing."""
    sounds = [sound for sound in (clip.id, clip.parent) if sound]
    query = select(WatchedRow.complaint).join(AnswerRow, AnswerRow.id == WatchedRow.answer)
    found = session.scalars(query.where(AnswerRow.clip.in_(sounds), PICKED)).all()
    return reason_of(found)


def reason_of(complaints: Sequence[bool]) -> str:
    """The reason of a clip by whether each picked answer about it was called wrong."""
    return "complaint" if any(complaints) else "random" if complaints else ""


def without_sound(session: Session) -> int:
    """Picked answers that wait for their sound to become a clip, or never will."""
    query = select(func.count()).select_from(WatchedRow).where(PICKED, WatchedRow.handled.is_(False))
    return int(session.scalar(query) or 0)
