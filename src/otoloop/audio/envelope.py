"""What the envelope of a clip says: impacts, their rate, slow modulation. Batch first, numpy or torch.

Envelope analysis as in Randall & Antoni 2011 (Rolling element bearing diagnostics - a tutorial): a band is brought
down to zero, its amplitude is taken, and the spectrum of that amplitude shows what repeats.
"""

from __future__ import annotations

import numpy as np

from otoloop.audio.arrays import Array, Xp, amax, amin, comb_score, const, decibel, frames, parabola, pick, prominence
from otoloop.audio.lines import nearest_peak
from otoloop.audio.spectrum import RATE

RESONANCE_BANDS_HZ = tuple((low, low + 2000) for low in range(1000, 7000, 1000))
THUD_BAND_HZ = (150, 1150)
SWELL_BANDS_HZ = ((30, 300, 4.5), (500, 8000, 40.0))
"""Bands in which modulation is sought, and up to what rate: in the lowest, faster beats are just rotor harmonics."""
FAST_RATE, SLOW_RATE = 4000, 200
CAP_DB = 14.0
BUMP_DB = 7.0


def high_passed(full: Array, n: int, cut_hz: float, xp: Xp) -> Array:
    """Return the signal above ``cut_hz`` [B, n] from its spectrum ``full`` [B, n/2+1]: a brick wall."""
    keep = np.arange(full.shape[-1]) * RATE / n >= cut_hz
    return xp.fft.irfft(full * const(keep.astype(np.float64), full, xp), n=n)


def kurtosis(x: Array, xp: Xp) -> Array:
    """Fourth moment over squared variance [B]: 3 for Gaussian noise, 1.5 for a sine, large for impacts."""
    square = (x - x.mean(-1)[..., None]) ** 2
    return (square**2).mean(-1) / xp.clip(square.mean(-1) ** 2, 1e-30, None)


def local_kurtosis(x: Array, xp: Xp) -> Array:
    """Kurtosis [B] with each 1/32 s brought to the same power, so that slow swelling does not look like impacts."""
    size = min(x.shape[-1], RATE // 32)
    square = frames(x, size, size, xp) ** 2
    power = square.mean(-1)
    return ((square**2).mean(-1) / xp.clip(power**2, 1e-30, None)).mean(-1)


def envelope(full: Array, n: int, low: float, high: float, rate: float, xp: Xp) -> Array:
    """Amplitude [B, M] at ``rate`` samples a second of the band from ``low`` to ``high`` Hz.

    The band's slice of the spectrum ``full`` (of ``n`` samples) is transformed back short: the analytic signal,
    decimated for free. Where ``rate`` is below the band's width its power is low-passed at rate/2.
    """
    first, last = round(low * n / RATE), min(round(high * n / RATE), full.shape[-1] - 1)
    length, wanted = 2 * (last - first), round(rate * n / RATE)
    amplitude = xp.abs(xp.fft.ifft(full[..., first:last], n=length)) * (2.0 * length / n)
    if wanted >= length:
        return amplitude
    power = xp.fft.irfft(xp.fft.rfft(amplitude**2)[..., : wanted // 2 + 1], n=wanted) * (wanted / length)
    return xp.sqrt(xp.clip(power, 0.0, None))


def envelope_lines(env: Array, rate: float, seconds: float, xp: Xp) -> tuple[Array, float, int]:
    """Spectrum of envelopes [..., M] over their mean, in dB; its bin width in Hz; how many segments it averages."""
    size = min(env.shape[-1], round(seconds * rate))
    hop = max(1, size // 2)
    part = frames(env / xp.clip(env.mean(-1)[..., None], 1e-12, None), size, hop, xp)
    part = part - part.mean(-1)[..., None]
    window = np.hanning(size + 1)[:-1]
    spec = xp.fft.rfft(part * const(window, env, xp))
    power = (spec.real**2 + spec.imag**2).mean(-2) * (4.0 / float(window.sum()) ** 2)
    return decibel(power, xp), rate / size, (env.shape[-1] - size) // hop + 1


def impacts(full: Array, n: int, xp: Xp) -> dict[str, Array]:
    """Regular impacts that ring above 1 kHz (3 to 400 a second)."""
    bands = [envelope(full, n, low, high, FAST_RATE, xp) for low, high in RESONANCE_BANDS_HZ]
    size = min(band.shape[-1] for band in bands)
    return _comb(xp.stack([band[..., :size] for band in bands], -2), FAST_RATE, 2.0, 400.0, xp)


def thuds(full: Array, n: int, xp: Xp) -> dict[str, Array]:
    """Regular dull impacts below 1 kHz (1 to 20 a second)."""
    return _comb(envelope(full, n, *THUD_BAND_HZ, SLOW_RATE, xp)[..., None, :], SLOW_RATE, 4.0, 20.0, xp)


def _comb(env: Array, env_rate: float, seconds: float, top: float, xp: Xp) -> dict[str, Array]:
    """Find the strongest comb in the envelope spectra of [B, bands, M]; the best band is kept.

    Returns:
        ``rate`` [B] /s; ``excess`` dB of the comb's score over what noise reaches; ``first`` dB of its first line
        over the floor; ``burst``, the band's fourth moment over squared second (2 for Gaussian noise, 1 for a steady
        tone, more for impacts); ``df`` Hz.
    """
    db, df, averages = envelope_lines(env, env_rate, seconds, xp)
    db = db[..., : int(4.1 * top / df)]
    lines = prominence(db, 41, 3, xp, hop=8)
    rates = np.arange(max(1.0, 6 * df), top, df / 2)
    if len(rates) < 4:  # too short to tell
        return dict.fromkeys(("rate", "excess", "first", "burst", "df"), 0.0 * env[..., 0, 0])
    score = comb_score(lines, df, rates, 4, CAP_DB, xp)
    band = xp.argmax(amax(score, xp), -1)
    lines, db, score, env = (_row(x, band, xp) for x in (lines, db, score, env))
    # capped scores tie between a comb, its sidebands and its multiples: the lines' heights decide, then the lowest
    lower = const(1.5 * np.log2(top / rates), db, xp)
    best = xp.argmax(score + 0.1 * comb_score(lines, df, rates, 4, 60.0, xp) + lower, -1)
    rate = _true_spacing(db, lines, const(rates, db, xp)[best], df, xp)
    rate, first = _refine(db, lines, rate, df, xp)
    burst = (env**4).mean(-1) / xp.clip((env**2).mean(-1) ** 2, 1e-30, None)
    excess = amax(score, xp) - (16.0 + 20.0 / averages**0.5)
    return {"rate": rate, "excess": excess, "first": first, "burst": burst, "df": 0.0 * rate + df}


def _true_spacing(db: Array, lines: Array, rate: Array, df: float, xp: Xp) -> Array:
    """Correct a comb found at a multiple or at a part of its spacing by the levels of its lines.

    A third (fourth, ...) of the rate is right when every line between stands as high. A multiple m is right when line m
    and line 2m stand above those around them: the others are then sidebands, or two kinds of impact in turn (a rolling
    element strikes both races).
    """

    def level(at: Array) -> Array:
        return pick(db, nearest_peak(lines, at / df, xp)[0], xp)

    for part in range(3, 9):
        weakest = level(rate / part)
        for k in range(2, part):
            weakest = xp.minimum(weakest, level(k * rate / part))
        rate = xp.where((weakest > level(rate) - 5.0) & (rate / part >= 4 * df), rate / part, rate)
    return _centre(db, rate * _multiple(lines, db, rate, df, xp), df, xp)


def _centre(db: Array, rate: Array, df: float, xp: Xp) -> Array:
    """Move a comb from a slow modulation's sideband (within 6 %) to the line it belongs to, the highest."""
    offsets = np.arange(-12, 13, 2)
    heights = []
    for offset in offsets * df:
        pair = [pick(db, nearest_peak(db, k * (rate + offset) / df, xp)[0], xp) for k in (1, 2)]
        heights.append(xp.where(xp.abs(0.0 * rate + offset) <= 0.06 * rate, pair[0] + pair[1], pair[0] - 400.0))
    return rate + const(offsets * df, db, xp)[xp.argmax(xp.stack(heights, -1), -1)]


def _multiple(lines: Array, db: Array, rate: Array, df: float, xp: Xp) -> Array:
    """Find the smallest multiple m in 2..8 that the comb truly has, else 1.

    For m = 2, 3 the lines m and 2m stand above their neighbours. From m = 3 on it is also enough that the lines fall
    and rise again to m: a defect that turns through the load shows the turn's own lines first, then its impact rate.
    """
    found = [nearest_peak(lines, k * rate / df, xp) for k in range(1, 10)]
    level, height = [pick(db, at, xp) for at, _ in found], [h for _, h in found]

    def above(k: int) -> Array:
        return xp.minimum(level[k - 1] - level[k - 2], level[k - 1] - level[k])

    factor = 0.0 * rate + 1.0
    for m in range(8, 1, -1):
        stands = 0.0 * rate > 1.0  # nowhere yet
        if m < 4:
            stands = stands | ((above(m) > 2.0) & (above(2 * m) > 1.0) & (height[2 * m - 1] > 9.0))
        if m > 2:
            rise = level[m - 1] - amin(xp.stack(level[1 : m - 1], -1), xp)
            stands = stands | ((above(m) > 0.0) & (rise > BUMP_DB) & (height[m - 1] > 12.0))
        inside = (2 * m + 1) * rate < (db.shape[-1] - 2) * df
        factor = xp.where(stands & (height[m - 1] > 9.0) & inside, 0.0 * factor + m, factor)
    return factor


def _row(x: Array, index: Array, xp: Xp) -> Array:
    """Row ``index`` [B] of [B, rows, F]."""
    return x[const(np.arange(x.shape[0]), x, xp), index]


def _refine(db: Array, lines: Array, rate: Array, df: float, xp: Xp) -> tuple[Array, Array]:
    """Find the comb's spacing from its first four lines, weighted by harmonic number, and the height of the first."""
    total: Array = 0.0
    weights: Array = 0.0
    first = None
    for k in (1, 2, 3, 4):
        at, height = nearest_peak(lines, rate * k / df, xp)
        first = height if first is None else first
        good = (height > 8.0) * (0.0 * rate + 1.0)
        total = total + good * k * (at + parabola(db, at, xp)) * df
        weights = weights + good * k * k
    return xp.where(weights > 0, total / xp.clip(weights, 1.0, None), rate), first


def modulation(full: Array, n: int, xp: Xp) -> dict[str, Array]:
    """Slow swelling: ``hz`` [B] (0.5..40), ``depth`` (0..1), ``level`` dB over the floor, ``df`` Hz.

    The band with the clearest line is taken. The depth m of (1 + m cos) is twice the envelope line's amplitude over
    the mean.
    """
    found = [_swell(envelope(full, n, low, high, SLOW_RATE, xp), top, xp) for low, high, top in SWELL_BANDS_HZ]
    low, high = found
    better = low["level"] > high["level"]
    return {key: xp.where(better, low[key], high[key]) for key in high}


def _swell(env: Array, top_hz: float, xp: Xp) -> dict[str, Array]:
    """Find the strongest line of an envelope [B, M] up to ``top_hz``; of several within 3 dB (harmonics) the lowest."""
    db, df, _ = envelope_lines(env, SLOW_RATE, 8.0, xp)
    lines = prominence(db, 41, 3, xp, hop=8)
    low, high = max(2, round(0.5 / df)), min(round(top_hz / df), db.shape[-1] - 2)
    if high <= low:  # too short to tell
        return dict.fromkeys(("hz", "depth", "level", "df"), 0.0 * env[..., 0])
    inside, shown = lines[..., low : high + 1], db[..., low : high + 1]
    top = amax(xp.where(inside > 6.0, shown, 0.0 * shown - 200.0), xp, True)
    local = (shown >= db[..., low - 1 : high]) & (shown >= db[..., low + 1 : high + 2])
    enough = (local & (shown >= top - 3.0) & (inside > 6.0)) * const(np.ones(high + 1 - low), db, xp)
    at = xp.argmax(enough, -1) + low
    offset = parabola(db, at, xp)
    crest = pick(db, at, xp) - 0.25 * offset * (pick(db, at - 1, xp) - pick(db, at + 1, xp))
    depth = xp.clip(10.0 ** (crest / 20.0), 0.0, 1.0)
    slower = (at == low) & (pick(db, at - 1, xp) >= pick(db, at, xp))  # the skirt of something below the range
    level = xp.where(slower, 0.0 * depth, pick(lines, at, xp))
    return {"hz": (at + offset) * df, "depth": depth, "level": level, "df": 0.0 * level + df}
