"""What one intake did, for people, scripts and flows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One delivery that went to quarantine, and what to do about it."""

    delivery: int
    key: str
    reason_code: str
    message: str
    remedy: str


@dataclass(slots=True, kw_only=True)
class IntakeReport:
    """Counts and refusals of one run. ``duplicates`` are deliveries of clips that were there already."""

    discovered: int = 0
    admitted: list[str] = field(default_factory=list)
    duplicates: int = 0
    near_duplicates: int = 0
    unlabelled: int = 0
    refused: list[Refusal] = field(default_factory=list)
    sidecars: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    seconds: float = 0.0
    page: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json`` and flow artifacts."""
        return {
            "discovered": self.discovered, "admitted": len(self.admitted), "clips": list(self.admitted),
            "duplicates": self.duplicates, "near_duplicates": self.near_duplicates, "unlabelled": self.unlabelled,
            "quarantined": len(self.refused), "reasons": dict(Counter(r.reason_code for r in self.refused)),
            "refused": [refusal_json(r) for r in self.refused], "sidecars": dict(self.sidecars), "gone": self.gone,
            "seconds": round(self.seconds, 2), "report": self.page,
        }  # fmt: skip

    def summary(self) -> dict[str, int]:
        """What stands at the top of the page."""
        return {
            "admitted": len(self.admitted), "quarantined": len(self.refused), "known sound": self.duplicates,
            "near duplicates": self.near_duplicates, "without a fault label": self.unlabelled,
            "notes and sensors used": self.sidecars["matched"], "sidecars without audio": self.sidecars["waiting"],
        }  # fmt: skip

    def human(self, most: int = 20) -> str:
        """The report in words; the first refusals with their remedy."""
        worked = self.discovered or self.admitted or self.refused or self.duplicates or self.sidecars["matched"]
        if not (worked or self.gone):
            return "Nothing new."
        parts = [f"{n} {what}" for what, n in self.summary().items() if n]
        lines = [f"In {self.seconds:.1f} s: {', '.join(parts)}.", *refusal_lines(self.refused, most)]
        return "\n".join([*lines, f"Report: {self.page}"] if self.page else lines)


def refusal_json(refusal: Refusal) -> dict[str, Any]:
    """One refusal as a plain dict."""
    return {name: getattr(refusal, name) for name in Refusal.__slots__}


def refusal_lines(refused: Sequence[Refusal], most: int, shown: Mapping[str, str] | None = None) -> list[str]:
    """Two lines a refusal; ``shown`` names keys as the user knows them."""
    lines = []
    for one in refused[:most]:
        name = (shown or {}).get(one.key, one.key)
        lines += [f"  {name!r}: {one.reason_code}. {one.message}", f"      {one.remedy}"]
    if len(refused) > most:
        lines.append(f"  and {len(refused) - most} more: `otoloop intake --show` lists them.")
    return lines
