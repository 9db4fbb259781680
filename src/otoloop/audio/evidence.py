"""Facts measured from a sound by signal processing, each with an honest uncertainty and a flag that says whether to
believe it.

``measure_batch`` works on many clips at once in numpy or torch (also on a GPU) with the same code; ``measure`` is one
clip in numpy. Everything is measured at 16 kHz. Uncertainties are half-widths that hold in about 95 % of cases (GUM,
k = 2). A fact that does not stand out of the noise has ``reliable=False``; what could not be measured has
``value=None``. Silence has a level only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from otoloop.audio import envelope, lines, moving, spectrum
from otoloop.audio.arrays import Array, Xp, is_torch, lists
from otoloop.errors import OtoloopError
from otoloop.records import Evidence, Measured

RATE = spectrum.RATE
SILENT_DBFS = -70.0
MIN_SECONDS = 0.1
IMPULSE_FIRST_DB, IMPULSE_BURST = 9.0, 2.3
MODULATION_DB, MODULATION_DEPTH = 12.0, 0.12
IMPULSIVE_KURTOSIS = 3.4
STEADY_DB = 2.0
FUNDAMENTAL_SCORE_DB = 25.0
MOVING_DB = 26.0
RINGING_KURTOSIS, IMPACT_KURTOSIS = 4.0, 3.1
_CHUNK = {"numpy": 16, "torch": 512}
KEYS = (
    "duration_s", "rms_dbfs", "peak_dbfs", "crest_db", "kurtosis", "centroid_hz", "flatness", "bands_dbfs", "band", "tones",
    "f0_hz", "hum_hz", "impulsive", "impulse_rate_hz", "modulation_hz", "modulation_depth", "steady",
)  # fmt: skip


def measure_batch(waves: Array, rate: int, xp: Xp) -> list[dict[str, Measured]]:
    """Measure mono clips of equal length.

    Args:
        waves: float32 [B, T] in -1..1, finite, T at least 0.1 s.
        rate: 16000; other rates belong to :func:`measure`, which resamples.
        xp: the module numpy or torch, whichever ``waves`` belongs to.

    Raises:
        OtoloopError: the rate is not 16 kHz, or the clips are shorter than 0.1 s.
    """
    if rate != RATE:
        raise OtoloopError(f"measure_batch works at {RATE} Hz, not {rate}.", "Resample first, or use measure().")
    if waves.shape[-1] < MIN_SECONDS * RATE:
        raise OtoloopError(f"A clip of {waves.shape[-1] / RATE:.3f} s is too short to measure.", "Give at least 0.1 s.")
    size = _CHUNK["torch" if is_torch(xp) else "numpy"]
    out: list[dict[str, Measured]] = []
    for start in range(0, waves.shape[0], size):
        out.extend(_rows(_facts(waves[start : start + size], xp), waves.shape[-1] / RATE))
    return out


def measure(wave: np.ndarray, rate: int) -> Evidence:
    """Measure one clip: [T] or [T, C] at any rate; of several channels the loudest is taken, other rates are resampled.

    Raises:
        OtoloopError: samples are not finite, or the clip is shorter than 0.1 s.
    """
    x = np.asarray(wave, dtype=np.float32)
    if x.ndim == 2:
        x = x[:, int(np.argmax(np.mean((x - x.mean(0)) ** 2, axis=0)))]
    if not np.isfinite(x).all():
        raise OtoloopError("The clip has samples that are not finite.", "Record it again or repair the file.")
    if rate != RATE:
        import soxr

        x = soxr.resample(x, rate, RATE).astype(np.float32)
    return measure_batch(x[None], RATE, np)[0]


def _facts(x: Array, xp: Xp) -> dict[str, list[Any]]:
    """All features of a chunk as plain lists of length B."""
    x = x - x.mean(-1)[..., None]
    s = spectrum.spectrum(x, xp)
    full = xp.fft.rfft(x)
    above = envelope.high_passed(full, x.shape[-1], 1000.0, xp)
    groups: dict[str, dict[str, Array]] = {
        "level": spectrum.levels(x, xp), "balance": spectrum.balance(s, xp), "tone": lines.tones(s, xp),
        "move": moving.moving(x, xp),
        "f0": lines.fundamental(s, xp), "hum": lines.hum(s, xp), "impact": envelope.impacts(full, x.shape[-1], xp),
        "thud": envelope.thuds(full, x.shape[-1], xp),
        "mod": envelope.modulation(full, x.shape[-1], xp),
        "kurt": {"plain": envelope.kurtosis(above, xp), "local": envelope.local_kurtosis(above, xp)},
    }  # fmt: skip
    facts = {f"{group}.{name}": lists(value) for group, rows in groups.items() for name, value in rows.items()}
    facts["df"] = [s.df] * x.shape[0]
    return facts


def _rows(facts: dict[str, list[Any]], seconds: float) -> list[dict[str, Measured]]:
    """One dict of facts per clip."""
    names = list(facts)
    return [_one(dict(zip(names, row, strict=True)), seconds) for row in zip(*facts.values(), strict=True)]


def _one(f: dict[str, Any], seconds: float) -> dict[str, Measured]:
    """Turn raw features of one clip into measured facts."""
    level = {
        "duration_s": Measured(value=seconds, uncertainty=1 / RATE, reliable=True),
        "rms_dbfs": Measured(value=f["level.rms"], uncertainty=0.1, reliable=True),
        "peak_dbfs": Measured(value=f["level.peak"], uncertainty=0.1, reliable=True),
    }
    if f["level.rms"] < SILENT_DBFS:
        return level | {key: Measured(value=None) for key in KEYS if key not in level}
    return level | _shape(f, seconds) | _lines(f) | _rhythm(f, seconds)


def _shape(f: dict[str, Any], seconds: float) -> dict[str, Measured]:
    """Level statistics and spectral balance."""
    bands = dict(zip(spectrum.BANDS, f["balance.bands"], strict=True))
    ordered = sorted(bands, key=lambda name: -bands[name])
    gap = bands[ordered[0]] - bands[ordered[1]]
    kurt = f["kurt.plain"]
    return {
        "crest_db": Measured(value=f["level.peak"] - f["level.rms"], uncertainty=0.2, reliable=True),
        "kurtosis": Measured(value=kurt, uncertainty=2 * kurt / 3 * (24 / (seconds * 1400)) ** 0.5, reliable=seconds >= 0.5),
        "centroid_hz": Measured(value=f["balance.centroid"], uncertainty=max(f["df"], f["balance.centroid_u"]), reliable=True),
        "flatness": Measured(value=f["balance.flatness"], uncertainty=0.05, reliable=seconds >= 0.5),
        "bands_dbfs": Measured(value=bands, uncertainty=0.5, reliable=True),
        "band": Measured(value=ordered[0], uncertainty=None, reliable=gap >= 1.0),
        "steady": Measured(value=f["level.spread"] < STEADY_DB, uncertainty=None, reliable=seconds >= 2.0),
    }


def _lines(f: dict[str, Any]) -> dict[str, Measured]:
    """Tones, fundamental and mains hum."""
    found = _tones(f)
    mains = f["hum.hz"] if f["hum.lines"] >= 3 else None
    f0 = f["f0.f0"] if f["f0.count"] >= 2 else None
    harmonic = f["f0.score"] >= FUNDAMENTAL_SCORE_DB and f["f0.count"] >= 3 and f["f0.first"] > 6.0
    return {
        "tones": Measured(value=found, uncertainty=f["df"] / 2, reliable=bool(found)),
        "f0_hz": Measured(value=f0, uncertainty=f["df"] / 2, reliable=harmonic and not _is_multiple(f)),
        "hum_hz": Measured(value=mains, uncertainty=f["df"] / 2 if mains else None, reliable=mains is not None),
    }


def _is_multiple(f: dict[str, Any]) -> bool:
    """Tell whether the fundamental is but a multiple of the impact rate, whose lines a train of impacts shows too."""
    ratio = f["f0.f0"] / max(f["impact.rate"], 1e-6)
    return _regular(f, "impact") and ratio > 1.5 and abs(ratio - round(ratio)) < 0.02 * ratio


def _tones(f: dict[str, Any]) -> list[dict[str, float]]:
    """Steady and moving tones, the strongest first; a moving tone replaces the lines it is smeared into."""
    steady = [_tone(f, "tone", i, 0.0) for i in range(lines.MAX_TONES) if f["tone.level"][i] > 0]
    swaying = [_tone(f, "move", i, f["move.wobble"][i]) for i in range(moving.COUNT) if _is_moving(f, i)]
    for tone in swaying:
        near = [t for t in steady if abs(t["f_hz"] - tone["f_hz"]) <= moving.SPAN * tone["f_hz"]]
        if all(t["level_db"] < tone["level_db"] for t in near):
            steady = [t for t in steady if t not in near] + [tone]
    if _regular(f, "impact") and f["kurt.local"] >= RINGING_KURTOSIS:
        steady = [t for t in steady if t["f_hz"] < 500 or t["wobble_hz"] > 0]
    return sorted(steady, key=lambda t: -t["level_db"])[: lines.MAX_TONES]


def _is_moving(f: dict[str, Any], i: int) -> bool:
    """Tell whether short-time peaks gather closely and often enough to be one tone that sways."""
    wobble = f["move.wobble"][i] / max(f["move.f"][i], 1.0)
    return bool(f["move.share"][i] >= 0.35 and f["move.level"][i] >= MOVING_DB and 0.017 <= wobble <= 0.045)


def _tone(f: dict[str, Any], kind: str, i: int, wobble: float) -> dict[str, float]:
    """One tone as users see it."""
    keys = {"f_hz": "f", "level_db": "level", "start_s": "start", "end_s": "end"}
    tone = {key: f[f"{kind}.{name}"][i] for key, name in keys.items()}
    return tone | {"wobble_hz": wobble, "uncertainty_hz": max(f["df"] / 2, wobble / 2)}


def _rhythm(f: dict[str, Any], seconds: float) -> dict[str, Measured]:
    """Impacts and modulation."""
    kind = "impact" if _regular(f, "impact") or not _regular(f, "thud") else "thud"
    rate, df = f[f"{kind}.rate"], f[f"{kind}.df"]
    swelling = f["mod.level"] >= MODULATION_DB and f["mod.depth"] >= MODULATION_DEPTH
    return {
        "impulsive": Measured(value=f["kurt.local"] >= IMPULSIVE_KURTOSIS, uncertainty=None, reliable=seconds >= 0.5),
        "impulse_rate_hz": Measured(value=rate, uncertainty=max(df / 2, 0.008 * rate), reliable=_regular(f, kind)),
        "modulation_hz": Measured(value=f["mod.hz"], uncertainty=f["mod.df"] / 2 + 0.005 * f["mod.hz"], reliable=swelling),
        "modulation_depth": Measured(value=f["mod.depth"], uncertainty=0.05 + 0.1 * f["mod.depth"], reliable=swelling),
    }


def _regular(f: dict[str, Any], kind: str) -> bool:
    """Tell whether a comb in the envelope is a train of impacts: it stands out, with its first line, of a bursting band."""
    clear = f[f"{kind}.excess"] > 0.0 and f[f"{kind}.first"] >= IMPULSE_FIRST_DB
    bursting = f[f"{kind}.burst"] >= IMPULSE_BURST and (kind == "thud" or f["kurt.local"] >= IMPACT_KURTOSIS)
    return bool(clear and bursting)
