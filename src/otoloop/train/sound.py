"""Released audio as the base hears it: 16 kHz, one channel, the first 30 seconds."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

RATE = 16000
MAX_SECONDS = 30


def wave(data: bytes) -> NDArray[np.float32]:
    """Decode FLAC bytes of a release: mean over channels, resampled, cut to what the base's window holds."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    mono = samples[: MAX_SECONDS * rate].mean(axis=1)
    return np.ascontiguousarray(soxr.resample(mono, rate, RATE) if rate != RATE else mono, dtype=np.float32)
