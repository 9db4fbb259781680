"""A thin layer over two array namespaces: the same code measures one clip on a laptop and thousands on a GPU.

``xp`` is the module numpy or torch. The last axis is always samples or frequency bins, the first is the clip. Only
operations that both modules share (or that are wrapped here) are used; this file imports neither scipy nor torch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

Array = Any
"""A numpy array or a torch tensor."""
Xp = Any
"""The module numpy or torch."""


def is_torch(xp: Xp) -> bool:
    """Tell whether the namespace is torch, by its name: torch is never imported here."""
    return str(getattr(xp, "__name__", "")) == "torch"


def const(values: Any, like: Array, xp: Xp) -> Array:
    """Make a constant on the device of ``like``: float32 for floats, int64 for integers."""
    array = np.asarray(values)
    array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
    return xp.from_numpy(array).to(like.device) if is_torch(xp) else array


def frames(x: Array, size: int, hop: int, xp: Xp) -> Array:
    """Cut overlapping frames [..., n, size] of the last axis, a view where possible."""
    if is_torch(xp):
        return x.unfold(-1, size, hop)
    return np.lib.stride_tricks.sliding_window_view(x, size, axis=-1)[..., ::hop, :]


def sort(x: Array, xp: Xp) -> Array:
    """Sort along the last axis."""
    return xp.sort(x, -1).values if is_torch(xp) else np.sort(x, axis=-1)


def amax(x: Array, xp: Xp, keepdims: bool = False) -> Array:
    """Largest value along the last axis."""
    return xp.amax(x, -1, keepdims) if is_torch(xp) else np.max(x, axis=-1, keepdims=keepdims)


def amin(x: Array, xp: Xp) -> Array:
    """Smallest value along the last axis."""
    return -amax(-x, xp)


def pick(x: Array, index: Array, xp: Xp) -> Array:
    """Values of ``x`` [..., F] at ``index`` [...]: one per row."""
    if is_torch(xp):
        return xp.gather(x, -1, index[..., None])[..., 0]
    return np.take_along_axis(x, index[..., None], axis=-1)[..., 0]


def integer(x: Array, xp: Xp) -> Array:
    """Truncate to int64."""
    return x.to(xp.int64) if is_torch(xp) else x.astype(np.int64)


def lists(x: Array) -> list[Any]:
    """Plain Python values, in one transfer."""
    out: list[Any] = x.tolist()
    return out


def decibel(power: Array, xp: Xp) -> Array:
    """10 log10 of a power, with a floor of -200 dB."""
    return 10.0 * xp.log10(xp.clip(power, 1e-20, None))


@lru_cache(maxsize=64)
def _median_plan(n: int, width: int, gap: int, hop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Window members [J, width], and for each bin the window to its left and to its right."""
    width = min(width, n)
    centres = np.arange(width // 2, max(n - (width - width // 2), width // 2) + 1, hop)
    members = centres[:, None] - width // 2 + np.arange(width)
    bins = np.arange(n)
    last = len(centres) - 1
    left = np.clip((bins - gap - width // 2 - centres[0]) // hop, 0, last)
    right = np.clip(-(-(bins + gap + width // 2 - centres[0]) // hop), 0, last)
    return np.clip(members, 0, n - 1), left, right


def prominence(spec_db: Array, width: int, gap: int, xp: Xp, hop: int = 4) -> Array:
    """How far each bin stands above its surroundings, in dB.

    The floor of a bin is the larger of two running medians over ``width`` bins, one that ends ``gap`` bins below it and
    one that starts ``gap`` bins above it. A line stands out against both; a slope or a broad resonance does not.
    """
    members, left, right = _median_plan(spec_db.shape[-1], width, gap, hop)
    medians = sort(spec_db[..., const(members, spec_db, xp)], xp)[..., members.shape[1] // 2]
    floor = xp.maximum(medians[..., const(left, spec_db, xp)], medians[..., const(right, spec_db, xp)])
    return spec_db - floor


def widen(x: Array, xp: Xp) -> Array:
    """Take the largest of each bin and its two neighbours."""
    lower = xp.concatenate((x[..., :1], x[..., :-1]), -1)
    upper = xp.concatenate((x[..., 1:], x[..., -1:]), -1)
    return xp.maximum(x, xp.maximum(lower, upper))


def parabola(spec_db: Array, index: Array, xp: Xp) -> Array:
    """Offset of the true peak from bin ``index``, in bins (-0.5..0.5).

    Quadratic interpolation of the log spectrum (J. O. Smith, Spectral Audio Signal Processing).
    """
    last = spec_db.shape[-1] - 1
    a = pick(spec_db, xp.clip(index - 1, 0, last), xp)
    b = pick(spec_db, index, xp)
    c = pick(spec_db, xp.clip(index + 1, 0, last), xp)
    bend = a - 2 * b + c
    offset = xp.where(xp.abs(bend) > 1e-6, 0.5 * (a - c) / xp.where(xp.abs(bend) > 1e-6, bend, bend + 1.0), 0.0 * b)
    return xp.clip(offset, -0.5, 0.5)


def comb_score(lines_db: Array, df: float, rates: np.ndarray, harmonics: int, cap_db: float, xp: Xp) -> Array:
    """How well a comb of lines at multiples of each candidate rate fits: [..., len(rates)], in dB.

    The logarithm of a harmonic product (Noll 1969): capped prominences at k*f are summed, and those half way between,
    at (k-1/2)*f, are taken off (subharmonic-to-harmonic ratio, Sun 2002), so that a comb of spacing f scores at f: 2f
    misses its odd lines and f/2 has empty places.
    """
    clipped = xp.clip(lines_db, 0.0, cap_db)
    wide, top = widen(clipped, xp), lines_db.shape[-1] - 1
    score: Array = 0.0
    for k in range(1, harmonics + 1):
        on, between = np.rint(k * rates / df), np.rint((k - 0.5) * rates / df)
        inside = const((on <= top).astype(np.float32), clipped, xp)
        score = score + inside * wide[..., const(np.minimum(on, top).astype(np.int64), clipped, xp)]
        score = score - inside * clipped[..., const(np.minimum(between, top).astype(np.int64), clipped, xp)]
    return score
