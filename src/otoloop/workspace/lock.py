"""A file lock between processes of one host that says who holds it."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otoloop.errors import OtoloopError, room_for

_held: dict[tuple[str, int], int] = {}
"""How often this thread holds a lock: asking again inside is free."""


@contextmanager
def hold(path: Path, *, purpose: str, wait_s: float) -> Iterator[None]:
    """Hold the lock file at ``path``; the system frees it when the process ends, however it ends.

    Raises:
        OtoloopError: somebody else held it for all of ``wait_s``; names their process and purpose.
    """
    key = (str(path.resolve()), threading.get_ident())
    if key in _held:
        _held[key] += 1
        try:
            yield
        finally:
            _held[key] -= 1
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        _acquire(file.fileno(), path, wait_s)
        with room_for(path):
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "purpose": purpose}))
            file.flush()
        _held[key] = 1
        try:
            yield
        finally:
            del _held[key]


def _acquire(fd: int, path: Path, wait_s: float) -> None:
    """Take the lock or give up after ``wait_s`` seconds."""
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise OtoloopError(
                    f"{path.name} is held by {_holder(path)}.", "Wait until it is done, or end that process."
                ) from None
            time.sleep(0.05)


def _holder(path: Path) -> str:
    """Who wrote the lock file last, in words."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return f"process {data['pid']} ({data['purpose']})"
    except (ValueError, KeyError, OSError):
        return "another process"
