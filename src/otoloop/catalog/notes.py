"""Notes and labels: what a person wrote (facts), and what fault it means (label). Versions are only added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from otoloop.catalog.tables import ClipRow, LabelRow, NoteRow
from otoloop.records import Note

FIELDS = ("machine", "state", "symptom", "fault", "severity")
SOURCES = ("note_field", "note_text", "conflict", "reviewer", "import", "answer", "model")
"""``answer``: what somebody said of an answer; ``model``: what the model said. Both only propose: reviewers decide."""


@dataclass(frozen=True, slots=True)
class Label:
    """The fault a clip is taken to show; ``fault`` is None when somebody withdrew the label."""

    fault: str | None
    source: str
    actor: str
    version: int


def set_note(session: Session, clip: str, note: Note, *, delivery: int | None = None) -> int:
    """Add a version of a clip's note and return its number; an identical newest version is not written twice."""
    newest = _newest_note(session, clip)
    if newest is not None and _as_note(newest) == note:
        return newest.version
    fields = {name: getattr(note, name) for name in FIELDS if getattr(note, name) is not None}
    version = (newest.version if newest else 0) + 1
    row = NoteRow(clip=clip, version=version, text=note.text, lang=note.lang, author=note.author, time=note.time)
    row.fields, row.delivery = fields, delivery
    session.add(row)
    session.flush()
    return version


def note(session: Session, clip: str) -> Note | None:
    """The newest note of a clip."""
    row = _newest_note(session, clip)
    return _as_note(row) if row else None


def note_history(session: Session, clip: str) -> list[Note]:
    """All versions of a clip's note, oldest first."""
    query = select(NoteRow).where(NoteRow.clip == clip).order_by(NoteRow.version)
    return [_as_note(row) for row in session.scalars(query)]


def _newest_note(session: Session, clip: str) -> NoteRow | None:
    return session.scalar(select(NoteRow).where(NoteRow.clip == clip).order_by(NoteRow.version.desc()).limit(1))


def _as_note(row: NoteRow) -> Note:
    known: dict[str, Any] = {k: v for k, v in row.fields.items() if k in FIELDS}
    return Note(text=row.text, lang=row.lang, author=row.author, time=row.time, **known)


def set_label(session: Session, clip: str, fault: str | None, *, source: str, actor: str = "") -> int:
    """Add a version of a clip's label and return its number; an identical newest version is not written twice."""
    newest = _newest_label(session, clip)
    if newest is not None and (newest.fault, newest.source, newest.actor) == (fault, source, actor):
        return newest.version
    version = (newest.version if newest else 0) + 1
    session.add(LabelRow(clip=clip, version=version, fault=fault, source=source, actor=actor))
    session.flush()
    return version


def label(session: Session, clip: str) -> Label | None:
    """The newest label of a clip, or None when nobody and nothing ever named a fault."""
    row = _newest_label(session, clip)
    return Label(row.fault, row.source, row.actor, row.version) if row else None


def labels(session: Session, clips: Sequence[str] | None = None) -> dict[str, Label]:
    """The newest label of every clip (or of the given ones) that has one."""
    wanted = set(clips) if clips is not None else None
    rows = session.scalars(select(LabelRow).order_by(LabelRow.version))
    newest = {r.clip: Label(r.fault, r.source, r.actor, r.version) for r in rows if wanted is None or r.clip in wanted}
    return newest


def _newest_label(session: Session, clip: str) -> LabelRow | None:
    return session.scalar(select(LabelRow).where(LabelRow.clip == clip).order_by(LabelRow.version.desc()).limit(1))


def unlabelled(session: Session, site: str | None = None) -> Sequence[ClipRow]:
    """Admitted clips without a fault label: they wait for a person; oldest first."""
    newest = select(LabelRow.clip, func.max(LabelRow.version).label("v")).group_by(LabelRow.clip).subquery()
    named = select(LabelRow.clip).join(newest, (LabelRow.clip == newest.c.clip) & (LabelRow.version == newest.c.v))
    named = named.where(LabelRow.fault.is_not(None))
    query = select(ClipRow).where(ClipRow.state == "admitted", ClipRow.id.not_in(named))
    query = query.where(ClipRow.site == site) if site else query
    return session.scalars(query.order_by(ClipRow.time, ClipRow.id)).all()


def erase_notes(session: Session, clip: str) -> None:
    """Blank what was written about a clip, in every version."""
    for row in session.scalars(select(NoteRow).where(NoteRow.clip == clip)):
        row.text, row.author, row.fields = "", "", {}
    session.flush()
