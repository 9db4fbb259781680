"""Facts measured from a sound by signal processing, each with an honest uncertainty and whether to believe it.

``measure_batch`` works on many clips at once in numpy or torch (also on a GPU) with the same code; ``measure`` is one
clip in numpy. Everything is measured at 16 kHz. Uncertainties are half-widths that hold in about 95 % of cases (GUM,
k = 2). A fact that does not stand out of the noise has ``reliable=False``; what could not be measured has
``value=None``. Silence has a level only. Levels are in dB of full scale after DC was taken off.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from otoloop.audio import envelope, lines, moving, spectrum
from otoloop.audio.arrays import Array, Xp, is_torch, lists
from otoloop.audio.facts import KEYS, facts_of
from otoloop.errors import OtoloopError
from otoloop.records import Evidence, Measured

RATE = spectrum.RATE
MIN_SECONDS = 0.1
_CHUNK = {"numpy": 16, "torch": 1024}

__all__ = ["KEYS", "MIN_SECONDS", "RATE", "measure", "measure_batch", "mono"]


def measure_batch(waves: Array, rate: int, xp: Xp) -> list[dict[str, Measured]]:
    """Measure mono clips of equal length.

    Args:
        waves: float32 [B, T] in -1..1, finite, T at least 0.1 s.
        rate: 16000; other rates belong to :func:`measure`, which resamples.
        xp: the module numpy or torch, whichever ``waves`` belongs to.

    Raises:
        OtoloopError: the rate is not 16 kHz, or the clips are shorter than 0.1 s.
    """
    seconds = waves.shape[-1] / RATE
    if rate != RATE:
        raise OtoloopError(f"measure_batch works at {RATE} Hz, not {rate}.", "Resample first, or use measure().")
    if seconds < MIN_SECONDS:
        raise OtoloopError(f"A clip of {seconds:.3f} s is too short to measure.", f"Give at least {MIN_SECONDS} s.")
    size = _CHUNK["torch" if is_torch(xp) else "numpy"]
    if seconds > 30:
        size = max(1, int(size * 30 / seconds / 8))
    out: list[dict[str, Measured]] = []
    for start in range(0, waves.shape[0], size):
        features = _features(waves[start : start + size], xp)
        names = list(features)
        rows = zip(*features.values(), strict=True)
        out.extend(facts_of(dict(zip(names, row, strict=True)), seconds) for row in rows)
    return out


def measure(wave: np.ndarray, rate: int) -> Evidence:
    """Measure one clip: [T] or [T, C] at any rate; of several channels the loudest is taken, other rates are resampled.

    Raises:
        OtoloopError: samples are not finite, or the clip is shorter than 0.1 s.
    """
    return measure_batch(mono(wave, rate)[None], RATE, np)[0]


def mono(wave: np.ndarray, rate: int) -> np.ndarray:
    """Bring [T] or [T, C] float samples to 16 kHz mono float32: the loudest channel, resampled by soxr.

    Raises:
        OtoloopError: samples are not finite.
    """
    x = np.asarray(wave, dtype=np.float32)
    if not np.isfinite(x).all():
        raise OtoloopError("The clip has samples that are not finite.", "Record it again or repair the file.")
    if x.ndim == 2:
        x = x[:, int(np.argmax(np.var(x, axis=0)))]
    if rate != RATE:
        import soxr

        x = soxr.resample(x, rate, RATE).astype(np.float32)
    return x


def _features(x: Array, xp: Xp) -> dict[str, list[Any]]:
    """Measure all features of a chunk [B, T]: plain lists of length B."""
    n = x.shape[-1]
    x = x - x.mean(-1)[..., None]
    s, full = spectrum.spectrum(x, xp), xp.fft.rfft(x)
    above = envelope.high_passed(full, n, 1000.0, xp)
    groups: dict[str, dict[str, Array]] = {
        "level": spectrum.levels(x, xp),
        "balance": spectrum.balance(s, xp),
        "tone": lines.tones(s, xp),
        "move": moving.moving(x, xp),
        "f0": lines.fundamental(s, xp),
        "hum": lines.hum(s, xp),
        "impact": envelope.impacts(full, n, xp),
        "thud": envelope.thuds(full, n, xp),
        "mod": envelope.modulation(full, n, xp),
        "kurt": {"plain": envelope.kurtosis(above, xp), "local": envelope.local_kurtosis(above, xp)},
    }
    features = {f"{group}.{name}": lists(value) for group, rows in groups.items() for name, value in rows.items()}
    return features | {"df": [s.df] * x.shape[0]}
