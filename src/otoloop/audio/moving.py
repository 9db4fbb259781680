"""Tones that wobble or come and go: narrow peaks in short frames that gather around one frequency.

A squeal that sways by a few per cent is smeared over the long frames of the Welch spectrum; in frames of 32 ms it is
narrow. The ringing of an impact is the other way round: its long spectrum shows lines at the impact rate, its short
frames are broad. Batch first, numpy or torch.
"""

from __future__ import annotations

import numpy as np

from otoloop.audio.arrays import Array, Xp, amax, const, decibel, frames, prominence
from otoloop.audio.spectrum import RATE

SIZE = 512
DF = RATE / SIZE
PEAK_DB = 9.0
SPAN = 0.07
LOW_HZ, HIGH_HZ = 400.0, 7600.0
COUNT = 3
GAIN_DB = 12.0
"""A steady tone stands 12 dB lower in 32 ms frames than in those of 0.5 s; added so that levels compare."""


def moving(x: Array, xp: Xp) -> dict[str, Array]:
    """Find up to three frequencies around which short-time peaks gather, the most frequent first.

    Returns:
        ``f`` [B, 3] mean frequency in Hz, ``wobble`` its standard deviation in Hz, ``share`` of frames with a peak
        there (two peaks in a frame count twice), ``level`` dB of the peaks on the scale of long frames,
        ``start``/``end`` s.
    """
    window = np.hanning(SIZE + 1)[:-1]
    spec = xp.fft.rfft(frames(x, SIZE, SIZE, xp) * const(window, x, xp))
    db = decibel(spec.real**2 + spec.imag**2, xp)
    height = prominence(db, 11, 2, xp)
    local = amax(frames(xp.concatenate((db[..., :1], db, db[..., -1:]), -1), 3, 1, xp), xp)
    freq = np.arange(db.shape[-1]) * DF
    inside = const(((freq >= LOW_HZ) & (freq <= HIGH_HZ)).astype(np.float64), db, xp)
    peaks = ((db >= local) & (height >= PEAK_DB)) * inside
    share = peaks.mean(-2)
    return _gather(peaks, height, share, freq, xp)


def _gather(peaks: Array, height: Array, share: Array, freq: np.ndarray, xp: Xp) -> dict[str, Array]:
    """Take the fullest windows of +-7 % one after the other."""
    axis, count = const(freq, share, xp), peaks.shape[-2]
    found: list[tuple[Array, ...]] = []
    left = share
    for _ in range(COUNT):
        total = xp.concatenate((0.0 * left[..., :1], xp.cumsum(left, -1)), -1)
        low, high = (np.clip(np.rint(freq * (1 + sign * SPAN) / DF), 0, len(freq) - 1).astype(int) for sign in (-1, 1))
        best = xp.argmax(total[..., const(high + 1, left, xp)] - total[..., const(low, left, xp)], -1)
        near = (xp.abs(axis - axis[best][..., None]) <= SPAN * axis[best][..., None] + DF / 2) * (0.0 * axis + 1.0)
        weight = left * near
        amount = weight.sum(-1)
        f = (weight * axis).sum(-1) / xp.clip(amount, 1e-6, None)
        wobble = xp.sqrt((weight * (axis - f[..., None]) ** 2).sum(-1) / xp.clip(amount, 1e-6, None))
        shown = peaks * near[..., None, :]
        level = (shown * height).sum(-1).sum(-1) / xp.clip(amount * count, 1e-6, None) + GAIN_DB
        found.append((f, wobble, amount, level, *_presence(shown, xp)))
        left = left * (1.0 - near)
    keys = ("f", "wobble", "share", "level", "start", "end")
    return {key: xp.stack([row[i] for row in found], -1) for i, key in enumerate(keys)}


def _presence(shown: Array, xp: Xp) -> tuple[Array, Array]:
    """Start and end [B] in seconds: the first and last of three frames in a row of which two have a peak."""
    on = amax(shown, xp)
    count = on.shape[-1]
    kept = (on[..., :-2] + on[..., 1:-1] + on[..., 2:] >= 2) * const(np.ones(max(count - 2, 0)), on, xp)
    steps = const(np.arange(count - 2, dtype=np.float64), on, xp)
    first, last = count - 3 - amax(kept * (count - 3 - steps), xp), amax(kept * steps, xp)
    return first * SIZE / RATE, (last + 3) * SIZE / RATE
