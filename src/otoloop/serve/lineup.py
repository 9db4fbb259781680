"""Which versions are loaded, which one is live, and which ones somebody still waits for.

The live version changes by one assignment. The one before it stays loaded, so that going back takes no time; others
are unloaded when the last question that began with them is answered.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.errors import OtoloopError
from otoloop.evaluate.probe import Probe
from otoloop.serve.refusals import Refusal

if TYPE_CHECKING:
    import numpy as np

    from otoloop.promote.versions import Manifest
    from otoloop.serve.engine import Engine, OnText, Question

ALIAS = "otoloop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A registered adapter; ``sha256`` is that of its registration, ``base_sha256`` of the base it belongs to."""

    version: str
    sha256: str
    base: str
    base_sha256: str
    release: str = ""
    cycle: int = 0

    @classmethod
    def of(cls, manifest: Manifest) -> Version:
        """The version that a manifest registers."""
        base = manifest.base
        return cls(
            version=manifest.version, sha256=manifest.adapter_sha256, base=base.name, base_sha256=base.sha256,
            release=manifest.release, cycle=manifest.cycle,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """The name it is served by, which never means another adapter: ``otoloop@v12-0a1b2c3d``."""
        return f"{ALIAS}@{self.version}-{self.sha256[:8]}"


class Lineup:
    """The versions of one channel; safe to share between threads."""

    def __init__(self, channel: str, open_engine: Callable[[], Engine]) -> None:
        """``open_engine`` is called when the first version comes: a gateway without one needs no base in memory."""
        self.channel = channel
        self._open_engine = open_engine
        self._engine: Engine | None = None
        self._loaded: dict[str, Version] = {}
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._switching = threading.Lock()
        self.live: Version | None = None
        self.previous: Version | None = None

    @property
    def engine(self) -> Engine:
        """What answers; there is one as soon as a version is live."""
        assert self._engine is not None, "a version is live"
        return self._engine

    def close(self) -> None:
        """End the engine."""
        if self._engine is not None:
            self._engine.close()

    def models(self) -> list[Version]:
        """Versions that can be asked for by name, the live one first."""
        with self._lock:
            kept = [v for v in (self.live, self.previous) if v is not None]
        return kept

    def waiting(self) -> int:
        """Questions in the queue."""
        return self._engine.waiting if self._engine else 0

    def switch(self, version: Version, folder: Path, probe: Probe) -> None:
        """Make a version live: load and probe it while the present one goes on answering, then change over.

        Raises:
            OtoloopError: it belongs to another base, its files are not servable, or its probe fails; nothing changed.
        """
        with self._switching:
            if version.name not in self._loaded:
                self._load(version, folder, probe)
            with self._lock:
                if self.live != version:
                    self.previous, self.live = self.live, version
            self._retire()

    def _load(self, version: Version, folder: Path, probe: Probe) -> None:
        if self._engine is None:
            self._engine = self._open_engine()
        engine = self._engine
        if version.base_sha256 != engine.base.sha256:
            raise OtoloopError(
                f"{version.name} belongs to base {version.base} ({version.base_sha256[:12]}), and this gateway has"
                f" {engine.base.name} ({engine.base.sha256[:12]}).",
                "Set base in params.yaml to the version's base and start the gateway again.",
            )
        engine.do(lambda: engine.shelf.add(version.name, folder, probe))
        with self._lock:
            self._loaded[version.name] = version

    def retreat(self) -> None:
        """Nothing is live any more: the channel was rolled back to before its first version."""
        with self._lock:
            self.previous, self.live = self.live, None

    def ask(
        self, model: str, prompt: str, wave: np.ndarray[Any, Any], limit: int, on_text: OnText | None = None
    ) -> tuple[Version, Question]:
        """Queue a question for the version that ``model`` means now; it stays loaded until the answer is settled.

        Raises:
            Refusal: 503 when nothing is live or the queue is full, 404 when no such version is served, 400 when the
                prompt is too long.
        """
        with self._lock:
            version = self._meant(model)
            self._held[version.name] += 1
        try:
            question = self.engine.ask(prompt, wave, version.name, limit, on_text)
        except BaseException:
            self._give_back(version)
            raise
        question.answer.add_done_callback(lambda _: self._give_back(version))
        return version, question

    def meant(self, model: str) -> Version:
        """The version that a request's ``model`` means now; raises as `ask` does."""
        with self._lock:
            return self._meant(model)

    def require_room(self) -> None:
        """Refuse early when the queue is full; see `Engine.require_room`."""
        if self._engine is not None:
            self._engine.require_room()

    def _give_back(self, version: Version) -> None:
        with self._lock:
            self._held[version.name] -= 1
            idle = not self._held[version.name] and version not in (self.live, self.previous)
        if idle:  # not here: this may be the engine's own thread
            threading.Thread(target=self._retire_idle, name="otoloop-retire", daemon=True).start()

    def _meant(self, model: str) -> Version:
        if self.live is None:
            raise Refusal(
                503, "no_model", f"No version is live in channel {self.channel}.",
                "Approve one with `otoloop promotions approve`, or wait until it is loaded.", "model",
            )  # fmt: skip
        if model in (ALIAS, self.channel):
            return self.live
        named = next((v for v in (self.live, self.previous) if v and v.name == model), None)
        if named is None:
            raise Refusal(
                404, "model_not_found", f"There is no model {model[:80]!r} here.",
                f"Use {ALIAS!r} for the live one; /v1/models lists those that are loaded.", "model",
            )  # fmt: skip
        return named

    def _retire_idle(self) -> None:
        with self._switching, suppress(Refusal):  # an engine that closes unloads all
            self._retire()

    def _retire(self) -> None:
        """Unload what is neither live nor the one before, and that nobody waits for."""
        with self._lock:
            keep = {v.name for v in (self.live, self.previous) if v}
            old = [name for name in self._loaded if name not in keep and not self._held[name]]
            for name in old:
                del self._loaded[name]
        for name in old:
            self.engine.do(lambda name=name: self.engine.shelf.remove(name))  # type: ignore[misc]
