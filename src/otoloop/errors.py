"""The one exception users see: what is wrong, with the value, and what to do about it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = {
    errno.ENOSPC: "its disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "files may not grow that large here (ulimit -f)",
}


class OtoloopError(Exception):
    """A refusal or failure to show to a person as one sentence and a remedy (exit code 1)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


@contextmanager
def room_for(place: Path) -> Iterator[None]:
    """Say what could not be written, and why, when the disk has no room for what the block writes."""
    try:
        yield
    except OSError as err:
        if err.errno not in FULL:
            raise
        raise of_system(err, place) from err


def of_system(err: OSError, place: Path | None = None) -> OtoloopError:
    """What the operating system refused, as one sentence; ``place`` where the error itself names no file."""
    where = place or err.filename or "a file"
    if err.errno in FULL:
        return OtoloopError(
            f"Could not write {where}: {FULL[err.errno]}.", "Free some space, then run the same command again."
        )
    return OtoloopError(f"{where}: {err.strerror or err}.", "Check the path and your rights to it.")
