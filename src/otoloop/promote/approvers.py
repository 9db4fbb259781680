"""Who may decide: approvers.yaml in the workspace, under git, with public keys; the private key is the approver's own.

approvers:
- {name: kim, public_key: <base64 of the 32 bytes>, added: 2026-01-05T..., expires: 2027-01-05T..., revoked: null}

Entries are never removed: decisions made with a key that was valid at the time stay valid. The same key may stand in
several entries, each with its own time: it counts whenever one of them does. An entry that expired or was revoked never
counts again; renewing a key, or taking a revoked one back, is a new entry.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from otoloop.errors import OtoloopError
from otoloop.outs import replacing
from otoloop.promote import keys
from otoloop.promote.events import Event

FILE = "approvers.yaml"
_HEAD = "# Who may approve. Written by `otoloop approver`; never remove an entry: revoke it, or its decisions become void.\n"


@dataclass(frozen=True, slots=True)
class Approver:
    """One key of one person, and from when to when it counts."""

    name: str
    public_key: str
    added: datetime
    expires: datetime
    revoked: datetime | None = None

    def valid(self, at: datetime) -> bool:
        """Whether the key counts at a moment."""
        return self.added <= at < min(self.expires, self.revoked or self.expires)

    def signed(self, event: Event) -> bool:
        """Whether the event's signature was made with this key."""
        return event.signature is not None and keys.verifies(self.public_key, event.hash, event.signature)


@dataclass(frozen=True, slots=True)
class Approvers:
    """Everybody who may or might decide."""

    entries: Sequence[Approver] = ()

    def named(self, name: str) -> list[Approver]:
        """The keys of a person, oldest first."""
        return [e for e in self.entries if same_person(e.name, name)]

    def valid(self, name: str, at: datetime) -> Approver | None:
        """The newest key of a person that counts at a moment."""
        return next((e for e in reversed(self.named(name)) if e.valid(at)), None)

    def objection(self, event: Event) -> str | None:
        """Why an event's signature does not make it a decision, None if it does."""
        mine = self.named(event.actor)
        if not mine:
            return f"{event.actor} is no registered approver"
        signers = [e for e in mine if e.signed(event)]
        if not signers:
            return f"its signature is not {event.actor}'s"
        if not any(e.valid(event.at) for e in signers):
            return f"{event.actor}'s key did not count at that time: it was not registered yet, expired or revoked"
        return None


def same_person(one: str, other: str) -> bool:
    """Whether two names mean one person: case, width and surrounding space do not make another."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


def load(workspace: Path) -> Approvers:
    """Read approvers.yaml; an absent file means nobody.

    Raises:
        OtoloopError: it is damaged.
    """
    path = workspace / FILE
    if not path.is_file():
        return Approvers()
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, TypeError, KeyError, ValueError, AttributeError) as err:
        raise OtoloopError(f"{path} is damaged: {err}.", f"Restore it: `git checkout -- {FILE}`.") from None


@lru_cache(maxsize=4)
def _parse(text: str) -> Approvers:
    """Readers ask every few seconds: the same text is parsed once."""
    rows = yaml.safe_load(text)["approvers"]
    return Approvers([_approver(row) for row in rows])


def _approver(row: dict[str, Any]) -> Approver:
    ends = row.get("revoked")
    return Approver(
        str(row["name"]), str(row["public_key"]), _moment(row["added"]), _moment(row["expires"]), ends and _moment(ends)
    )


def _moment(text: Any) -> datetime:
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


def save(workspace: Path, entries: Iterable[Approver]) -> None:
    """Write approvers.yaml."""
    rows = [{k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(entry).items()} for entry in entries]
    with replacing(workspace / FILE) as draft:
        text = yaml.safe_dump({"approvers": rows}, sort_keys=False, allow_unicode=True)
        draft.write_text(_HEAD + text, encoding="utf-8")


def revoked(entries: Iterable[Approver], name: str, at: datetime) -> list[Approver]:
    """The entries with every key of a person that still counts revoked."""
    return [replace(e, revoked=at) if same_person(e.name, name) and e.valid(at) else e for e in entries]
