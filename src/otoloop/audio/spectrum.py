"""The spectrum of a clip, its level and its balance. Batch first, numpy or torch (see arrays.py)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from otoloop.audio.arrays import Array, Xp, amax, const, decibel, frames, prominence, sort

RATE = 16000
BANDS = {"low": (0.0, 500.0), "mid": (500.0, 2000.0), "high": (2000.0, 8000.0)}
_MEDIAN_BINS, _GAP_BINS = 21, 4


@dataclass(frozen=True)
class Spectrum:
    """A Welch spectrum and what is read from it.

    ``power`` [B, F] sums to the mean square; ``track`` [B, n, F] is the same over time; ``db`` [B, F] its level;
    ``lines`` [B, F] how far each bin stands over the local floor. ``df`` is Hz a bin, ``size_s`` and ``hop_s`` the
    frames, ``threshold_db`` the height that noise hardly reaches.
    """

    power: Array
    track: Array
    db: Array
    lines: Array
    df: float
    hop_s: float
    size_s: float
    seconds: float
    threshold_db: float


@lru_cache(maxsize=32)
def line_threshold_db(bins: int, averages: float) -> float:
    """Height over the floor that noise passes in one clip of a hundred, plus 2 dB for colour.

    It is the tail of a chi-square with two degrees of freedom an average.
    """
    from scipy.stats import chi2

    dof = 2 * averages
    return float(10 * np.log10(chi2.isf(0.01 / bins, dof) / chi2.median(dof))) + 2.0


def spectrum(x: Array, xp: Xp) -> Spectrum:
    """Welch's averaged periodogram (Welch 1967) of [B, T] at 16 kHz.

    Hann windows of 0.5 s (1.95 Hz bins), 75 % overlap, shorter for short clips (T >= 256).
    """
    n = x.shape[-1]
    size = 8192 if n >= 12288 else 2 ** int(np.log2(n))
    hop = size // 4
    window = np.hanning(size + 1)[:-1]
    spec = xp.fft.rfft(frames(x, size, hop, xp) * const(window, x, xp))
    track = (spec.real**2 + spec.imag**2) * (2.0 / (size * float(np.sum(window**2))))
    power = track.mean(-2)
    db = decibel(power, xp)
    threshold = line_threshold_db(size // 2, max(1.0, 1.8 * n / size - 0.8))
    lines = prominence(db, _MEDIAN_BINS, _GAP_BINS, xp)
    return Spectrum(power, track, db, lines, RATE / size, hop / RATE, size / RATE, n / RATE, threshold)


def balance(s: Spectrum, xp: Xp) -> dict[str, Array]:
    """Band levels [B, 3] in dBFS, centroid [B] with its half-width, flatness [B] (geometric over arithmetic mean)."""
    freq = np.arange(s.power.shape[-1]) * s.df
    masks = np.stack([((freq >= max(lo, s.df)) & (freq < hi)).astype(np.float64) for lo, hi in BANDS.values()], 1)
    axis = const(freq, s.power, xp)
    total = xp.clip(s.power.sum(-1), 1e-20, None)
    centroid = (s.power * axis).sum(-1) / total
    return {
        "bands": decibel(s.power @ const(masks, s.power, xp), xp),
        "centroid": centroid,
        "centroid_u": _wander(s, axis, centroid, xp),
        "flatness": _flatness(s, xp),
    }


def _wander(s: Spectrum, axis: Array, centroid: Array, xp: Xp) -> Array:
    """Twice the standard error of the centroid over time; four overlapping frames count as one."""
    moving = (s.track * axis).sum(-1) / xp.clip(s.track.sum(-1), 1e-20, None)
    spread = ((moving - centroid[..., None]) ** 2).mean(-1) / max(1.0, s.track.shape[-2] / 4)
    return 2.0 * xp.sqrt(spread)


def _flatness(s: Spectrum, xp: Xp) -> Array:
    """Spectral flatness [B] between 100 and 7500 Hz: near 1 for white noise, near 0 for tones."""
    lo, hi = int(100 / s.df), int(7500 / s.df)
    part = xp.clip(s.power[..., lo:hi], 1e-20, None)
    return xp.exp(xp.log(part).mean(-1)) / part.mean(-1)


def levels(x: Array, xp: Xp) -> dict[str, Array]:
    """RMS and peak [B] in dBFS without DC (a full-scale sine has -3.01 RMS), range of half-second levels in dB."""
    centred = x - x.mean(-1)[..., None]
    rms = decibel((centred**2).mean(-1), xp)
    peak = 2 * decibel(amax(xp.abs(x), xp), xp)
    size = min(x.shape[-1], RATE // 2)
    ordered = sort(decibel((frames(centred, size, size, xp) ** 2).mean(-1), xp), xp)
    return {"rms": rms, "peak": peak, "spread": ordered[..., -1] - ordered[..., 0]}
