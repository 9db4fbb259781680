"""Answers and feedback: what the model said to somebody and what they said of it, for lineage and the queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from otoloop.catalog.tables import AnswerRow, FeedbackRow
from otoloop.errors import OtoloopError
from otoloop.reasoning.vocab import by_name, faults

VERDICTS = ("right", "wrong", "unsure")


def add_answer(session: Session, answer_id: str, *, question: str, output: str, version: str, **more: Any) -> AnswerRow:
    """Store an answer; ``more`` are the row's other columns."""
    row = AnswerRow(id=answer_id, question=question, output=output, version=version, **more)
    session.add(row)
    session.flush()
    return row


def answer(session: Session, answer_id: str) -> AnswerRow:
    """One answer.

    Raises:
        OtoloopError: there is none of that id.
    """
    row = session.get(AnswerRow, answer_id)
    if row is None:
        raise OtoloopError(f"There is no answer {answer_id!r}.", "The id stands beside the answer (`answer_id`).")
    return row


def answers(
    session: Session,
    *,
    version: str | None = None,
    site: str | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> Sequence[AnswerRow]:
    """Answers that match every filter given, newest first."""
    query = select(AnswerRow).order_by(AnswerRow.created_at.desc(), AnswerRow.id)
    query = query.where(AnswerRow.version == version) if version else query
    query = query.where(AnswerRow.site == site) if site else query
    query = query.where(AnswerRow.created_at >= since) if since else query
    return session.scalars(query.limit(limit)).all()


def of_clip(session: Session, *sounds: str | None) -> Sequence[AnswerRow]:
    """Answers about a sound by its content ids (that of the clip, and of its parent), newest first."""
    wanted = [sound for sound in sounds if sound]
    query = select(AnswerRow).where(AnswerRow.clip.in_(wanted))
    return session.scalars(query.order_by(AnswerRow.created_at.desc(), AnswerRow.id)).all()


def add_feedback(
    session: Session, answer_id: str, verdict: str, *, actor: str = "", comment: str = "", label: str | None = None
) -> FeedbackRow:
    """Store what somebody said of an answer.

    Raises:
        OtoloopError: there is no such answer, the verdict is none of right, wrong, unsure, or ``label`` is no fault.
    """
    if verdict not in VERDICTS:
        raise OtoloopError(f"Feedback {verdict!r} is not one of {', '.join(VERDICTS)}.", "Choose one of them.")
    answer(session, answer_id)
    row = FeedbackRow(answer=answer_id, verdict=verdict, actor=actor, comment=comment, label=_fault(label))
    session.add(row)
    session.flush()
    return row


def _fault(label: str | None) -> str | None:
    """The id of a fault by its id or one of its names."""
    if not label:
        return None
    found = by_name(label)
    if found is None:
        raise OtoloopError(f"{label!r} is no fault of the vocabulary.", f"Use one of: {', '.join(faults())}.")
    return found.id


def feedback(
    session: Session, *, answer_id: str | None = None, verdict: str | None = None, since: datetime | None = None
) -> Sequence[FeedbackRow]:
    """Feedback that matches every filter given, oldest first."""
    query = select(FeedbackRow).order_by(FeedbackRow.id)
    query = query.where(FeedbackRow.answer == answer_id) if answer_id else query
    query = query.where(FeedbackRow.verdict == verdict) if verdict else query
    return session.scalars(query.where(FeedbackRow.created_at >= since) if since else query).all()
