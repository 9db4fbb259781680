"""Released audio as the base hears it: as everything else here hears it, and the first 30 seconds only."""

from __future__ import annotations

from typing import Any

import numpy as np

from otoloop.audio.load import load

RATE = 16000
MAX_SECONDS = 30


def wave(data: bytes) -> np.ndarray[Any, Any]:
    """Decode a clip to float32 [T] at 16 kHz, one channel, cut to what the base's window holds."""
    return np.ascontiguousarray(load(data)[: MAX_SECONDS * RATE], dtype=np.float32)
