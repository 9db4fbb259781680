"""Claims shown where they stand: marked in the words of the trace, and drawn over the picture of the sound."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from otoloop.reasoning.judge import ClaimFinding
from otoloop.web.sound import height

SIGNS = {"confirmed": "✓", "contradicted": "✗", "not_hearable": "✗", "unverifiable": "?"}
CLASSES = {
    "confirmed": "confirmed",
    "contradicted": "contradicted",
    "not_hearable": "contradicted",
    "unverifiable": "unverifiable",
}
EDGES = {"low": (0.0, 500.0), "mid": (500.0, 2000.0), "high": (2000.0, 8000.0)}
MAX_TICKS = 120
_PART = re.compile(r"<(PLANNING|CAPTION|REASONING|SUMMARY|RESPONSE)>(.*?)</\1>", re.DOTALL)
_NAMES = {
    "PLANNING": "Plan",
    "CAPTION": "What is heard",
    "REASONING": "Reasoning",
    "SUMMARY": "Summary",
    "RESPONSE": "Answer",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of a trace; ``claim`` is the number of the claim they make, if any."""

    text: str
    claim: int | None = None
    css: str = ""
    sign: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the trace, in pieces."""

    tag: str
    name: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A level line over the picture at ``y`` percent from the top, with its words."""

    claim: int
    css: str
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Ticks:
    """Marks ``x`` (percent of the width) that repeat, at the bottom (impacts) or the top (modulation).

    ``whole``: all are drawn; else only the first second.
    """

    claim: int
    css: str
    x: tuple[float, ...]
    top: bool
    label: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Zone:
    """A band of frequencies from ``y`` percent, ``h`` percent high."""

    claim: int
    css: str
    y: float
    h: float
    label: str
    sign: str


def trace_parts(text: str, claims: Sequence[ClaimFinding]) -> list[Part]:
    """The parts of a trace with its claims marked; a text that is no trace comes back as one part."""
    found = [Part(m[1], _NAMES[m[1]], tuple(_pieces(text, m.start(2), m.end(2), claims))) for m in _PART.finditer(text)]
    return found or [Part("", "Not a trace", tuple(_pieces(text, 0, len(text), claims)))]


def _pieces(text: str, start: int, end: int, claims: Sequence[ClaimFinding]) -> Iterator[Piece]:
    """Words between ``start`` and ``end``, cut where claims begin and end."""
    at = start
    for number, claim in enumerate(claims):
        a, b = claim.span or (0, 0)
        if a < at or b > end:
            continue
        if a > at:
            yield Piece(text[at:a])
        yield Piece(text[a:b], number, CLASSES[claim.status], SIGNS[claim.status], claim.message)
        at = b
    if at < end:
        yield Piece(text[at:end])


def overlay(claims: Sequence[ClaimFinding], seconds: float) -> list[Line | Ticks | Zone]:
    """What claims look like over the picture; claims that have no place in it are left to the list."""
    return [mark for number, claim in enumerate(claims) for mark in _drawn(number, claim, seconds)]


def _drawn(number: int, claim: ClaimFinding, seconds: float) -> Iterator[Line | Ticks | Zone]:
    css, sign = CLASSES[claim.status], SIGNS[claim.status]
    value = claim.stated
    if (
        claim.kind in ("tone_hz", "hum_hz", "gear_mesh_hz", "mains_hz")
        and isinstance(value, float)
        and 0 < value <= 8000
    ):
        yield Line(number, css, _y(value), f"{sign} {value:g} Hz")
        if claim.status == "contradicted" and isinstance(claim.measured, float) and 0 < claim.measured <= 8000:
            yield Line(number, "measured", _y(claim.measured), f"{claim.measured:.0f} Hz")
    elif claim.kind in ("impulse_rate_hz", "modulation_hz") and isinstance(value, float) and value > 0:
        whole = value * seconds <= MAX_TICKS
        shown = int(value * seconds) if whole else min(MAX_TICKS, max(1, int(value)))
        label = f"{sign} {value:g} /s"
        x = tuple(round(100 * k / (value * seconds), 3) for k in range(shown))
        yield Ticks(number, css, x, claim.kind == "modulation_hz", label, whole)
    elif claim.kind == "band" and value in EDGES:
        low, high = (_y(edge) for edge in EDGES[str(value)])
        yield Zone(number, css, high, round(low - high, 2), f"{value} band", sign)


def _y(hz: float) -> float:
    return round(100 * (1 - height(hz)), 2)


def seconds_scale(seconds: float) -> list[tuple[str, float]]:
    """Labels of the time axis with their place in percent from the left, at round times."""
    step = next((s for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120) if seconds / s <= 10), 300)
    return [(f"{k * step:g}", round(100 * k * step / seconds, 3)) for k in range(int(seconds / step) + 1)]


def scale() -> list[tuple[str, float]]:
    """Labels of the frequency axis with their place in percent from the top."""
    return [
        (label, _y(hz))
        for label, hz in (("8k", 7999.0), ("4k", 4e3), ("2k", 2e3), ("1k", 1e3), ("500", 500.0), ("100", 100.0))
    ]
