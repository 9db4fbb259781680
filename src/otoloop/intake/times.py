"""When a recording was made, and in which session: as its row of the CSV, its name, or its file tell.

A file's own time is that of the recording only as long as nobody copied it. Recordings of one machine that lie closer
together than they last were not made at those times: then nothing tells, and each counts as a session of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from otoloop.audio.header import read_header
from otoloop.audio.refusals import Refused
from otoloop.errors import OtoloopError
from otoloop.intake.keys import parse_time
from otoloop.params import IntakeParams

Teller = Literal["csv", "name", "file", "nothing"]
LEAST_SECONDS = 0.5
"""Length of a recording that cannot be read; shorter ones are refused."""
_STAMP = re.compile(
    r"(?<!\d)(20\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    r"(?:[-_T .]{0,3}([01]\d|2[0-3])[-_:.]?([0-5]\d)(?:[-_:.]?([0-5]\d))?)?(?!\d)"
)


@dataclass(frozen=True, slots=True)
class Made:
    """When a recording was made and who says so; ``session`` is empty where machine and day are the session."""

    time: datetime
    teller: Teller
    session: str = ""


def made(path: Path, inner: str, row: Mapping[str, str]) -> Made:
    """When a recording was made: by its CSV row, else by its name or folder, else by its file.

    Args:
        path: the file.
        inner: its path below the folder that is added.
        row: its cells ``time`` and ``session``, if any.

    Raises:
        OtoloopError: the CSV's time is no time.
    """
    session = row.get("session", "")
    if row.get("time"):
        when = parse_time(row["time"])
        if when is None:
            message = f"The time {row['time']!r} of {row['file']} is no time."
            raise OtoloopError(message, "Write it as 2026-05-01T08:30:00.")
        return Made(when, "csv", session)
    stamped = next((found for part in reversed(inner.split("/")) if (found := stamp_in(part))), None)
    if stamped:
        return Made(stamped, "name", session)
    return Made(datetime.fromtimestamp(path.stat().st_mtime, UTC), "file", session)


def stamp_in(name: str) -> datetime | None:
    """The time in a name such as ``20260501_083000.wav`` or ``2026-05-01 pump``, as UTC; none that is yet to come."""
    for found in _STAMP.finditer(name):
        year, _, month, day, hour, minute, second = found.groups()
        try:
            when = datetime(*(int(part or 0) for part in (year, month, day, hour, minute, second)), tzinfo=UTC)  # type: ignore[misc,arg-type]
        except ValueError:
            continue
        if when < datetime.now(UTC) + timedelta(days=1):
            return when
    return None


def copied(recordings: Sequence[tuple[Path, datetime]]) -> bool:
    """Whether the files' times cannot be those of the recordings of one machine: they lie closer than they last."""
    lengths = [_seconds(path) for path, _ in recordings]
    times = [when for _, when in recordings]
    return len(times) > 1 and (max(times) - min(times)).total_seconds() < sum(lengths) - max(lengths)


def _seconds(path: Path) -> float:
    try:
        return read_header(path, IntakeParams()).seconds
    except (Refused, OSError):
        return LEAST_SECONDS
