"""Deliveries: every object that arrived, handled exactly once.

    claimed ─▶ admitted | quarantined | gone     audio (gone: the object was removed or replaced before it was read)
    claimed ─▶ waiting ─▶ matched | quarantined  sidecars (notes, sensors) wait for their audio
    quarantined ─▶ claimed                     when a person repaired the cause and asks to try again

A row is written when the object is first seen (``claimed``), so work that was killed is found again; the row is
``acknowledged`` when everything that belongs to it is done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from otoloop.catalog.tables import DeliveryRow, now

CHUNK = 500
"""Keys asked for in one query; SQLite takes at most 32,766 parameters."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One object as it was listed; ``version`` is the version id, or the etag in an unversioned bucket.

    ``kind`` is audio, note or sensors; ``stem`` is what an audio object and its sidecars have in common.
    """

    bucket: str
    key: str
    version: str
    size: int
    kind: str
    stem: str
    site: str
    machine: str


def claim(session: Session, arrivals: Iterable[Arrival]) -> list[DeliveryRow]:
    """Write a row for each arrival not seen before and return the new rows; the others are left alone."""
    fresh = {(a.bucket, a.key, a.version): a for a in arrivals}
    known = seen(session, fresh.values())
    rows = [_row(a) for identity, a in fresh.items() if identity not in known]
    session.add_all(rows)
    session.flush()
    return rows


def seen(session: Session, arrivals: Collection[Arrival]) -> set[tuple[str, str, str]]:
    """Which of these (bucket, key, version) have a row."""
    keys = sorted({a.key for a in arrivals})
    known: set[tuple[str, str, str]] = set()
    for start in range(0, len(keys), CHUNK):
        chunk = keys[start : start + CHUNK]
        query = select(DeliveryRow.bucket, DeliveryRow.key, DeliveryRow.version).where(DeliveryRow.key.in_(chunk))
        known.update((bucket, key, version) for bucket, key, version in session.execute(query))
    return known


def _row(arrival: Arrival) -> DeliveryRow:
    return DeliveryRow(**{name: getattr(arrival, name) for name in Arrival.__slots__})


def unfinished(session: Session) -> Sequence[DeliveryRow]:
    """Rows that were claimed, or decided but not acknowledged; oldest first."""
    todo = or_(DeliveryRow.state == "claimed", DeliveryRow.acknowledged_at.is_(None))
    return session.scalars(select(DeliveryRow).where(todo).order_by(DeliveryRow.id)).all()


def finish(
    session: Session,
    delivery: int,
    state: str,
    *,
    clip: str | None = None,
    reason_code: str | None = None,
    message: str = "",
    remedy: str = "",
    measures: Mapping[str, Any] | None = None,
) -> None:
    """Write what became of a delivery (admitted, quarantined, waiting, matched)."""
    row = session.get_one(DeliveryRow, delivery)
    row.state, row.reason_code, row.message, row.remedy = state, reason_code, message, remedy
    row.clip = clip or row.clip
    row.measures = dict(measures or row.measures or {})
    row.decided_at = now()
    session.flush()


def acknowledge(session: Session, delivery_ids: Sequence[int]) -> None:
    """Everything that belongs to these deliveries is done."""
    for start in range(0, len(delivery_ids), CHUNK):
        chunk = delivery_ids[start : start + CHUNK]
        session.execute(update(DeliveryRow).where(DeliveryRow.id.in_(chunk)).values(acknowledged_at=now()))


def retry(session: Session, delivery_ids: Sequence[int]) -> int:
    """Take quarantined deliveries up again at the next intake; returns how many."""
    done = 0
    for row in session.scalars(select(DeliveryRow).where(DeliveryRow.id.in_(list(delivery_ids)))):
        if row.state == "quarantined":
            row.state, row.acknowledged_at = "claimed", None
            done += 1
    session.flush()
    return done


def deliveries(
    session: Session,
    *,
    state: str | None = None,
    kind: str | None = None,
    clip: str | None = None,
    site: str | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> Sequence[DeliveryRow]:
    """Deliveries that match every filter given, oldest first; ``since`` compares with when they were first seen."""
    query = select(DeliveryRow).order_by(DeliveryRow.id)
    for column, value in ((DeliveryRow.state, state), (DeliveryRow.kind, kind), (DeliveryRow.clip, clip)):
        query = query.where(column == value) if value is not None else query
    query = query.where(DeliveryRow.site == site) if site else query
    query = query.where(DeliveryRow.seen_at >= since) if since else query
    return session.scalars(query.limit(limit)).all()


def delivery(session: Session, delivery_id: int) -> DeliveryRow | None:
    """One delivery by its number."""
    return session.get(DeliveryRow, delivery_id)


def by_keys(session: Session, bucket: str, keys: Collection[str]) -> dict[str, DeliveryRow]:
    """The newest delivery of each of these keys that has one."""
    wanted = sorted(keys)
    found: dict[str, DeliveryRow] = {}
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        query = select(DeliveryRow).where(DeliveryRow.bucket == bucket, DeliveryRow.key.in_(chunk))
        found.update({row.key: row for row in session.scalars(query.order_by(DeliveryRow.id))})
    return found


def waiting_sidecars(session: Session) -> Sequence[DeliveryRow]:
    """Notes and sensors whose audio has not come yet, oldest first."""
    return session.scalars(select(DeliveryRow).where(DeliveryRow.state == "waiting").order_by(DeliveryRow.id)).all()


def sidecars(session: Session, bucket: str, stem: str) -> Sequence[DeliveryRow]:
    """Usable notes and sensors under a stem, used before or not, oldest first."""
    query = select(DeliveryRow).where(DeliveryRow.stem == stem, DeliveryRow.bucket == bucket)
    return session.scalars(query.where(DeliveryRow.state.in_(("waiting", "matched"))).order_by(DeliveryRow.id)).all()


def notes_of_clip(session: Session, clip: str) -> Sequence[DeliveryRow]:
    """Notes that were used for a clip, oldest first."""
    query = select(DeliveryRow).where(DeliveryRow.clip == clip, DeliveryRow.kind == "note")
    return session.scalars(query.where(DeliveryRow.state == "matched").order_by(DeliveryRow.id)).all()


def clips_of_stem(session: Session, bucket: str, stem: str) -> list[str]:
    """Clips that the audio objects beside a sidecar carry, newest delivery last."""
    query = select(DeliveryRow.clip).where(DeliveryRow.bucket == bucket, DeliveryRow.stem == stem)
    query = query.where(DeliveryRow.kind == "audio", DeliveryRow.clip.is_not(None))
    return [clip for clip in session.scalars(query.order_by(DeliveryRow.id)) if clip]


def count_by_state(session: Session) -> dict[tuple[str, str], int]:
    """How many deliveries there are by (kind, state)."""
    query = select(DeliveryRow.kind, DeliveryRow.state, func.count()).group_by(DeliveryRow.kind, DeliveryRow.state)
    return {(kind, state): n for kind, state, n in session.execute(query)}


def refused(session: Session, since: datetime | None = None) -> dict[str, int]:
    """How many deliveries are in quarantine for each reason code."""
    query = select(DeliveryRow.reason_code, func.count()).where(DeliveryRow.state == "quarantined")
    query = query.where(DeliveryRow.seen_at >= since) if since else query
    return {code or "": n for code, n in session.execute(query.group_by(DeliveryRow.reason_code))}
