"""``.otoloop/state.json``: which background parts of a workspace were started, where they listen, whose they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from otoloop.errors import OtoloopError
from otoloop.outs import write_json
from otoloop.settings import state_dir
from otoloop.workspace.lock import hold

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One background process; ``started`` (epoch seconds) tells it from a later process with the same pid."""

    name: str
    pid: int
    pgid: int
    started: float
    log: str
    host: str = LOOPBACK
    port: int | None = None
    url: str | None = None
    ports: Mapping[str, int] = field(default_factory=dict)

    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(float(process.create_time()) - self.started) < 5
            return same and bool(process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False


@dataclass(slots=True)
class State:
    """The file's content: parts by name, and the ports each part had last (kept so that addresses stay the same)."""

    parts: dict[str, Part] = field(default_factory=dict)
    ports: dict[str, dict[str, int]] = field(default_factory=dict)


def load(workspace: Path) -> State:
    """Read the state; an absent file is an empty state.

    Raises:
        OtoloopError: the file is damaged.
    """
    path = workspace / ".otoloop" / "state.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return State({name: Part(**part) for name, part in data["parts"].items()}, data["ports"])
    except FileNotFoundError:
        return State()
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise OtoloopError(
            f"{path} is damaged ({err}).", "Remove it, then run `otoloop down`: it finds what still runs."
        ) from None


@contextmanager
def change(workspace: Path) -> Iterator[State]:
    """Read, let the caller change, and write the state as one step; readers see the old or the new file whole."""
    folder = state_dir(workspace)
    with hold(folder / "state.lock", purpose="write state.json", wait_s=10):
        state = load(workspace)
        yield state
        parts = {name: asdict(part) for name, part in state.parts.items()}
        write_json(folder / "state.json", {"parts": parts, "ports": state.ports})


def running(workspace: Path, name: str) -> Part | None:
    """The part of that name if it runs now."""
    part = load(workspace).parts.get(name)
    return part if part and part.alive() else None
