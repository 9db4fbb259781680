"""Bring sidecars and clips together, whichever came first, and decide what fault a clip is labelled with.

Inside the caller's transaction. A sidecar is read when it arrives and kept, parsed, with its delivery; so it does not
matter whether its audio comes minutes or weeks later, or whether the object still exists then.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from otoloop.catalog import clips, deliveries, notes
from otoloop.catalog.tables import DeliveryRow
from otoloop.intake.labels import Named, label_of
from otoloop.intake.sidecars import make_note
from otoloop.records import Note

BY_PEOPLE = ("reviewer", "import", "answer")
"""Sources of labels that a note never overrides."""


def attach_waiting(session: Session, bucket: str, stem: str, clip: str) -> int:
    """Give a clip the newest note and sensors that lie under its stem; returns how many sidecars were used."""
    known = deliveries.sidecars(session, bucket, stem)
    newest = {row.kind: row for row in known}
    for row in newest.values():
        _use(session, row, clip)
    waiting = [row for row in known if row.state == "waiting"]
    for row in waiting:
        deliveries.finish(session, row.id, "matched", clip=clip)
    return len(waiting)


def attach_arrived(session: Session, row: DeliveryRow) -> bool:
    """Give an arrived sidecar to the clips under its stem; False when there are none yet."""
    found = deliveries.clips_of_stem(session, row.bucket, row.stem)
    for clip in dict.fromkeys(found):
        _use(session, row, clip)
    return bool(found)


def _use(session: Session, row: DeliveryRow, clip: str) -> None:
    """Write what a sidecar says about a clip; an erased one stays silent."""
    if clips.clip(session, clip).state == "erased":
        return
    if row.kind == "sensors":
        clips.set_sensors(session, clip, row.measures["sensors"])
        return
    note = make_note(row.measures["note"])
    others = _other_faults(session, clip, row)
    notes.set_note(session, clip, note, delivery=row.id)
    _set_label(session, clip, note, others)


def _set_label(session: Session, clip: str, note: Note, others: Sequence[Named]) -> None:
    """Label a clip by its note, unless a person did; two notes of different deliveries that disagree label nothing."""
    before = notes.label(session, clip)
    if before is not None and before.source in BY_PEOPLE:
        return
    named = label_of(note)
    faults = {n.fault for n in (*others, named) if n is not None}
    if len(faults) > 1:
        notes.set_label(session, clip, None, source="conflict")
    elif named is not None:
        notes.set_label(session, clip, named.fault, source=named.source, actor=note.author)
    elif before is not None and not others:
        notes.set_label(session, clip, None, source="note_text", actor=note.author)


def _other_faults(session: Session, clip: str, row: DeliveryRow) -> list[Named]:
    """What the newest notes under other stems call the clip (the same sound delivered under several names)."""
    newest = {n.stem: n for n in deliveries.notes_of_clip(session, clip) if n.stem != row.stem}
    named = (label_of(make_note(n.measures["note"])) for n in newest.values())
    return [n for n in named if n is not None]
