"""What the gate's checks are made of: a slice with two models on it, the thresholds, and the answer to one question."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from otoloop.codes import VerdictName
from otoloop.gate.statistics import Paired, paired
from otoloop.gate.tables import Bools, Table
from otoloop.params import GateParams

Test = Literal[
    "integrity", "format", "superiority", "non_inferiority", "missed_detections", "beats_base", "floor", "watch"
]

TEST_WORDS: dict[Test, str] = {
    "integrity": "Integrity",
    "format": "Trace format",
    "non_inferiority": "Not worse",
    "superiority": "Better on the target",
    "beats_base": "Better than the base",
    "floor": "Absolute floor",
    "missed_detections": "Missed detections",
    "watch": "Watched slice",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question and its answer. Shares are 0..1; ``low`` and ``high`` are one-sided bounds of the difference.

    Attributes:
        gating: whether missing data here block promotion (a failure always does).
        missing: further recordings that would decide it, 0 when decided.
        smallest_detectable: true difference that so many recordings would show with the wanted power.
    """

    test: Test
    suite: str
    slice: str
    verdict: VerdictName
    reason: str
    gating: bool = True
    against: str | None = None
    n: int = 0
    clusters: int = 0
    candidate: float | None = None
    reference: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    margin: float | None = None
    smallest_detectable: float | None = None
    missing: int = 0

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Part:
    """A slice of one suite, with candidate and reference on the same items."""

    suite: str
    slice: str
    against: str
    candidate: Table
    reference: Table

    @property
    def pair(self) -> Paired:
        """Right answers, paired."""
        return paired(self.candidate.correct, self.reference.correct, self.candidate.clusters)

    def where(self, name: str, mask: Bools) -> Part:
        """A part of the part, under another name."""
        return replace(self, slice=name, candidate=self.candidate.where(mask), reference=self.reference.where(mask))


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds and the error share that this look at the sealed items may spend.

    ``alpha`` guards every step towards a pass; a failure needs ``params.alpha`` only, since failing costs no budget.
    """

    params: GateParams
    alpha: float
