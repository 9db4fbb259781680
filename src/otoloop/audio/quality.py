"""Is a clip worth keeping? Measures of one decoded clip, and a verdict for one file.

A batch is judged by the same limits in ``otoloop.quality.clips``; here is what one person asks about one file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.signal.windows import blackmanharris

from otoloop.audio.decode import Decoded
from otoloop.audio.evidence import RATE, mono
from otoloop.audio.fingerprint import near_hash
from otoloop.audio.refusals import refuse
from otoloop.codes import QuarantineCode
from otoloop.params import IntakeParams
from otoloop.records import Verdict

Measures = dict[str, Any]
Samples = np.ndarray[Any, Any]
AUDIBLE_TOP_HZ = 8000.0
"""The models hear up to here, so bandwidth and noise are judged up to here."""
EDGE_DB = 25.0
_SPECTRUM_S = 60.0
_CLIP_RUN = 3


def measures(clip: Decoded) -> Measures:
    """Measure what decides whether a clip is worth keeping.

    Returns:
        ``duration_s, rate_hz, channels, rms_dbfs, peak_dbfs`` (loudest channel), ``clipped_share`` (worst channel),
        ``dc_offset`` (worst channel, of full scale, signed), ``dropout_s`` (longest stretch in which nothing moves),
        ``bandwidth_share`` and ``snr_db`` (see there), ``near_hash``. Levels of digital silence are -300.
    """
    x = clip.floats()
    centred = x - x.mean(axis=0)
    loud = centred[:, int(np.argmax((centred**2).mean(axis=0)))]
    power, freq = _power(loud, clip.rate)
    return {
        "duration_s": clip.seconds,
        "rate_hz": clip.rate,
        "channels": clip.channels,
        "rms_dbfs": _db(float((loud.astype(np.float64) ** 2).mean())),
        "peak_dbfs": _db(float(np.abs(x).max()) ** 2),
        "clipped_share": clipped_share(x),
        "dc_offset": _largest(x.mean(axis=0, dtype=np.float64)),
        "dropout_s": longest_still(x) / clip.rate,
        "bandwidth_share": bandwidth_share(power, freq),
        "snr_db": snr_db(power, freq),
        "near_hash": near_hash(mono(loud, clip.rate), RATE),
    }


def _db(power: float) -> float:
    return max(-300.0, 10 * float(np.log10(max(power, 1e-30))))


def _largest(values: Samples) -> float:
    """Pick the value of the largest amount, with its sign."""
    return float(values[int(np.argmax(np.abs(values)))])


def clipped_share(x: Samples) -> float:
    """Share of samples at the clip's extreme, three or more in a row and close to full scale; the worst channel's.

    A converter that clips repeats its largest code; sound that merely peaks does not.
    """
    top = np.abs(x).max(axis=0)
    flat = (np.abs(x) >= top * 0.9999) & (top > 0.98)
    return max(float(_long_runs(flat[:, c], _CLIP_RUN).mean()) for c in range(x.shape[1]))


def _long_runs(flags: Samples, least: int) -> Samples:
    """Keep only runs of at least ``least``."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    kept = np.zeros(len(flags), bool)
    for start, end in edges.reshape(-1, 2):
        kept[start:end] = end - start >= least
    return kept


def longest_still(x: Samples) -> int:
    """Count the samples of the longest stretch in which no channel moves: a gap of zeros or of the last value."""
    still = (np.diff(x, axis=0) == 0).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], still.astype(np.int8), [0]))))
    runs = edges.reshape(-1, 2)
    return int((runs[:, 1] - runs[:, 0]).max()) + 1 if len(runs) else 0


def _power(x: Samples, rate: int) -> tuple[Samples, Samples]:
    """Welch spectrum of at most a minute from the middle, in frames of about 32 ms, and its frequencies."""
    size = 2 ** round(np.log2(0.032 * rate))
    middle, half = len(x) // 2, round(_SPECTRUM_S * rate / 2)
    part = x[max(0, middle - half) : middle + half]
    if len(part) < size:
        part = np.pad(part, (0, size - len(part)))
    frames = np.lib.stride_tricks.sliding_window_view(part, size)[:: size // 2]
    # side lobes 92 dB down: the skirt of a strong tone must not look like a cliff
    window = blackmanharris(size).astype(np.float32)
    power = (np.abs(np.fft.rfft(frames * window)) ** 2).mean(axis=0).astype(np.float64)
    return power, np.arange(len(power)) * rate / size


def bandwidth_share(power: Samples, freq: Samples) -> float:
    """Share of the band up to 8 kHz (or half the rate) below the steepest cliff in the spectrum; 1 without a cliff.

    A file that was brought up from a lower rate falls off within a few per cent of the band by 25 dB or more and never
    comes back: to nothing but rounding noise. Dull machines fall off slowly, and a tone over silence is narrower than a
    step (4 % of the band), in which every bin must stand above the cliff.
    """
    top = min(AUDIBLE_TOP_HZ, float(freq[-1]))
    level = 10 * np.log10(np.maximum(power, power.max() * 1e-14 + 1e-30))
    step = max(2, round(0.04 * np.searchsorted(freq, top)))
    for at in range(2 * step, int(np.searchsorted(freq, 0.9 * top))):
        before, after = float(np.min(level[at - step : at])), float(level[at + step :].max())
        if before - after >= EDGE_DB:
            return float(freq[at] / top)
    return 1.0


def snr_db(power: Samples, freq: Samples) -> float:
    """Estimate how far the sound stands above a steady white floor, in dB (-30 to 100).

    The floor is the quietest quarter of the band: a microphone's own noise is white, machines are not. It says
    nothing about the noise of neighbouring machines; what is all white, a hiss of the recorder, is near -20.
    """
    top = min(AUDIBLE_TOP_HZ, float(freq[-1]))
    inside = (freq >= 0.02 * top) & (freq <= 0.95 * top)
    bands = np.array([part.mean() for part in np.array_split(power[inside], 4)])
    if bands.max() <= 0:
        return -30.0
    floor = max(float(bands.min()), float(bands.max()) * 1e-12)
    return float(np.clip(10 * np.log10(max(bands.mean() / floor - 1, 1e-3)), -30, 100))


Check = tuple[QuarantineCode, Callable[[Measures, IntakeParams], bool], str]
CHECKS: tuple[Check, ...] = (
    ("too_short", lambda m, p: m["duration_s"] < p.min_seconds, "The recording has {duration_s:.2f} s."),
    ("silent", lambda m, p: m["rms_dbfs"] < p.silent_below_dbfs, "The level is {rms_dbfs:.0f} dBFS: silence."),
    ("clipped", lambda m, p: m["clipped_share"] > p.max_clipped_share, "A share of {clipped_share:.3f} is clipped."),
    ("dc_offset", lambda m, p: abs(m["dc_offset"]) > p.max_dc_offset, "The mean is {dc_offset:.2f} of full scale."),
    ("dropouts", lambda m, p: m["dropout_s"] > p.max_dropout_s, "The sound is missing for {dropout_s:.2f} s."),
    (
        "upsampled", lambda m, p: m["bandwidth_share"] < p.min_bandwidth_share,
        "Only {bandwidth_share:.2f} of the band carries sound.",
    ),
    ("low_snr", lambda m, p: m["snr_db"] < p.min_snr_db, "The sound is {snr_db:.0f} dB above its noise."),
)  # fmt: skip
"""Reason, condition and sentence, in the order in which they are told."""


def judge(found: Mapping[str, Any], params: IntakeParams) -> Verdict:
    """Admit a clip with these measures, or refuse it for the first reason in ``CHECKS``."""
    known = dict(found)
    for code, fails, sentence in CHECKS:
        if fails(known, params):
            return refuse(code, sentence.format(**known), known)
    return Verdict(admitted=True, message="Fit for use.", measures=known)
