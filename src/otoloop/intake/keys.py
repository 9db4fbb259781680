"""Object keys ``<site>/<machine>/<yyyy-mm-dd>/<name>.<ext>``: what they say, and what belongs together.

A key is only ever taken apart as text; it is never used as a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Literal

from otoloop.errors import OtoloopError

Kind = Literal["audio", "note", "sensors"]
SIDECARS: tuple[tuple[str, Kind], ...] = (
    (".sensors.csv", "sensors"), (".sensors.parquet", "sensors"), (".json", "note"),
)  # fmt: skip
AUDIO_SUFFIX = re.compile(r"\.(wav|wave|flac|aiff?|ogg|opus|mp3|m4a|w64|rf64|caf|au)$", re.IGNORECASE)
_TIME_IN_NAME = re.compile(r"(?<!\d)([01]\d|2[0-3])[-_:]?([0-5]\d)[-_:]?([0-5]\d)(?!\d)")
_STAMP_IN_NAME = re.compile(r"(?<!\d)(\d{8})[T_-]?([01]\d|2[0-3])([0-5]\d)([0-5]\d)Z?(?!\d)")
NAME_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a key says its object was recorded; ``stem`` is shared by audio and sidecars."""

    site: str
    machine: str
    day: date
    name: str
    kind: Kind
    stem: str


def parse_key(key: str) -> Place:
    """Take a key apart.

    Raises:
        OtoloopError: it does not have four parts, a part is empty or too long, or the day is no day.
    """
    parts = key.split("/", 3)
    if len(parts) < 4 or not all(part.strip() for part in parts) or key.endswith("/"):
        raise _misplaced(key, "it does not have the four parts of it")
    site, machine, day, name = parts
    if max(len(site), len(machine)) > NAME_CHARACTERS:
        raise _misplaced(key[:80], f"site and machine may have {NAME_CHARACTERS} characters each")
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day, re.ASCII) is None:
        raise _misplaced(key, f"{day!r} is no day")
    try:
        when = date.fromisoformat(day)
    except ValueError:
        raise _misplaced(key, f"{day!r} is no day") from None
    return Place(site, machine, when, name, kind_of(key), stem_of(key))


def _misplaced(key: str, why: str) -> OtoloopError:
    return OtoloopError(
        f"The key {key!r} is not <site>/<machine>/<yyyy-mm-dd>/<name>: {why}.",
        "Upload the file again under such a key, or use `otoloop add`.",
    )


def kind_of(key: str) -> Kind:
    """What an object is taken for by its name; anything that is no sidecar must prove to be audio."""
    lowered = key.lower()
    return next((kind for suffix, kind in SIDECARS if lowered.endswith(suffix)), "audio")


def stem_of(key: str) -> str:
    """The key without its ending: ``a/b/d/x`` of ``a/b/d/x.wav``, ``x.json``, ``x.wav.json`` and ``x.sensors.csv``."""
    for suffix, _ in SIDECARS:
        if key.lower().endswith(suffix):
            return AUDIO_SUFFIX.sub("", key[: -len(suffix)])
    folder, _, name = key.rpartition("/")
    bare = name.rsplit(".", 1)[0] or name
    return f"{folder}/{bare}" if folder else bare


def time_of(place: Place) -> datetime:
    """When it was recorded as far as the key tells: the day, with the time of day if the name carries one."""
    stamp = _STAMP_IN_NAME.search(place.name)
    if stamp and stamp[1] == place.day.strftime("%Y%m%d"):
        return _at(place.day, stamp[2], stamp[3], stamp[4])
    found = _TIME_IN_NAME.search(place.name)
    return _at(place.day, found[1], found[2], found[3]) if found else _at(place.day, "0", "0", "0")


def _at(day: date, hour: str, minute: str, second: str) -> datetime:
    return datetime.combine(day, time(int(hour), int(minute), int(second)), UTC)


def parse_time(text: str) -> datetime | None:
    """A time as people and recorders write it, or None; without a zone it is taken as UTC."""
    cleaned = text.strip().replace("/", "-").replace("Z", "+00:00")
    cleaned = re.sub(r"^(\d{4})-(\d{1,2})-(\d{1,2})", lambda m: f"{m[1]}-{int(m[2]):02}-{int(m[3]):02}", cleaned)
    cleaned = re.sub(r"([ T])(\d):", r"\g<1>0\2:", cleaned)
    try:
        found = datetime.fromisoformat(cleaned)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def session_of(place: Place, told: str = "") -> str:
    """The recording session: as told, else one machine on one day, with the microphone where it stood."""
    return f"{place.site}/{place.machine}/{told or place.day.isoformat()}"
