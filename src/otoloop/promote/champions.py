"""The champion: the version that candidates are compared with, and its adapter for the next cycle's inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from otoloop.promote.registry import open_registry
from otoloop.promote.versions import ADAPTER
from otoloop.release.cycle import BaseRef
from otoloop.settings import Settings


@dataclass(frozen=True, slots=True)
class Champion:
    """A live version: its adapter's digest, the base it belongs to, and the cycle that made it."""

    version: str
    sha256: str
    base: BaseRef
    cycle: int

    def to_json(self) -> dict[str, Any]:
        """As inputs/cycle.yaml names it."""
        return asdict(self)


def current(workspace: Path) -> Champion | None:
    """What serves production, else what serves the pilot; None while nothing is live, or where there is no store.

    Raises:
        OtoloopError: the workspace has a store, but its registry cannot be read: a candidate would be compared with
            nothing.
    """
    if not (Settings().s3_endpoint or (workspace / ".otoloop" / "s3").is_dir()):
        return None
    registry = open_registry(workspace)
    version = registry.ledger().champion()
    if version is None:
        return None
    found = registry.manifest(version)
    return Champion(version, found.adapter_sha256, found.base, found.cycle)


@contextmanager
def files(workspace: Path, champion: Champion | None) -> Iterator[Path | None]:
    """The champion's adapter in a folder that lasts as long as the block; None for no champion."""
    if champion is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as place:
        yield open_registry(workspace).fetch(champion.version, Path(place) / champion.version) / ADAPTER
