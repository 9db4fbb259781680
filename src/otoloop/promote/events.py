"""One event: what happened to a model's version, who did it, and the hash of the event before. No store, no clock.

An event is stored as canonical JSON (RFC 8785) of one flat object, so that there is one way only to write it down:

    {seq, prev_hash, hash, id, type, actor, time, version, ...fields of its type, signature?}

``hash`` is the sha256 of the canonical JSON without ``hash`` and ``signature``; ``id`` is random, so that two writers
never make the same event.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, get_args

import rfc8785

from otoloop.errors import OtoloopError

Type = Literal[
    "register", "request", "approve", "reject", "promote", "rollback", "look", "rotate", "erase", "code"
]  # fmt: skip
TYPES: tuple[str, ...] = get_args(Type)
DECISIONS = ("approve", "reject")
BEFORE_ALL = "0" * 64
"""``prev_hash`` of the first event."""

_OWN = ("seq", "prev_hash", "hash", "id", "type", "actor", "time", "version", "signature")

Sign = Callable[[str], str]
"""From an event's hash to its signature."""


class BrokenChain(OtoloopError):
    """The chain cannot be believed from event ``seq`` on."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(
            f"The registry's event {seq} {why}.",
            "Run `otoloop audit verify`; nothing is promoted before the event is restored from a backup.",
        )
        self.seq, self.why = seq, why


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One link of the chain; ``fields`` holds what only its type has."""

    seq: int
    prev_hash: str
    type: str
    actor: str
    time: str
    version: str | None
    id: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    hash: str = ""
    signature: str | None = None

    @property
    def at(self) -> datetime:
        """When it happened, by its writer's clock."""
        return datetime.fromisoformat(self.time)

    @property
    def channel(self) -> str:
        """The channel that it concerns, empty if none."""
        return str(self.fields.get("channel", ""))

    @property
    def request(self) -> str:
        """The request that it decides or carries out, empty if none."""
        return str(self.fields.get("request", ""))

    @property
    def reason(self) -> str:
        """Why, in its actor's words."""
        return str(self.fields.get("reason", ""))

    def to_json(self) -> dict[str, Any]:
        """The flat object."""
        row = {**self.fields, **{name: getattr(self, name) for name in _OWN}}
        return row if self.signature else {k: v for k, v in row.items() if k != "signature"}

    def to_bytes(self) -> bytes:
        """The stored form."""
        return canonical(self.to_json())


def make(
    type: Type, actor: str, version: str | None, fields: Mapping[str, Any], *, after: Sequence[Event], time: datetime,
    sign: Sign | None = None,
) -> Event:  # fmt: skip
    """The event that would follow ``after``; fields that are None are left out."""
    told = {k: v for k, v in fields.items() if v is not None}
    clash = set(told) & set(_OWN)
    if clash:
        raise ValueError(f"fields of the event itself: {sorted(clash)}")
    last = after[-1] if after else None
    event = Event(
        seq=last.seq + 1 if last else 1, prev_hash=last.hash if last else BEFORE_ALL, type=type, actor=actor,
        time=time.isoformat(), version=version, id=uuid.uuid4().hex, fields=told,
    )  # fmt: skip
    event = replace(event, hash=digest(event))
    return replace(event, signature=sign(event.hash)) if sign else event


def digest(event: Event) -> str:
    """The hash that an event must carry."""
    return sha256(canonical({k: v for k, v in event.to_json().items() if k not in ("hash", "signature")}))


def parse(raw: bytes, seq: int) -> Event:
    """Read a stored event.

    Raises:
        BrokenChain: it is not canonical JSON, is no event, is not number ``seq``, or its hash is not that of its content.
    """
    try:
        row = json.loads(raw)
        event = Event(
            **{k: row[k] for k in _OWN if k != "signature"}, signature=row.get("signature"),
            fields={k: v for k, v in row.items() if k not in _OWN},
        )  # fmt: skip
        sound = event.to_bytes() == raw and bool(event.at.tzinfo)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BrokenChain(seq, "is no event") from None
    if not sound:
        raise BrokenChain(seq, "is no event in canonical form")
    if event.seq != seq or event.type not in TYPES:
        raise BrokenChain(seq, f"says that it is a {event.type} with number {event.seq}")
    if event.hash != digest(event):
        raise BrokenChain(seq, "was changed: its hash is not that of its content")
    return event


def parse_any(raw: bytes) -> Event:
    """Read a stored event wherever it lies in its chain; see `parse`."""
    try:
        seq = int(json.loads(raw)["seq"])
    except (ValueError, TypeError, KeyError):
        seq = 0
    return parse(raw, seq)


def require_link(before: Event | None, event: Event) -> None:
    """Check that an event follows another.

    Raises:
        BrokenChain: it names another predecessor.
    """
    if event.prev_hash != (before.hash if before else BEFORE_ALL):
        raise BrokenChain(event.seq, "does not continue the event before it")


def canonical(data: Any) -> bytes:
    """Canonical JSON (RFC 8785) of a value; refuses NaN."""
    return rfc8785.dumps(data)


def sha256(data: bytes) -> str:
    """Hex digest of bytes."""
    return hashlib.sha256(data).hexdigest()
