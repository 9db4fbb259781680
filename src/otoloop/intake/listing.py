"""What `otoloop clips` and `otoloop intake --show` list: clips, and the deliveries that did not become one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from otoloop.catalog import clips, deliveries, notes
from otoloop.catalog.tables import ClipRow, DeliveryRow
from otoloop.codes import QUARANTINE_CODES
from otoloop.errors import OtoloopError
from otoloop.intake.keys import parse_key, time_of

STATES = ("admitted", "quarantined", "erased", "all")


def list_clips(
    session: Session, *, state: str = "all", site: str | None = None, machine: str | None = None,
    fault: str | None = None, limit: int | None = None, unlabelled: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """Clips by time, then refused audio deliveries (``id`` null, with reason, sentence and remedy).

    ``unlabelled``: only admitted clips of which neither note nor person says what they show.

    Raises:
        OtoloopError: no such state.
    """
    if state not in STATES:
        raise OtoloopError(f"There is no state {state!r}.", f"Choose from {', '.join(STATES)}.")
    if unlabelled:
        waiting = notes.unlabelled(session, site)
        return _clip_rows(session, [row for row in waiting if machine in (None, row.machine)][:limit])
    rows: list[dict[str, Any]] = []
    if state != "quarantined":
        wanted = None if state == "all" else state
        found = clips.clips(session, state=wanted, site=site, machine=machine, fault=fault, limit=limit)
        rows += _clip_rows(session, found)
    if state in ("quarantined", "all") and not fault:
        refused = deliveries.deliveries(session, state="quarantined", kind="audio", site=site)
        rows += [refused_row(row) for row in refused if machine in (None, row.machine)]
    return rows[:limit]


def _clip_rows(session: Session, found: Sequence[ClipRow]) -> list[dict[str, Any]]:
    count, named = clips.count_deliveries(session), notes.labels(session, [row.id for row in found])
    keys = {row.clip: row.key for row in deliveries.deliveries(session, state="admitted", kind="audio")}
    return [
        {
            "id": row.id, "site": row.site, "machine": row.machine, "time": row.time.isoformat(),
            "seconds": round(row.seconds, 3), "state": row.state, "deliveries": count.get(row.id, 0),
            "fault": named[row.id].fault if row.id in named else None, "session": row.session,
            "near_duplicate_of": row.group if row.group != row.id else None, "key": keys.get(row.id, ""),
        }
        for row in found
    ]  # fmt: skip


def refused_row(row: DeliveryRow) -> dict[str, Any]:
    """A delivery in quarantine in the shape of a clip."""
    try:
        time = time_of(parse_key(row.key)).isoformat()
    except OtoloopError:
        time = ""
    return {
        "id": None, "site": row.site, "machine": row.machine, "time": time, "seconds": row.measures.get("duration_s"),
        "state": row.state, "reason_code": row.reason_code, "deliveries": 1, "delivery": row.id, "key": row.key,
        "message": row.message, "remedy": row.remedy,
    }  # fmt: skip


def retry(session: Session, which: Sequence[str]) -> int:
    """Take quarantined deliveries up again: by number, by reason code, or ``all``; returns how many.

    Raises:
        OtoloopError: one of ``which`` is none of these, or a number that is not in quarantine.
    """
    known = deliveries.deliveries(session, state="quarantined")
    numbers = {str(row.id) for row in known}
    for one in which:
        if one.isdecimal() and one not in numbers:
            raise OtoloopError(
                f"There is no delivery {one} in quarantine.", "`otoloop intake --show` lists those that are."
            )
        if not one.isdecimal() and one not in ("all", *QUARANTINE_CODES):
            raise OtoloopError(
                f"There is no reason {one!r}.", f"Give a number, `all`, or one of: {', '.join(QUARANTINE_CODES)}."
            )
    chosen = [row.id for row in known if {"all", str(row.id), row.reason_code} & set(which)]
    return deliveries.retry(session, chosen)


def clip_lines(rows: Sequence[dict[str, Any]]) -> str:
    """The list for people."""
    if not rows:
        return "No clips yet. Add some: otoloop add FOLDER --site NAME"
    lines = []
    for row in rows:
        seconds = f"{row['seconds']:.1f} s" if row["seconds"] is not None else ""
        name = row["id"][:12] if row["id"] else f"({row['reason_code']})"
        what = (row.get("fault") or "no label") if row["id"] else ""
        place, file = f"{row['site']}/{row['machine']}", row["key"].rsplit("/", 1)[-1]
        lines.append(
            f"{name:22} {row['time'][:16]:16} {place:28} {seconds:>8}  {row['state']:11} {what:15} {file}".rstrip()
        )
    return "\n".join(lines)
