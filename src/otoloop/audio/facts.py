"""From the raw features of one clip to measured facts: thresholds, uncertainties, what to believe.

The thresholds were set on simulated machines at -4 to 20 dB SNR so that what is called reliable is right in at least
95 of 100 clips; see tests/audio/test_evidence_truth.py.
"""

from __future__ import annotations

from typing import Any

from otoloop.audio import lines, moving, spectrum
from otoloop.records import Measured

SILENT_DBFS = -70.0
IMPACT_FIRST_DB, IMPACT_BURST, IMPACT_KURTOSIS = 9.0, 2.3, 3.1
"""A train of impacts: its first line over the floor, the bursting of its band, and the kurtosis above 1 kHz."""
MODULATION_DB, MODULATION_DEPTH = 12.0, 0.12
IMPULSIVE_KURTOSIS, RINGING_KURTOSIS = 3.4, 4.0
STEADY_DB = 2.0
HARMONIC_SCORE_DB = 25.0
MOVING_DB, MOVING_SHARE, MOVING_WOBBLE = 26.0, 0.35, (0.017, 0.045)
HUM_LINES = 3
LEVEL_KEYS = ("duration_s", "rms_dbfs", "peak_dbfs")
KEYS = (
    *LEVEL_KEYS, "crest_db", "kurtosis", "centroid_hz", "flatness", "bands_dbfs", "band", "tones", "f0_hz", "hum_hz",
    "impulsive", "impulse_rate_hz", "modulation_hz", "modulation_depth", "steady",
)  # fmt: skip

Features = dict[str, Any]


def facts_of(f: Features, seconds: float) -> dict[str, Measured]:
    """Turn the raw features of one clip of ``seconds`` into facts; the keys are ``KEYS``."""
    level = {
        "duration_s": _fact(seconds, 1 / spectrum.RATE),
        "rms_dbfs": _fact(f["level.rms"], 0.1),
        "peak_dbfs": _fact(f["level.peak"], 0.1),
    }
    if f["level.rms"] < SILENT_DBFS:
        return level | {key: Measured(value=None) for key in KEYS[len(LEVEL_KEYS) :]}
    facts = level | _shape(f, seconds) | _lines(f) | _rhythm(f, seconds)
    return {key: facts[key] for key in KEYS}


def _fact(value: Any, uncertainty: float | None, reliable: bool = True) -> Measured:
    """Make one fact."""
    return Measured(value=value, uncertainty=uncertainty, reliable=bool(reliable))


def _shape(f: Features, seconds: float) -> dict[str, Measured]:
    """Level statistics and spectral balance."""
    bands = dict(zip(spectrum.BANDS, f["balance.bands"], strict=True))
    best, second = sorted(bands, key=lambda name: -bands[name])[:2]
    kurt, long = f["kurt.plain"], seconds >= 0.5
    return {
        "crest_db": _fact(f["level.peak"] - f["level.rms"], 0.2),
        "kurtosis": _fact(kurt, 2 * kurt / 3 * (24 / (seconds * 1400)) ** 0.5, long),
        "centroid_hz": _fact(f["balance.centroid"], max(f["df"], f["balance.centroid_u"])),
        "flatness": _fact(f["balance.flatness"], 0.05, long),
        "bands_dbfs": _fact(bands, 0.5),
        "band": _fact(best, None, bands[best] - bands[second] >= 1.0),
        "steady": _fact(f["level.spread"] < STEADY_DB, None, seconds >= 2.0),
    }


def _lines(f: Features) -> dict[str, Measured]:
    """Tones, fundamental and mains hum."""
    found = _tones(f)
    mains = f["hum.hz"] if f["hum.lines"] >= HUM_LINES else None
    harmonic = f["f0.score"] >= HARMONIC_SCORE_DB and f["f0.count"] >= 3 and f["f0.first"] > 6.0
    return {
        "tones": _fact(found, f["df"] / 2, bool(found)),
        "f0_hz": _fact(f["f0.f0"] if f["f0.count"] >= 2 else None, f["df"] / 2, harmonic and not _is_multiple(f)),
        "hum_hz": _fact(mains, f["df"] / 2 if mains else None, mains is not None),
    }


def _is_multiple(f: Features) -> bool:
    """Tell whether the fundamental is but a multiple of the impact rate, whose lines a train of impacts shows too."""
    ratio = f["f0.f0"] / max(f["impact.rate"], 1e-6)
    return regular(f, "impact") and ratio > 1.5 and bool(abs(ratio - round(ratio)) < 0.02 * ratio)


def _tones(f: Features) -> list[dict[str, float]]:
    """Steady and moving tones, the strongest first; a moving tone replaces the lines it is smeared into."""
    tones = [_tone(f, "tone", i, 0.0) for i in range(lines.MAX_TONES) if f["tone.level"][i] > 0]
    for tone in [_tone(f, "move", i, f["move.wobble"][i]) for i in range(moving.COUNT) if _is_moving(f, i)]:
        near = [t for t in tones if abs(t["f_hz"] - tone["f_hz"]) <= moving.SPAN * tone["f_hz"]]
        if all(t["level_db"] < tone["level_db"] for t in near):
            tones = [t for t in tones if t not in near] + [tone]
    if regular(f, "impact") and f["kurt.local"] >= RINGING_KURTOSIS:
        # the lines of a ringing train of impacts are no tones
        tones = [t for t in tones if t["f_hz"] < 500 or t["wobble_hz"] > 0]
    return sorted(tones, key=lambda t: -t["level_db"])[: lines.MAX_TONES]


def _is_moving(f: Features, i: int) -> bool:
    """Tell whether short-time peaks gather closely and often enough to be one tone that sways."""
    wobble = f["move.wobble"][i] / max(f["move.f"][i], 1.0)
    often = f["move.share"][i] >= MOVING_SHARE and f["move.level"][i] >= MOVING_DB
    return bool(often and MOVING_WOBBLE[0] <= wobble <= MOVING_WOBBLE[1])


def _tone(f: Features, kind: str, i: int, wobble: float) -> dict[str, float]:
    """One tone as users see it."""
    keys = {"f_hz": "f", "level_db": "level", "start_s": "start", "end_s": "end"}
    tone = {key: f[f"{kind}.{name}"][i] for key, name in keys.items()}
    return tone | {"wobble_hz": wobble, "uncertainty_hz": max(f["df"] / 2, wobble / 2)}


def _rhythm(f: Features, seconds: float) -> dict[str, Measured]:
    """Impacts and modulation; ringing impacts are preferred to dull ones."""
    kind = "impact" if regular(f, "impact") or not regular(f, "thud") else "thud"
    rate, df = f[f"{kind}.rate"], f[f"{kind}.df"]
    swelling = f["mod.level"] >= MODULATION_DB and f["mod.depth"] >= MODULATION_DEPTH
    hz, depth = f["mod.hz"], f["mod.depth"]
    return {
        "impulsive": _fact(f["kurt.local"] >= IMPULSIVE_KURTOSIS, None, seconds >= 0.5),
        "impulse_rate_hz": _fact(rate or None, max(df / 2, 0.008 * rate), regular(f, kind)),
        "modulation_hz": _fact(hz or None, f["mod.df"] / 2 + 0.005 * hz, swelling),
        "modulation_depth": _fact(depth, 0.05 + 0.1 * depth, swelling),
    }


def regular(f: Features, kind: str) -> bool:
    """Tell whether a comb in the envelope is a train of impacts: it stands out, its band bursts."""
    clear = f[f"{kind}.excess"] > 0.0 and f[f"{kind}.first"] >= IMPACT_FIRST_DB
    bursting = f[f"{kind}.burst"] >= IMPACT_BURST and (kind == "thud" or f["kurt.local"] >= IMPACT_KURTOSIS)
    return bool(clear and bursting)
