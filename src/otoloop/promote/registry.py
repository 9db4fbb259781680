"""The registry on S3: one chain of create-only events, and pointers that any reader derives from it again.

models/<name>/events/<seq>.json           the truth; creating number n + 1 is the lock of whatever it decides
models/<name>/channels/<channel>.json     what a channel serves: a copy for outsiders, repaired by whoever reads
models/<name>/versions/<v>/...            see `otoloop.promote.versions`

Readers need no right to write, writers none to delete.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.errors import OtoloopError
from otoloop.promote import ledger as ledgers
from otoloop.promote import versions
from otoloop.promote.approvers import Approvers
from otoloop.promote.events import BrokenChain, Event, Sign, Type, canonical, make, parse, require_link
from otoloop.store.failures import AlreadyExists, NotFound, StoreError

if TYPE_CHECKING:
    from otoloop.promote.ledger import Ledger
    from otoloop.promote.versions import Manifest
    from otoloop.store.s3 import ObjectStore

BUCKET = "registry"
MODEL = "otoloop"
MANY = 8
"""From so many objects on, reading them by threads pays."""
WAIT_S = 0.02
_EVENT = re.compile(r".*/(\d{10})\.json")


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has a place in the chain."""

    type: Type
    actor: str
    version: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    sign: Sign | None = None


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a channel serves, and the event that says so."""

    channel: str
    version: str
    adapter_sha256: str
    seq: int
    hash: str


class Registry:
    """The chain of one model's versions. May be shared by threads."""

    def __init__(
        self, store: ObjectStore, name: str = MODEL, *, approvers: Callable[[], Approvers] | None = None,
        heard: Callable[[Sequence[Event]], None] | None = None,
    ) -> None:  # fmt: skip
        """See `open_registry`, which checks decisions against the workspace's approvers.

        Args:
            store: where the bucket ``registry`` is.
            name: of the model.
            approvers: whose decisions count; None for a reader that does not ask who decided.
            heard: told of the chain whenever it has grown.
        """
        self.store, self.name = store, name
        self._approvers, self._heard = approvers, heard
        self._events: list[Event] = []
        self._lock = threading.RLock()
        self._meant: tuple[int, Approvers | None, Ledger] | None = None
        self._fit = False

    def key(self, *parts: str) -> str:
        """The key of an object of this model."""
        return "/".join(("models", self.name, *parts))

    # ---- reading -------------------------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """The whole chain, links checked; only what is new is fetched.

        Raises:
            BrokenChain: names the first event that cannot be believed.
            StoreError: the store does not answer.
        """
        with self._lock:
            grown = self._fetch_new()
            if grown and self._heard:
                self._heard(self._events)
            return list(self._events)

    def believed(self) -> list[Event]:
        """What was read so far without finding fault."""
        return list(self._events)

    def stored_versions(self) -> list[str]:
        """Versions that have files in the store, registered or not."""
        return [prefix.split("/")[-2] for prefix in self.store.folders(BUCKET, self.key("versions/"))]

    def _fetch_new(self) -> bool:
        last = len(self._events)
        listed = self.store.list(BUCKET, self.key("events/"), after=self._event_key(last) if last else "")
        numbers = [int(m[1]) for one in listed if (m := _EVENT.fullmatch(one.key))]
        number = last
        for number, raw in enumerate(self._read(range(last + 1, max(numbers, default=last) + 1)), last + 1):
            event = parse(raw, number)
            require_link(self._events[-1] if self._events else None, event)
            self._events.append(event)
        return number > last

    def _read(self, numbers: Sequence[int]) -> Iterator[bytes]:
        """Stored events in their order; a missing one is named when its turn comes."""
        keys, found = [self._event_key(n) for n in numbers], 0
        try:
            for raw in self._get(keys):
                found += 1
                yield raw
        except NotFound:
            raise BrokenChain(numbers[found], "is missing") from None

    def _get(self, keys: Sequence[str]) -> Iterator[bytes]:
        if len(keys) < MANY:
            return (self.store.get(BUCKET, key) for key in keys)
        from otoloop.store.bulk import get_many

        return (data for _, data in get_many(self.store, BUCKET, keys))

    def _event_key(self, seq: int) -> str:
        return self.key("events", f"{seq:010d}.json")

    def head(self) -> tuple[int, str]:
        """Number and hash of the last event; (0, "") of an empty chain."""
        events = self.events()
        return (events[-1].seq, events[-1].hash) if events else (0, "")

    def ledger(self) -> Ledger:
        """What the chain means now; worked out anew when it has grown or other people may decide."""
        events, approvers = self.events(), self._approvers() if self._approvers else None
        if self._meant is None or self._meant[:2] != (len(events), approvers):
            self._meant = (len(events), approvers, ledgers.read(events, approvers))
        return self._meant[2]

    def meaning(self, events: Sequence[Event]) -> Ledger:
        """What a chain means to this reader."""
        return ledgers.read(events, self._approvers() if self._approvers else None)

    # ---- writing -------------------------------------------------------------------------------------------------

    def append(self, type: Type, actor: str, version: str | None = None, **fields: Any) -> Event:
        """Add an event to the end of the chain, whoever else is writing."""
        return self.propose(lambda _: Draft(type, actor, version, fields))

    def propose(self, decide: Callable[[Sequence[Event]], Draft | Event]) -> Event:
        """Add the event that ``decide`` wants after reading the chain; it is asked anew whenever somebody was faster.

        So what it checked still holds at the moment at which its event exists. It may raise to refuse, or return an
        event that is there already.

        Raises:
            OtoloopError: readers would take the event for void.
            StoreError: the store ignores conditional writes, or does not answer.
        """
        self._require_conditions()
        lost = 0
        while True:
            events = self.events()
            wanted = decide(events)
            if isinstance(wanted, Event):
                return wanted
            event = make(
                wanted.type, wanted.actor, wanted.version, wanted.fields, after=events, time=datetime.now(UTC),
                sign=wanted.sign,
            )  # fmt: skip
            self._require_counting(events, event)
            try:
                self.store.create(BUCKET, self._event_key(event.seq), event.to_bytes(), same_ok=True)
                return event
            except AlreadyExists:
                lost += 1
                clock.sleep(random.uniform(0, WAIT_S * min(lost, 10)))

    def _require_counting(self, events: Sequence[Event], event: Event) -> None:
        """What every reader would pass over is not written."""
        if why := self.meaning([*events, event]).void.get(event.seq):
            raise OtoloopError(
                f"The event {event.type!r} by {event.actor} would not count: {why}.",
                "`otoloop promotions list` and `otoloop approver list` show what can be done, and by whom.",
            )

    def _require_conditions(self) -> None:
        """Prove once that the store honours conditional writes."""
        if not self._fit:
            from otoloop.store.probe import probe_conditional_writes

            probe_conditional_writes(self.store, BUCKET)
            self._fit = True

    # ---- pointers ------------------------------------------------------------------------------------------------

    def pointer(self, channel: str) -> Pointer | None:
        """What a channel serves by the chain, None for nothing; the stored pointer is repaired if it lags behind."""
        ledger = self.ledger()
        moved, live = ledger.moved.get(channel), ledger.live(channel)
        if moved is None:
            return None
        found = _pointer(channel, live, moved) if live else None
        self._repair(channel, found, moved)
        return found

    def _repair(self, channel: str, found: Pointer | None, moved: Event) -> None:
        nothing = {"channel": channel, "version": None, "adapter_sha256": None, "seq": moved.seq, "hash": moved.hash}
        wanted = canonical(asdict(found) if found else nothing)
        key = self.key("channels", f"{channel}.json")
        try:
            self._put_pointer(key, wanted, moved.seq)
        except StoreError:
            return  # another reader was faster, or this one may not write: the chain tells the truth all the same

    def _put_pointer(self, key: str, wanted: bytes, seq: int) -> None:
        """Write a pointer unless the stored one is the same, or newer and no lie."""
        try:
            stored, info = self.store.read(BUCKET, key)
        except NotFound:
            self.store.create(BUCKET, key, wanted)
            return
        if stored != wanted and not (_place(stored)[0] > seq and self._has(*_place(stored))):
            self.store.replace(BUCKET, key, wanted, etag=info.etag)

    def _has(self, seq: int, digest: str) -> bool:
        """Whether the chain, read again, has an event with this number and hash."""
        events = self.events()
        return 0 < seq <= len(events) and events[seq - 1].hash == digest

    def stored_pointer(self, channel: str) -> dict[str, Any] | None:
        """The pointer as it lies in the store, right or wrong."""
        try:
            raw = self.store.get(BUCKET, self.key("channels", f"{channel}.json"))
            return dict(json.loads(raw))
        except NotFound:
            return None
        except (ValueError, TypeError):
            return {}

    # ---- versions ------------------------------------------------------------------------------------------------

    def manifest(self, version: str) -> Manifest:
        """What a version is made of, as it was registered; see `versions.manifest`."""
        return versions.manifest(self, version)

    def fetch(self, version: str, folder: Path) -> Path:
        """Download a version's whole bundle into ``folder``; see `versions.fetch`."""
        return versions.fetch(self, version, folder)

    def pack(self, version: str, sha256: str) -> dict[str, Any]:
        """An evidence pack by its hash; see `versions.pack`."""
        return versions.pack(self, version, sha256)


def _pointer(channel: str, live: Event, moved: Event) -> Pointer:
    """To the version that was promoted by ``live``, as of the last move of its channel."""
    return Pointer(channel, str(live.version), str(live.fields.get("adapter_sha256", "")), moved.seq, moved.hash)


def _place(stored: bytes) -> tuple[int, str]:
    """Number and hash of the event that a stored pointer names; (0, "") if it cannot be read."""
    try:
        row = json.loads(stored)
        return int(row["seq"]), str(row["hash"])
    except (ValueError, TypeError, KeyError):
        return 0, ""


def open_registry(workspace: Path) -> Registry:
    """The registry of a workspace; decisions count when a person of its approvers.yaml signed them.

    Raises:
        OtoloopError: the workspace has no store, or it does not run.
    """
    from otoloop import store
    from otoloop.promote import approvers, witness

    return Registry(
        store.connect(workspace), approvers=lambda: approvers.load(workspace),
        heard=lambda events: witness.remember(workspace, events),
    )  # fmt: skip
