"""Lines in the spectrum: tones, the fundamental of a harmonic series, mains hum. Batch first, numpy or torch."""

from __future__ import annotations

import numpy as np

from otoloop.audio.arrays import Array, Xp, amax, comb_score, const, frames, integer, parabola, pick
from otoloop.audio.spectrum import Spectrum

MAX_TONES = 5
LOWEST_TONE_HZ = 18.0
_MASK_BINS = 8  # Hann sidelobes of a strong line must not become lines of their own


def tones(s: Spectrum, xp: Xp) -> dict[str, Array]:
    """Find the five most prominent lines.

    Returns ``f`` [B, 5] Hz, ``level`` dB over the floor (-1 where none), ``start`` and ``end`` in seconds.

    A line is a local maximum of the Welch spectrum that stands over the running-median floor on both sides; its
    frequency is refined by a parabola; it is on while its bin stays within 6 dB of its loudest moment.
    """
    left, axis = _candidates(s, xp), const(np.arange(s.db.shape[-1]), s.db, xp)
    found = []
    for _ in range(MAX_TONES):
        best = xp.argmax(left, -1)
        start, end = _presence(s, best, xp)
        found.append(((best + parabola(s.db, best, xp)) * s.df, pick(left, best, xp), start, end))
        left = xp.where(xp.abs(axis - best[..., None]) <= _MASK_BINS, 0.0 * left - 1.0, left)
    return {key: xp.stack([row[i] for row in found], -1) for i, key in enumerate(("f", "level", "start", "end"))}


def _candidates(s: Spectrum, xp: Xp) -> Array:
    """Height [B, F] of local maxima that stand out, -1 elsewhere."""
    local = amax(frames(xp.concatenate((s.db[..., :1], s.db, s.db[..., -1:]), -1), 3, 1, xp), xp)
    audible = const((np.arange(s.db.shape[-1]) * s.df >= LOWEST_TONE_HZ).astype(np.float32), s.db, xp) > 0
    return xp.where((s.db >= local) & audible & (s.lines > s.threshold_db), s.lines, 0.0 * s.lines - 1.0)


def _presence(s: Spectrum, index: Array, xp: Xp) -> tuple[Array, Array]:
    """Start and end [B] in seconds of the line at bin ``index``: first and last frame within 6 dB of the loudest."""
    last, count = s.power.shape[-1] - 1, s.track.shape[-2]
    rows = const(np.zeros(count, int), index, xp)
    level: Array = 0.0
    for step in (-1, 0, 1):
        level = level + pick(s.track, xp.clip(index + step, 0, last)[..., None] + rows, xp)
    on = (level >= amax(level, xp, True) / 4) * const(np.ones(count), s.power, xp)
    steps = const(np.arange(count, dtype=np.float64), s.power, xp)
    first, final = count - 1 - amax(on * (count - 1 - steps), xp), amax(on * steps, xp)
    half = s.size_s / 2
    start = xp.where(first > 0, first * s.hop_s + half - s.hop_s / 2, 0.0 * first)
    end = xp.where(final < count - 1, final * s.hop_s + half + s.hop_s / 2, 0.0 * final + s.seconds)
    return start, end


def fundamental(s: Spectrum, xp: Xp) -> dict[str, Array]:
    """Find the spacing of the strongest harmonic series below 500 Hz.

    Returns:
        ``f0`` [B] Hz, refined from its first four lines; ``score`` dB of the comb; ``count`` of those four that stand
        out; ``first``, the height in dB of the line at f0 itself.
    """
    rates = np.arange(20.0, 500.0, s.df / 4)
    score = comb_score(s.lines, s.df, rates, 5, 15.0, xp)
    f0 = const(rates, s.power, xp)[xp.argmax(score, -1)]
    total: Array = 0.0
    weights: Array = 0.0
    count: Array = 0.0
    for k in (1, 2, 3, 4):
        at, height = nearest_peak(s.lines, f0 * k / s.df, xp)
        good = (height > s.threshold_db) * (0.0 * f0 + 1.0)
        total = total + good * k * (at + parabola(s.db, at, xp)) * s.df
        weights, count = weights + good * k * k, count + good
    f0 = xp.where(weights > 0, total / xp.clip(weights, 1.0, None), f0)
    return {"f0": f0, "score": amax(score, xp), "count": count, "first": nearest_peak(s.lines, f0 / s.df, xp)[1]}


def nearest_peak(lines: Array, where: Array, xp: Xp) -> tuple[Array, Array]:
    """Index and height of the highest of the three bins around position ``where`` [B] (in bins)."""
    last = lines.shape[-1] - 1
    centre = xp.clip(integer(xp.round(where), xp), 1, last - 1)
    around = xp.stack([pick(lines, centre + step, xp) for step in (-1, 0, 1)], -1)
    return centre - 1 + xp.argmax(around, -1), amax(around, xp)


def hum(s: Spectrum, xp: Xp) -> dict[str, Array]:
    """Twice the mains: ``hz`` [B] (100 or 120) and ``lines``, how many of its first six multiples stand out in place.

    A machine's own harmonics may pass near 100 Hz, but the mains is exact to 0.2 %: a multiple counts only where the
    refined peak lies within half a bin of it. The line at 100 or 120 Hz itself counts twice.
    """
    scores, counts = zip(*(_mains_comb(s, base, xp) for base in (100.0, 120.0)), strict=True)
    first, zero = scores[0] >= scores[1], 0.0 * scores[0]
    return {"hz": xp.where(first, zero + 100.0, zero + 120.0), "lines": xp.where(first, counts[0], counts[1])}


def _mains_comb(s: Spectrum, base: float, xp: Xp) -> tuple[Array, Array]:
    """Score in dB and number of lines of the comb at multiples of ``base``."""
    score: Array = 0.0
    count: Array = 0.0
    for k in range(1, 7):
        at, height = nearest_peak(s.lines, 0.0 * s.power[..., 0] + k * base / s.df, xp)
        off = xp.abs((at + parabola(s.db, at, xp)) * s.df - k * base)
        good = ((height > s.threshold_db) & (off < 0.4 * s.df + 0.002 * k * base)) * (0.0 * height + 1.0)
        score = score + good * xp.clip(height, 0.0, 20.0)
        count = count + good * (2.0 if k == 1 else 1.0)
    return score, count
