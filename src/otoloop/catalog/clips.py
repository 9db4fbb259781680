"""Clips: one row a piece of audio, with what was measured from it; written once, erased at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from otoloop.catalog.tables import ClipRow, DeliveryRow, LabelRow, MachineRow
from otoloop.errors import OtoloopError
from otoloop.records import Clip, Evidence, Measured


def add_clip(
    session: Session,
    clip: Clip,
    *,
    time: datetime,
    recording_session: str,
    measures: Mapping[str, Any] | None = None,
    evidence: Mapping[str, Any] | None = None,
    sensors: Mapping[str, Any] | None = None,
    speech_s: float = 0.0,
    fingerprint: str | None = None,
    group: str | None = None,
    parent: str | None = None,
) -> bool:
    """Write a clip; False when the catalogue has it already (then nothing is changed).

    Args:
        session: a write session.
        clip: identity, place and shape.
        time: when it was recorded, with a time zone.
        recording_session: clips of one session never straddle two splits of a release.
        measures: numbers of the quality checks, by name with unit.
        evidence: ``evidence_json`` of what was measured from the sound.
        sensors: summary of the sensor series that came with it.
        speech_s: seconds of human speech that were heard in the raw recording.
        fingerprint: of the sound, to find near duplicates.
        group: first clip of the same near-duplicate group; by default the clip itself.
        parent: content hash of the raw recording when speech was scrambled.
    """
    if session.get(ClipRow, clip.id) is not None:
        return False
    session.add(
        ClipRow(
            id=clip.id, parent=parent, site=clip.site, machine=clip.machine, session=recording_session, time=time,
            seconds=clip.seconds, rate=clip.rate, channels=clip.channels, measures=dict(measures or {}),
            evidence=dict(evidence or {}), sensors=dict(sensors or {}), fingerprint=fingerprint, speech_s=speech_s,
            group=group or clip.id,
        )
    )  # fmt: skip
    session.flush()
    return True


def clip(session: Session, clip_id: str) -> ClipRow:
    """One clip by its id, or by a beginning of it that is unique.

    Raises:
        OtoloopError: there is none, or there are several.
    """
    exact = session.get(ClipRow, clip_id)
    if exact is not None:
        return exact
    near = session.scalars(select(ClipRow).where(ClipRow.id.startswith(clip_id, autoescape=True)).limit(2)).all()
    if len(near) == 1 and clip_id:
        return near[0]
    problem = "is the beginning of several clips" if near else "is not in the catalogue"
    raise OtoloopError(f"Clip {clip_id!r} {problem}.", "List the clips with `otoloop clips`.")


def of_sound(session: Session, content_id: str) -> ClipRow | None:
    """The clip that a sound became: itself, or what was made of it when its speech was hidden."""
    query = select(ClipRow).where(or_(ClipRow.id == content_id, ClipRow.parent == content_id))
    return session.scalars(query.order_by(ClipRow.state, ClipRow.id).limit(1)).first()


def has_clip(session: Session, clip_id: str) -> bool:
    """Whether the catalogue has this clip, erased ones included."""
    return session.get(ClipRow, clip_id) is not None


def clips(
    session: Session,
    *,
    state: str | None = "admitted",
    site: str | None = None,
    machine: str | None = None,
    recording_session: str | None = None,
    group: str | None = None,
    fault: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Sequence[ClipRow]:
    """Clips that match every filter given, by recording time; ``fault`` compares with the newest label.

    ``since`` and ``until`` bound the recording time (until is excluded); ``state=None`` includes erased clips.
    """
    query = select(ClipRow).order_by(ClipRow.time, ClipRow.id)
    pairs = (
        (ClipRow.state, state), (ClipRow.site, site), (ClipRow.machine, machine),
        (ClipRow.session, recording_session), (ClipRow.group, group),
    )  # fmt: skip
    for column, value in pairs:
        query = query.where(column == value) if value is not None else query
    query = query.where(ClipRow.time >= since) if since else query
    query = query.where(ClipRow.time < until) if until else query
    query = query.where(ClipRow.id.in_(_labelled(fault))) if fault else query
    return session.scalars(query.limit(limit)).all()


def _labelled(fault: str) -> Select[tuple[str]]:
    """Ids of the clips whose newest label is ``fault``."""
    newest = select(LabelRow.clip, func.max(LabelRow.version).label("version")).group_by(LabelRow.clip).subquery()
    joined = select(LabelRow.clip).join(
        newest, (LabelRow.clip == newest.c.clip) & (LabelRow.version == newest.c.version)
    )
    return joined.where(LabelRow.fault == fault)


def record(row: ClipRow) -> Clip:
    """The row as the small frozen type that the other parts use."""
    return Clip(
        id=row.id, site=row.site, machine=row.machine, time=row.time.isoformat(), seconds=row.seconds, rate=row.rate,
        channels=row.channels,
    )  # fmt: skip


def evidence_json(evidence: Evidence) -> dict[str, Any]:
    """Evidence as the ``evidence`` column keeps it: ``{key: {value, uncertainty, reliable}}``."""
    return {k: {"value": m.value, "uncertainty": m.uncertainty, "reliable": m.reliable} for k, m in evidence.items()}


def evidence_of(row: ClipRow) -> dict[str, Measured]:
    """The measured facts of a clip, as the checks and composers take them."""
    return {k: Measured(**v) for k, v in row.evidence.items()}


def set_sensors(session: Session, clip_id: str, sensors: Mapping[str, float]) -> None:
    """Add the summary of sensor series that came later than the sound, or were sent again."""
    row = clip(session, clip_id)
    if row.state != "erased":
        row.sensors = dict(sensors)
        session.flush()


def was_erased(session: Session, *ids: str) -> bool:
    """Whether a clip with one of these content ids, or one made from such a recording, was erased on request."""
    erased = select(ClipRow.id).where(ClipRow.state == "erased", or_(ClipRow.id.in_(ids), ClipRow.parent.in_(ids)))
    return session.scalar(erased.limit(1)) is not None


def fingerprints(session: Session, site: str, machine: str) -> list[tuple[str, str, str]]:
    """(clip, fingerprint, group) of a machine's admitted clips, to find near duplicates; oldest first."""
    query = select(ClipRow.id, ClipRow.fingerprint, ClipRow.group).where(
        ClipRow.site == site, ClipRow.machine == machine, ClipRow.state == "admitted", ClipRow.fingerprint.is_not(None)
    )
    return [(c, f, g) for c, f, g in session.execute(query.order_by(ClipRow.created_at, ClipRow.id)) if f]


def machine_of(session: Session, row: ClipRow) -> dict[str, Any]:
    """What machines.yaml says of the clip's machine: kind and geometry in one mapping; empty if unknown."""
    found = session.get(MachineRow, (row.site, row.machine))
    return {"kind": found.kind, **found.geometry} if found else {}


def erase_clip(session: Session, clip_id: str) -> None:
    """Blank everything heard or measured; the id stays as a tombstone so that the clip is never admitted again."""
    row = clip(session, clip_id)
    row.state, row.measures, row.evidence, row.sensors, row.fingerprint = "erased", {}, {}, {}, None
    session.flush()


def count_deliveries(session: Session) -> dict[str, int]:
    """How many deliveries carried each clip."""
    query = select(DeliveryRow.clip, func.count()).where(DeliveryRow.clip.is_not(None)).group_by(DeliveryRow.clip)
    return {clip_id: n for clip_id, n in session.execute(query.where(DeliveryRow.kind == "audio")) if clip_id}
