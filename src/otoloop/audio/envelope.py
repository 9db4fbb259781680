"""What the envelope of a clip says: impacts, their rate, and slow modulation. Batch first, numpy or torch (see arrays.py)."""

from __future__ import annotations

import numpy as np

from otoloop.audio.arrays import (
    Array, Xp, amax, comb_score, const, decibel, frames, is_torch, parabola, pick, prominence,
)  # fmt: skip
from otoloop.audio.spectrum import RATE

BANDS_HZ = ((1000, 3000), (2000, 4000), (3000, 5000), (4000, 6000), (5000, 7000), (6000, 8000))
ENV_RATE = 4000
CAP_DB = 14.0


def high_passed(x: Array, cut_hz: float, xp: Xp) -> tuple[Array, Array]:
    """The signal above ``cut_hz`` [B, T] (brick wall in the frequency domain) and the full spectrum [B, T/2+1]."""
    full = xp.fft.rfft(x)
    keep = np.arange(full.shape[-1]) * RATE / x.shape[-1] >= cut_hz
    return xp.fft.irfft(full * const(keep.astype(np.float64), x, xp), n=x.shape[-1]), full


def kurtosis(x: Array, xp: Xp) -> Array:
    """Fourth moment over squared variance [B]: 3 for Gaussian noise, 1.5 for a sine, large for impacts."""
    square = (x - x.mean(-1)[..., None]) ** 2
    return (square**2).mean(-1) / xp.clip(square.mean(-1) ** 2, 1e-30, None)


def local_kurtosis(x: Array, xp: Xp) -> Array:
    """Kurtosis [B] after each 1/32 s is brought to the same power, so that slow swelling does not look like impacts."""
    size = min(x.shape[-1], RATE // 32)
    square = frames(x, size, size, xp) ** 2
    power = square.mean(-1)
    return ((square**2).mean(-1) / xp.clip(power**2, 1e-30, None)).mean(-1)


def envelopes(full: Array, n: int, xp: Xp) -> Array:
    """Amplitude envelopes [B, bands, M] at 4 kHz of six 2 kHz bands, from the spectrum ``full`` of ``n`` samples.

    Each band's slice of the positive spectrum is brought down to zero and transformed back short: the analytic signal, decimated
    for free (Randall & Antoni 2011, bearing diagnostics by envelope analysis).
    """
    width = round(2000 * n / RATE)
    length = 2 * width
    top = full.shape[-1] - 1
    rows = [full[..., (lo := min(round(low * n / RATE), top + 1 - width)) : lo + width] for low, _ in BANDS_HZ]
    bands = xp.stack(rows, -2)
    return xp.abs(xp.fft.ifft(bands, n=length)) * (2.0 * length / n)


def envelope_lines(env: Array, rate: float, seconds: float, xp: Xp) -> tuple[Array, float, float]:
    """Spectrum of envelopes [..., M] in dB, its bin width in Hz, and the number of averages (segments of at most ``seconds``)."""
    size = min(env.shape[-1], round(seconds * rate))
    hop = max(1, size // 2)
    part = frames(env / xp.clip(env.mean(-1)[..., None], 1e-12, None), size, hop, xp)
    part = part - part.mean(-1)[..., None]
    window = np.hanning(size + 1)[:-1]
    spec = xp.fft.rfft(part * const(window, env, xp))
    power = (spec.real**2 + spec.imag**2).mean(-2) * (4.0 / float(window.sum()) ** 2)
    return decibel(power, xp), rate / size, float(max(1, (env.shape[-1] - size) // hop + 1))


def impulses(full: Array, n: int, xp: Xp) -> dict[str, Array]:
    """Regular impacts: ``rate`` [B] /s (1..400), ``score`` dB of its comb in the envelope spectrum, ``first`` dB of its first line, ``df``.

    The comb is sought in all six bands and the best is kept (the band that carries the resonance).
    """
    db, df, _ = envelope_lines(envelopes(full, n, xp), ENV_RATE, 4.0, xp)
    db = db[..., : int(1650 / df)]
    lines = prominence(db, 41, 3, xp)
    rates = np.arange(max(1.0, 6 * df), 400.0, df / 2)
    score = comb_score(lines, df, rates, 4, CAP_DB, xp)
    band = xp.argmax(amax(score, xp), -1)
    lines, db = _row(lines, band, xp), _row(db, band, xp)
    score = _row(score, band, xp)
    best = xp.argmax(score, -1)
    rate, first = _refine(db, lines, const(rates, db, xp)[best], df, xp)
    return {"rate": rate, "score": amax(score, xp), "first": first, "df": 0.0 * rate + df}


def _row(x: Array, index: Array, xp: Xp) -> Array:
    """Row ``index`` [B] of [B, rows, F]."""
    return x[xp.arange(x.shape[0], device=x.device) if is_torch(xp) else np.arange(x.shape[0]), index]


def _refine(db: Array, lines: Array, rate: Array, df: float, xp: Xp) -> tuple[Array, Array]:
    """The comb's spacing from its first four lines, weighted by harmonic number, and the height of the first."""
    total: Array = 0.0
    weights: Array = 0.0
    first = None
    last = db.shape[-1] - 1
    for k in (1, 2, 3, 4):
        near = xp.round(rate * k / df)
        near = xp.clip(near.to(xp.int64) if is_torch(xp) else near.astype(np.int64), 1, last - 1)
        around = xp.stack([pick(lines, near + step, xp) for step in (-1, 0, 1)], -1)
        at, height = near - 1 + xp.argmax(around, -1), amax(around, xp)
        first = height if first is None else first
        good = (height > 8.0) * (0.0 * rate + 1.0)
        total = total + good * k * (at + parabola(db, at, xp)) * df
        weights = weights + good * k * k
    return xp.where(weights > 0, total / xp.clip(weights, 1.0, None), rate), first


def modulation(x: Array, xp: Xp) -> dict[str, Array]:
    """Slow swelling of the sound above 500 Hz: ``hz`` [B] (0.5..40), ``depth`` (0..1), ``level`` dB over the floor, ``df``.

    ``x`` is the signal already high-passed. Its power, low-passed at 100 Hz, gives the envelope at 200 Hz; the depth m of
    (1 + m cos) is twice the line's amplitude over the mean.
    """
    count = x.shape[-1] * 200 // RATE
    slow = xp.fft.irfft(xp.fft.rfft(x * x)[..., : count // 2 + 1], n=count) * (count / x.shape[-1])
    env = xp.sqrt(xp.clip(slow, 0.0, None))
    db, df, _ = envelope_lines(env, 200.0, 8.0, xp)
    lines = prominence(db, 41, 3, xp)
    low, high = max(2, round(max(0.5, 2.0 * df) / df)), min(round(40.0 / df), db.shape[-1] - 2)
    inside = lines[..., low : high + 1]
    shown = db[..., low : high + 1]
    top = amax(xp.where(inside > 6.0, shown, 0.0 * shown - 200.0), xp, True)
    # several lines within 3 dB are harmonics of one swelling: the lowest is it
    enough = (shown >= top - 3.0) & (inside > 6.0)
    at = xp.argmax(enough * const(np.ones(enough.shape[-1]), db, xp), -1) + low
    level = pick(lines, at, xp)
    depth = xp.sqrt(10.0 ** (pick(db, at, xp) / 10.0))
    return {"hz": (at + parabola(db, at, xp)) * df, "depth": xp.clip(depth, 0.0, 1.0), "level": level, "df": 0.0 * level + df}
