"""One claim against what was measured: confirmed, contradicted, not hearable, or not verifiable.

A stated number is right when it differs from the measured one by no more than the largest of: the tolerance of its
kind, the uncertainty of the measurement, and, for items answered from sound alone, the resolution of hearing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from otoloop.reasoning.claims import Stated
from otoloop.reasoning.composer import ORDER_TOLERANCE
from otoloop.reasoning.facts import BAND_DB, Fact, facts_for, measured_word, ties
from otoloop.reasoning.hearing import THIRD_OCTAVES, Hearing
from otoloop.records import Evidence, Finding

Status = Literal["confirmed", "contradicted", "not_hearable", "unverifiable"]
# relative and absolute tolerance of a number that is said to be exact
TOLERANCES: Mapping[str, tuple[float, float]] = {
    "tone_hz": (0.03, 2.0), "hum_hz": (0.03, 1.0), "f0_hz": (0.03, 1.0), "centroid_hz": (0.15, 20.0),
    "impulse_rate_hz": (0.03, 0.1), "modulation_hz": (0.1, 0.1), "mains_hz": (0.01, 0.5),
    "speed_rpm": (0.02, 1.0), "shaft_hz": (0.02, 0.1), "impacts_per_turn": (0.03, 0.02), "gear_mesh_hz": (0.02, 1.0),
    "outer_race_order": (0.015, 0.01), "inner_race_order": (0.015, 0.01), "ball_order": (0.015, 0.01),
    "outer_race_hz": (0.03, 0.2), "inner_race_hz": (0.03, 0.2), "ball_hz": (0.03, 0.2),
    "rms_dbfs": (0.0, 1.0), "peak_dbfs": (0.0, 1.0), "vibration_rms_mm_s": (0.05, 0.1), "temperature_c": (0.0, 1.0),
    "current_a": (0.05, 0.1),
}  # fmt: skip
HEDGED = 0.05  # "about", "roughly" forgive this share
# kinds whose modulation is stated in whole numbers when it is only heard
_WHOLE = {"modulation_hz": 0.5}
_HEARD_FLAGS = ("band", "impulsive", "steady", "tonal", "hum")
# a window of 25 ms holds hardly one cycle of 50 Hz: by ear, lower tones are not told apart
LOWEST_HZ = float(THIRD_OCTAVES[0])
_TOP_HZ, _TOP_MODULATION = 8000.0, 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFinding(Finding):
    """A finding about one claim, with the claim's kind (``tone_hz``) and how it fared."""

    kind: str = ""
    status: Status = "confirmed"


def judge(claim: Stated, evidence: Evidence, kind: str | None, ears: Hearing) -> ClaimFinding:
    """Compare one claim with the evidence.

    Args:
        claim: from ``claims.extract``.
        evidence: measured and derived facts.
        kind: ``audio_only``, ``with_evidence``, or None when it is not known (hedged numbers are then taken as heard).
        ears: what the base can hear.
    """
    if kind == "audio_only" and not hearable(claim, ears):
        facts = facts_for(claim, evidence)
        return _finding(claim, "not_hearable", facts[0].value if facts else None, None)
    if isinstance(claim.value, bool) or claim.kind in ("band", "nearest_order"):
        return _worded(claim, evidence)
    return _number(claim, facts_for(claim, evidence, heard=kind == "audio_only"), kind, ears)


def hearable(claim: Stated, ears: Hearing) -> bool:
    """Whether this claim can be made from sound alone."""
    if claim.kind in _HEARD_FLAGS:
        return True
    if not ears.hearable(claim.kind):
        return False
    value = float(claim.value)
    return value <= (_TOP_MODULATION if claim.kind == "modulation_hz" else _TOP_HZ)


def _number(claim: Stated, facts: list[Fact], kind: str | None, ears: Hearing) -> ClaimFinding:
    """Judge a stated number, range or bound, affirmed or denied."""
    if not facts:
        return _finding(claim, "unverifiable", None, None)
    fact = facts[0]
    if fact.absent:
        return _finding(claim, "confirmed" if claim.negated else "contradicted", False, None)
    fact = min(facts, key=lambda f: _off(claim, f) / tolerance(claim, f, kind, ears))
    limit, measured = tolerance(claim, fact, kind, ears), float(fact.value or 0.0)
    near = _off(claim, fact) <= limit
    return _finding(claim, "contradicted" if near == claim.negated else "confirmed", measured, limit)


def _off(claim: Stated, fact: Fact) -> float:
    """How far the measured value lies outside what was stated (a number, range or bound)."""
    stated, measured = float(claim.value), float(fact.value or 0.0)
    low, high = (stated if claim.low is None else claim.low), (stated if claim.high is None else claim.high)
    return max(low - measured, measured - high, 0.0)


def tolerance(claim: Stated, fact: Fact, kind: str | None, ears: Hearing) -> float:
    """The largest difference that still counts as right, in the claim's unit."""
    share, least = TOLERANCES[claim.kind]
    measured = abs(float(fact.value or 0.0))
    limits = [share * measured, least, fact.uncertainty]
    if claim.hedged and share:
        limits.append(HEDGED * measured)
    if claim.kind in ears.tolerance and (kind == "audio_only" or (kind is None and claim.hedged)):
        limits += [ears.tolerance[claim.kind] * measured, _WHOLE.get(claim.kind, 0.0)]
        if claim.kind == "tone_hz" and _lowest(float(claim.value), ears):
            limits.append(LOWEST_HZ * (1 + ears.tolerance[claim.kind]) - measured)
    return max(limits)


def _lowest(stated: float, ears: Hearing) -> bool:
    """Whether a tone is put into the lowest class of hearing, which holds all tones below it."""
    return abs(stated / LOWEST_HZ - 1) <= ears.tolerance["tone_hz"]


def _worded(claim: Stated, evidence: Evidence) -> ClaimFinding:
    """Judge a flag, a band, or the nearest order."""
    measured = measured_word(claim, evidence)
    if measured is None:
        return _finding(claim, "unverifiable", None, None)
    if claim.kind == "band" and measured != claim.value and ties(claim, evidence):
        return _finding(claim, "confirmed", claim.value, BAND_DB)
    same = (measured == claim.value) != claim.negated
    return _finding(
        claim,
        "confirmed" if same else "contradicted",
        measured,
        ORDER_TOLERANCE if claim.kind == "nearest_order" else None,
    )


def _finding(claim: Stated, status: Status, measured: float | str | bool | None, limit: float | None) -> ClaimFinding:
    """The outcome as a finding; only contradictions and claims that cannot be heard carry a code."""
    return ClaimFinding(
        code=_code(claim, status, measured),
        message=_message(claim, status, measured, limit),
        claim=claim.text,
        span=claim.span,
        stated=claim.value,
        measured=measured,
        tolerance=limit,
        unit=claim.unit,
        kind=claim.kind,
        status=status,
    )


def _code(claim: Stated, status: Status, measured: float | str | bool | None) -> str | None:
    if status == "not_hearable":
        return "claim_not_hearable"
    if status != "contradicted":
        return None
    event = measured is False and claim.value is not False and claim.kind != "steady" and not claim.negated
    return "event_not_supported" if event else "claim_contradicted"


def _message(claim: Stated, status: Status, measured: float | str | bool | None, limit: float | None) -> str:
    """One sentence for people."""
    said = f"“{claim.text}”"
    if status == "not_hearable":
        return f"{said} cannot be told from sound alone; an audio_only trace must not state it."
    if status == "unverifiable":
        return f"{said} is unverifiable: nothing reliable was measured to compare it with."
    value = _shown(measured, claim.unit)
    within = f" ± {_shown(limit, claim.unit)}" if limit and not isinstance(measured, str) else ""
    if status == "confirmed":
        return f"{said} is confirmed: measured {value}{within}."
    if measured is False and not isinstance(claim.value, bool):
        return f"{said} is not supported: nothing of the kind was measured in this sound."
    return f"{said} is contradicted: measured {value}{within}."


def _shown(value: float | str | bool | None, unit: str) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "nothing"}[value]
    if isinstance(value, str):
        return value.replace("_", " ")
    return f"{value:.4g} {unit}".strip()
