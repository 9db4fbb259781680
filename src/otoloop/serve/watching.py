"""Follow the pointer of a channel: when it moves, the new version is loaded beside the old one, then they change over.

The pointer's etag is asked for every second; the chain behind it, which also tells of a pointer that nobody repaired
yet, now and then. What cannot be loaded leaves the live version where it is and is tried again.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.promote import bundle
from otoloop.promote.registry import BUCKET, Registry, open_registry
from otoloop.serve.bundles import open_bundle
from otoloop.serve.lineup import Lineup, Version
from otoloop.settings import state_dir

POLL_S = 1.0
CHAIN_S = 15.0
log = logging.getLogger("otoloop.serve")


class Watcher:
    """Keeps a lineup at what its channel's pointer says; ``problem`` tells why it could not, if it could not."""

    def __init__(self, workspace: Path, lineup: Lineup) -> None:
        """Nothing is read before `start` or `look`."""
        self.workspace, self.lineup = workspace, lineup
        self.problem = "the registry was not read yet"
        self.swaps = self.failures = 0
        self._folder = state_dir(workspace) / "serve"
        self._registry: Registry | None = None
        self._etag: str | None = None
        self._chain_read = -CHAIN_S
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="otoloop-watcher", daemon=True)

    def start(self) -> None:
        """Follow in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End following; a load under way is finished first."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(POLL_S)

    def look(self) -> None:
        """One look at the pointer; never raises, since the next look may do better."""
        try:
            if self._moved():
                self._catch_up()
                self.problem = ""
        except Exception as err:
            self._failed(str(err) if isinstance(err, OtoloopError) else f"{type(err).__name__}: {err}")

    def _failed(self, problem: str) -> None:
        """Say it once, forget the connection (the store may have moved), and read the chain again in a while."""
        self.failures += 1
        self._registry = None
        if problem != self.problem:
            log.warning("channel %s: %s", self.lineup.channel, problem)
        self.problem = problem

    def _moved(self) -> bool:
        """Whether there may be something new: another etag, or a while since the chain was read."""
        if self._registry is None:
            self._registry = open_registry(self.workspace)
        key = self._registry.key("channels", f"{self.lineup.channel}.json")
        found = self._registry.store.head(BUCKET, key)
        etag, now = found.etag if found else None, time.monotonic()
        if etag == self._etag and now - self._chain_read < CHAIN_S:
            return False
        self._etag, self._chain_read = etag, now
        return True

    def _catch_up(self) -> None:
        assert self._registry is not None
        pointer, live = self._registry.pointer(self.lineup.channel), self.lineup.live
        if pointer is None:
            if live is not None:
                self.lineup.retreat()
            return
        if live is not None and (live.version, live.sha256) == (pointer.version, pointer.adapter_sha256):
            return
        place = self._folder / f"{pointer.version}-{pointer.adapter_sha256[:8]}"
        found = open_bundle(self._registry, pointer, place, bundle.public_key(self.workspace))
        self.lineup.switch(found.version, found.adapter, found.probe)
        self.swaps += 1
        log.warning("channel %s: %s is live", self.lineup.channel, found.version.name)
        self._tidy(found.version)

    def _tidy(self, live: Version) -> None:
        """Remove the files of versions that are neither live nor the one before."""
        keep = {v.name.split("@")[1] for v in (live, *self.lineup.models())}
        for old in self._folder.iterdir():
            if old.name not in keep:
                shutil.rmtree(old, ignore_errors=True)
