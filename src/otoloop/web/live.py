"""What the registry says, as far as it answers: requests with their state, and what each channel serves."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.errors import OtoloopError

if TYPE_CHECKING:
    from otoloop.promote.ledger import Ledger
    from otoloop.promote.registry import Registry


@dataclass(frozen=True, slots=True)
class Place:
    """A channel with the version that it serves, since when, and the request that brought it there."""

    channel: str
    version: str
    since: str
    request: str
    approved_by: str


@dataclass(frozen=True, slots=True)
class Live:
    """The registry in short: requests as `otoloop promotions list` shows them, newest first.

    ``trouble`` says why it could not be read.
    """

    requests: Sequence[Mapping[str, Any]] = ()
    places: Sequence[Place] = ()
    trouble: OtoloopError | None = None

    def of(self, *states: str) -> list[Mapping[str, Any]]:
        """Requests in one of these states."""
        return [r for r in self.requests if r["state"] in states]


@dataclass(slots=True)
class Watched:
    """One registry for all pages: what was read of the chain is kept, only what is new is fetched."""

    workspace: Path
    _registry: Registry | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def registry(self) -> Registry:
        """The registry.

        Raises:
            OtoloopError: the store does not run.
        """
        from otoloop.promote.registry import open_registry

        with self._lock:
            if self._registry is None:
                self._registry = open_registry(self.workspace)
            return self._registry

    def ledger(self) -> Ledger:
        """What the chain means now; an embedded store that came back on another port is found again.

        Raises:
            OtoloopError: the store does not answer, or the chain is broken.
        """
        try:
            return self.registry().ledger()
        except OtoloopError:
            with self._lock:
                self._registry = None
            raise

    def look(self) -> Live:
        """Requests and channels; never an exception, so that the home page stands also without the store."""
        from otoloop.promote.ledger import row

        try:
            ledger = self.ledger()
        except OtoloopError as err:
            return Live(trouble=err)
        now = datetime.now(UTC)
        return Live([row(r, now) for r in reversed(list(ledger.requests.values()))], _places(ledger))


def _places(ledger: Ledger) -> list[Place]:
    from otoloop.promote.ledger import CHANNELS

    found = []
    for channel in CHANNELS:
        event = ledger.live(channel)
        if event is not None:
            request = ledger.requests.get(event.request)
            by = request.decision.actor if request and request.decision else ""
            found.append(Place(channel, str(event.version), ledger.moved[channel].time, event.request, by))
    return found
