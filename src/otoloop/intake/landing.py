"""Where bytes of unknown origin land: a folder only this user may read, emptied after every batch and every start."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from otoloop.audio.refusals import refuse
from otoloop.catalog.tables import DeliveryRow
from otoloop.errors import room_for
from otoloop.params import IntakeParams
from otoloop.records import Verdict
from otoloop.settings import state_dir
from otoloop.store.failures import NotFound
from otoloop.store.s3 import ObjectStore

HOLD_BYTES = 16 * 2**20
"""Objects up to this size are read at once; larger ones go to the disk piece by piece."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A file that landed, with the object's metadata: when it was recorded, and in which session, if that is told."""

    delivery: DeliveryRow
    path: Path
    metadata: Mapping[str, str]

    @property
    def recorded_at(self) -> str:
        """ISO 8601; empty where nothing tells."""
        return self.metadata.get("recorded-at", "")

    @property
    def session(self) -> str:
        """The session of its machine; empty where machine and day are the session."""
        return unquote(self.metadata.get("recording-session", ""))


class Gone(Exception):
    """The object that was listed is no longer there, or holds other bytes now."""


class Landing:
    """The landing area of a workspace."""

    def __init__(self, workspace: Path, store: ObjectStore, params: IntakeParams) -> None:
        self.folder = state_dir(workspace) / "landing"
        self.store, self.params = store, params

    def clear(self) -> None:
        """Remove what a killed run left behind."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with room_for(self.folder):
            self.folder.mkdir(mode=0o700)

    def fetch(self, row: DeliveryRow) -> Landed | Verdict | None:
        """Bring an object here; a refusal when it is too large, None when it is gone.

        Raises:
            OtoloopError: the store failed, or there is no room here.
        """
        limit = self.params.max_mb * 2**20
        if row.size > limit:
            message = f"The file has {row.size / 2**20:.1f} MB; at most {self.params.max_mb:g} MB are taken."
            return refuse("too_large", message)
        path = self.folder / str(row.id)
        try:
            with room_for(self.folder):
                return Landed(row, path, self._copy(row, path))
        except (NotFound, Gone):
            path.unlink(missing_ok=True)
            return None

    def _copy(self, row: DeliveryRow, path: Path) -> Mapping[str, str]:
        """Write the object's bytes to ``path`` and return its metadata; they must be those that were listed."""
        if row.size <= HOLD_BYTES:
            data, info = self.store.read(row.bucket, row.key)
            path.write_bytes(data)
            return self._checked(row, info.etag, info.metadata)
        before = self.store.head(row.bucket, row.key)
        if before is None:
            raise Gone
        self.store.download(row.bucket, row.key, path)
        after = self.store.head(row.bucket, row.key)
        return self._checked(row, after.etag if after else "", before.metadata)

    @staticmethod
    def _checked(row: DeliveryRow, etag: str, metadata: Mapping[str, str]) -> Mapping[str, str]:
        if etag != row.version:
            raise Gone
        return metadata

    def drop(self, landed: Landed) -> None:
        """Remove a file that was dealt with."""
        landed.path.unlink(missing_ok=True)
