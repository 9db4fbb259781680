"""Machines: what machines.yaml says of each, and since when nothing came from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from otoloop.catalog.tables import MachineRow, MarkRow

COLUMNS = ("site", "machine", "kind", "speech_policy")


def save_machines(session: Session, machines: Iterable[Mapping[str, Any]]) -> None:
    """Take over rows of machines.yaml; the rest of a row (speed, bearing, gears) is kept as ``geometry``."""
    for row in machines:
        known = session.get(MachineRow, (str(row["site"]), str(row["machine"])))
        if known is None:
            known = MachineRow(site=str(row["site"]), machine=str(row["machine"]))
            session.add(known)
        known.kind, known.speech_policy = row.get("kind"), row.get("speech_policy")
        known.geometry = {k: v for k, v in row.items() if k not in COLUMNS}
    session.flush()


def see_machines(session: Session, places: Iterable[tuple[str, str]], at: datetime) -> None:
    """Remember that something came from these (site, machine) places; unknown ones become machines without geometry."""
    for site, name in sorted(set(places)):
        row = session.get(MachineRow, (site, name))
        if row is None:
            row = MachineRow(site=site, machine=name)
            session.add(row)
        row.last_delivery = max(row.last_delivery or at, at)
    session.flush()


def machines(session: Session, site: str | None = None) -> Sequence[MachineRow]:
    """All machines, or those of a site, by name."""
    query = select(MachineRow).order_by(MachineRow.site, MachineRow.machine)
    return session.scalars(query.where(MachineRow.site == site) if site else query).all()


def machine(session: Session, site: str, name: str) -> MachineRow | None:
    """One machine, or None when nobody told us of it and nothing came from it."""
    return session.get(MachineRow, (site, name))


def entries(session: Session) -> list[dict[str, Any]]:
    """All machines as entries of a machines.yaml, without empty fields; what only sent something has a place alone."""
    rows = [{**{name: getattr(row, name) for name in COLUMNS}, **row.geometry} for row in machines(session)]
    return [{k: v for k, v in row.items() if v is not None} for row in rows]


def mark(session: Session, name: str) -> datetime | None:
    """When the duty ``name`` was last done."""
    row = session.get(MarkRow, name)
    return row.time if row else None


def set_mark(session: Session, name: str, time: datetime) -> None:
    """Remember that the duty ``name`` was done at ``time``."""
    session.merge(MarkRow(name=name, time=time))
    session.flush()
