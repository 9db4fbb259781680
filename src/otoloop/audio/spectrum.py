"""What the spectrum of a clip says: level, balance, tones, mains hum. Batch first, numpy or torch (see arrays.py)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from otoloop.audio.arrays import Array, Xp, amax, comb_score, const, decibel, frames, is_torch, parabola, pick, prominence, sort

RATE = 16000
BANDS = {"low": (0.0, 500.0), "mid": (500.0, 2000.0), "high": (2000.0, 8000.0)}
MAX_TONES = 5
_MEDIAN_BINS, _GAP_BINS = 21, 4
_MASK_BINS = 8  # Hann sidelobes of a strong line must not become lines of their own


@dataclass(frozen=True)
class Spectrum:
    """Power per bin. ``power`` [B, F] (sums to the mean square), ``track`` [B, n, F] over time, ``df`` Hz a bin, ``hop_s``, ``size_s``."""

    power: Array
    track: Array
    df: float
    hop_s: float
    size_s: float
    threshold_db: float
    seconds: float


@lru_cache(maxsize=32)
def line_threshold_db(bins: int, averages: float) -> float:
    """Prominence that noise passes in one clip of a hundred: the chi-square tail of a Welch estimate, plus 2 dB for coloured noise."""
    from scipy.stats import chi2

    dof = 2 * averages
    return float(10 * np.log10(chi2.isf(0.01 / bins, dof) / chi2.median(dof))) + 2.0


def spectrum(x: Array, xp: Xp) -> Spectrum:
    """Welch's averaged periodogram (Welch 1967) of [B, T] at 16 kHz: Hann, 0.5 s (1.95 Hz bins), 75 % overlap, shorter for short clips (T >= 256)."""
    n = x.shape[-1]
    size = 8192 if n >= 12288 else 2 ** int(np.log2(n))
    hop = size // 4
    window = np.hanning(size + 1)[:-1]
    spec = xp.fft.rfft(frames(x, size, hop, xp) * const(window, x, xp))
    track = (spec.real**2 + spec.imag**2) * (2.0 / (size * float(np.sum(window**2))))
    averages = max(1.0, 1.8 * n / size - 0.8)
    df = RATE / size
    return Spectrum(track.mean(-2), track, df, hop / RATE, size / RATE, line_threshold_db(size // 2, averages), n / RATE)


def balance(s: Spectrum, xp: Xp) -> dict[str, Array]:
    """Band levels [B, 3] (dBFS), centroid [B] and its half-width, flatness [B] (geometric over arithmetic mean, 100..7500 Hz)."""
    freq = np.arange(s.power.shape[-1]) * s.df
    masks = np.stack([((freq >= max(lo, s.df)) & (freq < hi)).astype(np.float64) for lo, hi in BANDS.values()], 1)
    bands = decibel(s.power @ const(masks, s.power, xp), xp)
    axis = const(freq, s.power, xp)
    total = xp.clip(s.power.sum(-1), 1e-20, None)
    centroid = (s.power * axis).sum(-1) / total
    moving = (s.track * axis).sum(-1) / xp.clip(s.track.sum(-1), 1e-20, None)
    spread = xp.sqrt(((moving - centroid[..., None]) ** 2).mean(-1) / max(1.0, s.track.shape[-2] / 4))
    lo, hi = int(100 / s.df), int(7500 / s.df)
    part = xp.clip(s.power[..., lo:hi], 1e-20, None)
    flat = xp.exp(xp.log(part).mean(-1)) / part.mean(-1)
    return {"bands": bands, "centroid": centroid, "centroid_u": 2 * spread, "flatness": flat}


def tones(s: Spectrum, xp: Xp) -> dict[str, Array]:
    """The five most prominent lines: ``f`` [B, 5] Hz, ``level`` dB over the local floor (-1 where none), ``start``/``end`` s.

    A line is a local maximum of the Welch spectrum that stands over the running-median floor on both sides; its frequency is
    refined by a parabola; it is on while its bin stays within 6 dB of its loudest moment.
    """
    db = decibel(s.power, xp)
    lines = prominence(db, _MEDIAN_BINS, _GAP_BINS, xp)
    local = amax(frames(xp.concatenate((db[..., :1], db, db[..., -1:]), -1), 3, 1, xp), xp)
    axis = const(np.arange(db.shape[-1]), db, xp)
    audible = const((np.arange(db.shape[-1]) * s.df >= 18.0).astype(np.float32), db, xp) > 0
    left = xp.where((db >= local) & audible & (lines > s.threshold_db), lines, 0.0 * lines - 1.0)
    found = []
    for _ in range(MAX_TONES):
        best = xp.argmax(left, -1)
        level = pick(left, best, xp)
        start, end = _presence(s, best, xp)
        found.append(((best + parabola(db, best, xp)) * s.df, level, start, end))
        left = xp.where(xp.abs(axis - best[..., None]) <= _MASK_BINS, 0.0 * left - 1.0, left)
    return {k: xp.stack([row[i] for row in found], -1) for i, k in enumerate(("f", "level", "start", "end"))}


def _presence(s: Spectrum, index: Array, xp: Xp) -> tuple[Array, Array]:
    """Start and end [B] in seconds of the line at bin ``index``: the first and last frame within 6 dB of the loudest."""
    last = s.power.shape[-1] - 1
    count = s.track.shape[-2]
    level: Array = 0.0
    for step in (-1, 0, 1):
        at = xp.clip(index + step, 0, last)
        level = level + pick(s.track, at[..., None] + const(np.zeros(count, int), index, xp), xp)
    on = (level >= amax(level, xp, True) / 4) * const(np.ones(count), s.power, xp)
    steps = const(np.arange(count, dtype=np.float64), s.power, xp)
    first, final = count - 1 - amax(on * (count - 1 - steps), xp), amax(on * steps, xp)
    half = s.size_s / 2
    start = xp.where(first > 0, first * s.hop_s + half - s.hop_s / 2, 0.0 * first)
    end = xp.where(final < count - 1, final * s.hop_s + half + s.hop_s / 2, 0.0 * final + s.seconds)
    return start, end


def fundamental(s: Spectrum, xp: Xp) -> dict[str, Array]:
    """The spacing of the strongest harmonic series: ``f0`` [B] Hz (20..500), ``score`` dB, ``lines``: how many of the first four stand out."""
    db = decibel(s.power, xp)
    lines = prominence(db, _MEDIAN_BINS, _GAP_BINS, xp)
    rates = np.arange(20.0, 500.0, s.df / 4)
    score = comb_score(lines, s.df, rates, 5, 15.0, xp)
    best = xp.argmax(score, -1)
    f0 = const(rates, s.power, xp)[best]
    total: Array = 0.0
    weights: Array = 0.0
    present: Array = 0.0
    for k in (1, 2, 3, 4):
        at, height = _nearest_peak(lines, f0 * k / s.df, xp)
        good = (height > s.threshold_db) * (0.0 * f0 + 1.0)
        present = present + good
        total = total + good * k * (at + parabola(db, at, xp)) * s.df
        weights = weights + good * k * k
    refined = xp.where(weights > 0, total / xp.clip(weights, 1.0, None), f0)
    return {"f0": refined, "score": amax(score, xp), "lines": present, "first": _nearest_peak(lines, refined / s.df, xp)[1]}


def _nearest_peak(lines: Array, where: Array, xp: Xp) -> tuple[Array, Array]:
    """The highest of the three bins around position ``where`` [B] (in bins): its index and height."""
    last = lines.shape[-1] - 1
    centre = xp.round(where)
    centre = xp.clip(centre.to(xp.int64) if is_torch(xp) else centre.astype(np.int64), 1, last - 1)
    around = xp.stack([pick(lines, centre + step, xp) for step in (-1, 0, 1)], -1)
    return centre - 1 + xp.argmax(around, -1), amax(around, xp)


def hum(s: Spectrum, xp: Xp) -> dict[str, Array]:
    """Twice the mains: ``hz`` [B] (100 or 120) and ``lines``, how many of its first six multiples stand out at the exact place.

    A machine's own harmonics may pass near 100 Hz; the mains is exact to 0.2 %, so a multiple counts only where the refined
    peak lies within half a bin of it.
    """
    db = decibel(s.power, xp)
    lines = prominence(db, _MEDIAN_BINS, _GAP_BINS, xp)
    scores, counts = [], []
    for base in (100.0, 120.0):
        score: Array = 0.0
        count: Array = 0.0
        for k in range(1, 7):
            at, height = _nearest_peak(lines, 0.0 * s.power[..., 0] + k * base / s.df, xp)
            off = xp.abs((at + parabola(db, at, xp)) * s.df - k * base)
            good = ((height > s.threshold_db) & (off < 0.4 * s.df + 0.002 * k * base)) * (0.0 * height + 1.0)
            score, count = score + good * xp.clip(height, 0.0, 20.0), count + good * (2.0 if k == 1 else 1.0)
        scores.append(score)
        counts.append(count)
    first = scores[0] >= scores[1]
    zero = 0.0 * scores[0]
    return {"hz": xp.where(first, zero + 100.0, zero + 120.0), "lines": xp.where(first, counts[0], counts[1])}


def levels(x: Array, xp: Xp) -> dict[str, Array]:
    """RMS without DC and peak [B] in dBFS (a full-scale sine has -3.01), and the spread [B] of half-second levels in dB."""
    centred = x - x.mean(-1)[..., None]
    rms = decibel((centred**2).mean(-1), xp)
    peak = 2 * decibel(amax(xp.abs(x), xp), xp)
    size = min(x.shape[-1], RATE // 2)
    short = decibel((frames(centred, size, size, xp) ** 2).mean(-1), xp)
    ordered = sort(short, xp)
    return {"rms": rms, "peak": peak, "spread": ordered[..., -1] - ordered[..., 0]}
