"""Small pieces that every sound source is made of, written once for numpy and torch.

All functions take arrays ``[B, T]`` (batch, samples) or columns ``[B, 1]``. Phases are counted in turns and kept in
float64 until they are wrapped, so that a tone of 6 kHz is as exact after ten seconds as at the start; sound is float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
"""A numpy array or a torch tensor; never mixed in one call."""

Params = Mapping[str, Array]
"""Named arrays ``[B]`` or ``[B, k]`` that describe the batch."""

Noise = Callable[[int], Array]
"""``noise(k)`` gives the next ``[B, k]`` standard normal float32 values; the order of calls is part of a render."""

RATE = 16_000
TAU = 2 * math.pi
TABLE = 64


@dataclass(frozen=True)
class Clock:
    """The time and frequency axes of one render.

    Attributes:
        xp: numpy or torch.
        n: samples per clip.
        t: seconds, float64 ``[1, n]``.
        f: Hz of each rfft bin, float32 ``[1, n // 2 + 1]``.
    """

    xp: Any
    n: int
    t: Array
    f: Array

    @classmethod
    def make(cls, xp: Any, n: int, device: str | None = None) -> Clock:
        """Axes for ``n`` samples at 16 kHz; ``device`` is for torch."""
        t = np.arange(n, dtype=np.float64)[None] / RATE
        f = (np.arange(n // 2 + 1, dtype=np.float64)[None] * RATE / n).astype(np.float32)
        if xp is np:
            return cls(xp, n, t, f)
        return cls(xp, n, xp.asarray(t, device=device), xp.asarray(f, device=device))


def col(p: Params, name: str) -> Array:
    """A parameter as a column ``[B, 1]``."""
    return p[name][:, None]


def f32(c: Clock, x: Array) -> Array:
    """``x`` as float32."""
    return c.xp.asarray(x, dtype=c.xp.float32)


def wrap(c: Clock, turns: Array) -> Array:
    """Fraction of a turn in [0, 1) as float32, from float64 turns."""
    return f32(c, turns - c.xp.floor(turns))


def cosine(c: Clock, turns: Array) -> Array:
    """cos(2 pi x) of float32 turns."""
    return c.xp.cos(TAU * turns)


def power(c: Clock, x: Array) -> Array:
    """Mean square over time, ``[B, 1]``, never zero."""
    return c.xp.mean(x * x, axis=-1, keepdims=True) + 1e-12


def unit(c: Clock, x: Array) -> Array:
    """``x`` scaled to an RMS of one."""
    return x / c.xp.sqrt(power(c, x))


def gain(c: Clock, db: Array) -> Array:
    """Amplitude factor of decibels."""
    return f32(c, c.xp.exp(db * (math.log(10) / 20)))


def harmonics(c: Clock, turns: Array, amps: Array, phases: Array) -> Array:
    """Sum a_k cos(2 pi (k x + phi_k)), k = 1..K, for wrapped turns x ``[B, T]``; ``amps``, ``phases`` ``[B, K]``."""
    y = amps[:, :1] * cosine(c, turns + phases[:, :1])
    for k in range(1, amps.shape[1]):
        y = y + amps[:, k : k + 1] * cosine(c, (k + 1) * turns + phases[:, k : k + 1])
    return y


def spectrum_noise(c: Clock, shape: Array, noise: Noise) -> Array:
    """Stationary Gaussian noise of unit RMS with the amplitude spectrum ``shape`` ``[B, F]`` (drawn in frequency)."""
    bins = c.f.shape[1]
    draw = noise(2 * bins)
    spectrum = (draw[:, :bins] + 1j * draw[:, bins:]) * f32(c, shape)
    return unit(c, c.xp.fft.irfft(spectrum, n=c.n))


def band(c: Clock, lo: Array, hi: Array, order: float = 4.0) -> Array:
    """Amplitude response of a smooth band pass with edges ``lo`` and ``hi`` in Hz (Butterworth-like skirts)."""
    f = c.f + 1.0
    return 1.0 / c.xp.sqrt((1.0 + (lo / f) ** (2 * order)) * (1.0 + (f / hi) ** (2 * order)))


def colour(c: Clock, slope: Array, low_cut: Array) -> Array:
    """Amplitude response falling as f**-slope above ``low_cut`` Hz and rolling off below it (1 = 6 dB per octave)."""
    f = c.f + 1.0
    return c.xp.exp(-slope * c.xp.log(f / 1000.0)) / (1.0 + (low_cut / f) ** 4)


def filtered(c: Clock, x: Array, response: Array) -> Array:
    """``x`` through a response ``[B, F]`` (circular: what rang before the clip started rings into it)."""
    return c.xp.fft.irfft(c.xp.fft.rfft(x) * response, n=c.n)


def lookup(c: Clock, table: Array, index: Array) -> Array:
    """``table[b, index[b, t] mod K]`` for ``table`` ``[B, K]`` and int64 ``index`` ``[B, T]``."""
    index = index % table.shape[1]
    return np.take_along_axis(table, index, axis=1) if c.xp is np else c.xp.take_along_dim(table, index, dim=1)


@dataclass(frozen=True)
class Strikes:
    """Events of a train: seconds since the last one (float32), its number (int64), both ``[B, T]``."""

    since: Array
    index: Array


def strikes(c: Clock, turns: Array, rate: Array, jitter: Array, noise: Noise) -> Strikes:
    """One event per unit of ``turns``, each late by a random share of the interval.

    Event n happens at turns = n + d_n with d_n uniform-like in [0, ``jitter``] (``jitter`` < 1, ``[B, 1]``): the random
    slip of rolling elements (Randall & Antoni, Rolling element bearing diagnostics, MSSP 2011, section 3).
    ``rate`` ``[B, 1]`` is events per second, which turns the phase since an event into seconds.
    """
    xp = c.xp
    whole = xp.floor(turns)
    index = xp.asarray(whole, dtype=xp.int64)
    phase = f32(c, turns - whole)
    delay = jitter / (1.0 + xp.exp(-1.6 * noise(TABLE)))
    here, before = lookup(c, delay, index), lookup(c, delay, index - 1)
    hit = phase >= here
    since = xp.where(hit, phase - here, phase + 1.0 - before) / rate
    return Strikes(since, index - xp.asarray(~hit, dtype=xp.int64))


def ring(c: Clock, since: Array, hz: Array, decay: Array, amps: Array) -> Array:
    """Free decay after events: sum_m a_m exp(-s / d_m) sin(2 pi f_m s); ``hz``, ``decay`` (s), ``amps`` ``[B, M]``."""
    y = 0.0
    for m in range(hz.shape[1]):
        f, d, a = hz[:, m : m + 1], decay[:, m : m + 1], amps[:, m : m + 1]
        y = y + a * c.xp.exp(-since / d) * c.xp.sin(TAU * (f * since))
    return y


def poisson(c: Clock, threshold: Array, spread: float, noise: Noise) -> Array:
    """Impulses at random times, where a normal draw passes ``threshold`` ``[B, 1]``; log-normal sizes, random sign."""
    xp = c.xp
    when, size = noise(c.n), noise(c.n)
    return xp.where(when > threshold, xp.sign(size) * xp.exp(spread * xp.abs(size)), 0.0 * size)


def smooth_gate(c: Clock, hz: Array, phase: Array, level: Array, sharp: float = 6.0) -> Array:
    """On and off irregularly: a logistic of summed slow cosines ``hz``, ``phase`` ``[B, K]`` against ``level``."""
    total = 0.0
    for k in range(hz.shape[1]):
        total = total + cosine(c, wrap(c, hz[:, k : k + 1] * c.t + phase[:, k : k + 1]))
    return 1.0 / (1.0 + c.xp.exp(-sharp * (total - level)))
