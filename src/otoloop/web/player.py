"""Everything that the player of one clip shows: links to its sound, waveform, axes, and claims over the picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.reasoning.judge import ClaimFinding
from otoloop.web.desk import Desk
from otoloop.web.marks import overlay, scale, seconds_scale


def heard(desk: Desk, clip: str, seconds: float, claims: Sequence[ClaimFinding] = ()) -> dict[str, Any]:
    """What ``player.html`` needs; without the sound, ``silent`` says why and the rest of a page still stands."""
    return {
        "clip": clip, "seconds": seconds, "sig": desk.keys.sign("audio", clip), "overlay": overlay(claims, seconds),
        "scale": scale(), "times": seconds_scale(seconds), **_wave(desk, clip),
    }  # fmt: skip


def _wave(desk: Desk, clip: str) -> dict[str, Any]:
    try:
        return {"peaks": json.dumps(desk.sounds.peaks(clip)), "silent": None}
    except OtoloopError as err:
        return {"peaks": None, "silent": err}
