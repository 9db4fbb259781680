"""The error budget of a sealed suite: how often it may be looked at before it must be rotated.

Each look at sealed items lets chance in once more: five uncorrected peeks turn 5 % into about 23 %. So the whole life
of a sealed suite has one alpha, shared evenly among a planned number of looks (Bonferroni). A look is keyed by suite
and adapter: looking again at the same pair learns nothing new and is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from otoloop.errors import OtoloopError

PLANNED_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Look:
    """One look: which sealed suite (digest of its items), which adapter (sha256)."""

    suite: str
    adapter: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to look once: the alpha it may spend, whether it costs anything, and how many looks are left after it."""

    alpha: float
    free: bool
    left: int


def grant(past: Sequence[Look], look: Look, *, alpha: float, planned: int = PLANNED_LOOKS) -> Grant:
    """Leave for one look, or refusal when the suite is used up.

    Args:
        past: all earlier looks, of any suite.
        look: the look asked for.
        alpha: one-sided error of the suite's whole life.
        planned: number of looks that share it.

    Raises:
        OtoloopError: the suite has been looked at ``planned`` times.
    """
    used = {p for p in past if p.suite == look.suite}
    if look in used:
        return Grant(alpha / planned, True, max(0, planned - len(used)))
    if len(used) >= planned:
        raise OtoloopError(
            f"Sealed suite {look.suite[:12]} has been looked at {len(used)} times, as planned.",
            "Rotate it: its items become training items, and newly recorded ones are sealed.",
        )
    return Grant(alpha / planned, False, planned - len(used) - 1)
