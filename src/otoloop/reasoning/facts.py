"""What a claim can be compared with: reliable measured values, or that a thing was looked for and is not there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from otoloop.reasoning.claims import Stated
from otoloop.reasoning.composer import ORDER_TOLERANCE
from otoloop.reasoning.phrases import ORDERS
from otoloop.records import Evidence, Measured

SILENT_DBFS = -70.0
BAND_DB = 1.5
HUM_HARMONICS = 6
AUDIBLE_DB = 10.0
# a level that swells this deep, this often, is not steady
SWELL_DEPTH, SWELL_HZ = 0.3, (1.0, 20.0)
_RACES = {"outer_race_hz": "outer_race_order", "inner_race_hz": "inner_race_order", "ball_hz": "ball_order"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A value to compare with; ``absent`` when it was looked for and is not in the sound."""

    value: float | str | bool | None = None
    uncertainty: float = 0.0
    absent: bool = False


def as_evidence(rows: Mapping[str, Any]) -> dict[str, Measured]:
    """Evidence from its JSON form ``{key: {value, uncertainty, reliable}}``; measured facts pass as they are."""
    out = {}
    for key, row in rows.items():
        if isinstance(row, Measured):
            out[key] = row
        elif isinstance(row, Mapping) and "value" in row:
            out[key] = Measured(
                value=row["value"], uncertainty=row.get("uncertainty"), reliable=bool(row.get("reliable"))
            )
    return out


def facts_for(claim: Stated, evidence: Evidence, heard: bool = False) -> list[Fact]:
    """What a numeric claim can be compared with; empty when nothing reliable was measured.

    ``heard``: the claim is judged with the coarse resolution of hearing; then only lines that stand out count, else a
    wrong number would too easily meet some faint line.
    """
    found = _candidates(claim.kind, evidence)
    if heard and claim.kind == "tone_hz":
        found = _lines(evidence, AUDIBLE_DB) or found
    return [Fact(absent=True)] if not found and _is_absent(claim.kind, evidence) else found


def _candidates(kind: str, evidence: Evidence) -> list[Fact]:
    if kind == "tone_hz":
        hum = _single("hum_hz", evidence)
        combs = [Fact(k * float(h.value or 0), k * h.uncertainty) for h in hum for k in range(1, HUM_HARMONICS + 1)]
        return _lines(evidence) + _single("f0_hz", evidence) + combs
    if kind == "hum_hz":
        return _single("hum_hz", evidence) or [f for f in _candidates("tone_hz", evidence) if float(f.value or 0) < 500]
    if kind in _RACES:
        order, shaft = _single(_RACES[kind], evidence), _single("shaft_hz", evidence)
        return [Fact(float(o.value or 0) * float(s.value or 0)) for o in order for s in shaft]
    return _single(kind, evidence)


def _lines(evidence: Evidence, within_db: float = math.inf) -> list[Fact]:
    """Measured tones, at most ``within_db`` less prominent than the strongest."""
    tones = evidence.get("tones")
    rows = tones.value if tones and tones.reliable and tones.value else []
    least = max((float(t.get("level_db", 0.0)) for t in rows), default=0.0) - within_db
    spread = _finite(tones.uncertainty) if tones else 0.0
    kept = [t for t in rows if float(t.get("level_db", 0.0)) >= least]
    return [Fact(float(t["f_hz"]), _finite(t.get("uncertainty_hz", spread))) for t in kept]


def _single(key: str, evidence: Evidence) -> list[Fact]:
    fact = evidence.get(key)
    if fact is None or not fact.reliable or fact.value is None:
        return []
    return [Fact(float(fact.value), _finite(fact.uncertainty))]


def _finite(value: float | None) -> float:
    return float(value) if value is not None and math.isfinite(value) else 0.0


def _is_absent(kind: str, evidence: Evidence) -> bool:
    """Whether the thing was looked for and is not there, as opposed to not measurable."""
    if _silent(evidence):
        return kind in ("tone_hz", "hum_hz", "impulse_rate_hz", "modulation_hz", "impacts_per_turn", "centroid_hz")
    if kind in ("tone_hz", "hum_hz"):
        tones = evidence.get("tones")
        return tones is not None and isinstance(tones.value, Sequence) and not tones.value
    if kind in ("impulse_rate_hz", "impacts_per_turn"):
        return _flag("impulsive", evidence) is False
    if kind == "modulation_hz":
        return _flag("steady", evidence) is True
    return False


def _silent(evidence: Evidence) -> bool:
    level = evidence.get("rms_dbfs")
    return level is not None and level.reliable and level.value is not None and float(level.value) < SILENT_DBFS


def _flag(key: str, evidence: Evidence) -> bool | None:
    fact = evidence.get(key)
    return bool(fact.value) if fact is not None and fact.reliable and fact.value is not None else None


def measured_word(claim: Stated, evidence: Evidence) -> str | bool | None:
    """What was measured of a band, a flag or the nearest order; None when nothing reliable was."""
    if claim.kind == "band":
        fact = evidence.get("band")
        return str(fact.value) if fact and fact.reliable and fact.value else None
    if claim.kind == "nearest_order":
        return _nearest(evidence)
    if claim.kind == "steady":
        return False if _swells(evidence) else _flag("steady", evidence)
    if _silent(evidence):
        return False
    if claim.kind == "impulsive":
        return _impacts(claim.value is True, evidence)
    return _heard(claim.kind, evidence)


def _swells(evidence: Evidence) -> bool:
    """Whether a deep, slow modulation was measured."""
    rates, depths = _single("modulation_hz", evidence), _single("modulation_depth", evidence)
    return any(
        SWELL_HZ[0] <= float(r.value or 0) <= SWELL_HZ[1] and float(d.value or 0) >= SWELL_DEPTH
        for r in rates
        for d in depths
    )


def _impacts(affirmed: bool, evidence: Evidence) -> bool | None:
    """Whether impacts were measured: a soft, regular train supports them; only ones that stand out refute "none"."""
    return True if affirmed and _single("impulse_rate_hz", evidence) else _flag("impulsive", evidence)


def _heard(kind: str, evidence: Evidence) -> bool | None:
    """Whether tones or a hum were measured."""
    tones = evidence.get("tones")
    if tones is None or tones.value is None:
        return None
    if kind == "hum":
        low = [t for t in tones.value if float(t["f_hz"]) < 500]
        return True if _single("hum_hz", evidence) or low else None
    return bool(tones.value)


def ties(claim: Stated, evidence: Evidence) -> bool:
    """Whether the claimed band is as strong as the strongest within what can be told apart."""
    fact = evidence.get("bands_dbfs")
    if fact is None or not fact.reliable or not isinstance(fact.value, Mapping) or claim.value not in fact.value:
        return False
    return float(max(fact.value.values()) - fact.value[str(claim.value)]) <= BAND_DB


def _nearest(evidence: Evidence) -> str | None:
    """The order that explains the impacts per turn; ``none`` when no order does within 5 %."""
    ratio = _single("impacts_per_turn", evidence)
    orders = {k: float(f[0].value or 0) for k in ORDERS if (f := _single(k, evidence))}
    if not ratio or not orders:
        return None
    count = float(ratio[0].value or 0)
    best = min(orders, key=lambda k: abs(orders[k] / count - 1))
    return best if abs(orders[best] / count - 1) <= ORDER_TOLERANCE else "none"
