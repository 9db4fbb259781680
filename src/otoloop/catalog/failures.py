"""What can go wrong with the database itself, as one sentence and a remedy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from otoloop.errors import OtoloopError

_OURS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
"""Errors of a statement, not of the database: they are for the program that made it."""
_SQLITE = {
    "SQLITE_FULL": ("cannot be written: its disk is full", "Free some space, then run the same command again."),
    "SQLITE_IOERR": (
        "cannot be read or written: its disk fails",
        "Check that disk; `otoloop doctor` tells of its room.",
    ),
    "SQLITE_BUSY": ("is held by another process", "Wait until that is done, then run the same command again."),
    "SQLITE_READONLY": ("may not be written", "Check the rights of the file and of its folder."),
    "SQLITE_CANTOPEN": ("does not open: no such folder, or no right to it", "Check the path and OTOLOOP_DATABASE_URL."),
    "SQLITE_CORRUPT": ("is damaged", "Restore it from a backup."),
    "SQLITE_NOTADB": ("is no SQLite database", "Restore it from a backup, or correct OTOLOOP_DATABASE_URL."),
}


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn failures of the database in the block into an `OtoloopError` that names it, without its password."""
    try:
        yield
    except _OURS:
        raise
    except DBAPIError as err:
        raise _in_words(url, err) from err


def _in_words(url: URL, err: DBAPIError) -> OtoloopError:
    if url.get_backend_name() != "sqlite":
        shown, said = url.render_as_string(hide_password=True), " ".join(str(err.orig).split())
        message = f"The catalogue at {shown} does not answer: {said.rstrip('.')}."
        return OtoloopError(message, "Check OTOLOOP_DATABASE_URL and that the database is running.")
    name = getattr(err.orig, "sqlite_errorname", "")
    if name.startswith("SQLITE_IOERR") and _full(url.database):
        name = "SQLITE_FULL"
    for start, (state, remedy) in _SQLITE.items():
        if name.startswith(start):
            return OtoloopError(f"The catalogue {url.database} {state}.", remedy)
    return OtoloopError(f"The catalogue {url.database} fails: {err.orig}.", "Check its disk: `otoloop doctor`.")


def _full(file: str | None) -> bool:
    """Whether there is no room for another page of the log: SQLite then speaks of input and output."""
    return bool(file) and shutil.disk_usage(Path(str(file)).parent).free < 2**20
