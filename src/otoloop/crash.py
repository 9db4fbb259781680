"""Planned crashes: a process kills itself at a named place, so that tests can prove that nothing is lost and nothing is done twice."""

from __future__ import annotations

import os
import signal

VARIABLE = "OTOLOOP_CRASH_AT"


def here(name: str) -> None:
    """Die at once, as by ``kill -9``, when the environment asks for a crash at this place; else do nothing."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
