"""Read an admitted clip for models and pages: 16 kHz, one channel. Not for files of unknown origin (see decode.py)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from otoloop.audio.evidence import RATE, mono
from otoloop.errors import OtoloopError


def load(source: Path | bytes) -> np.ndarray[Any, Any]:
    """Read an admitted clip as float32 [T] at 16 kHz: its loudest channel, resampled.

    Raises:
        OtoloopError: the clip cannot be read; it was damaged after it was admitted.
    """
    import soundfile

    try:
        wave, rate = soundfile.read(io.BytesIO(source) if isinstance(source, bytes) else source, dtype="float32")
    except (soundfile.LibsndfileError, OSError) as err:
        name = f"{len(source)} bytes" if isinstance(source, bytes) else str(source)
        raise OtoloopError(f"An admitted clip cannot be read ({name}): {err}.", "Restore it from the store.") from None
    return mono(wave, int(rate))


def seconds(wave: np.ndarray[Any, Any]) -> float:
    """Length of a loaded clip."""
    return len(wave) / RATE
