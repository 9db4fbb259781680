"""May the candidate go live? Pure functions from results to a report: no clock, no files, no chance.

Order: integrity; not worse on guard suites and old slices (Holm); better on the target; above the floors; no more
missed detections. All must pass, so the chance of passing a candidate that is no better, or is worse somewhere, is
below the look's alpha. One failure fails; otherwise anything undecided asks for more recordings.

Pilot lane: without a champion, a candidate that clears the floors and shows a gain over the base may be requested for
the channel ``pilot``, however few recordings there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from otoloop.codes import VerdictName
from otoloop.evaluate.results import Result
from otoloop.evaluate.suites import Suite
from otoloop.gate.checks import floor, missed_detections, non_inferiority, superiority
from otoloop.gate.integrity import BASE, CANDIDATE, CHAMPION, format_floor, integrity
from otoloop.gate.parts import TEST_WORDS, Check, Part, Rules
from otoloop.gate.tables import Table, Tables, tables
from otoloop.params import GateParams

Pilot = Literal["eligible", "not_eligible"]
_KNOWN, _WHOLE = "known", "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the gate found.

    Attributes:
        verdict: of the whole.
        reference: what the candidate was compared with: ``champion``, or ``base`` when there is none.
        pilot: whether it may be requested for the pilot channel; None when there is a champion.
        pilot_reason: why.
        alpha: one-sided error that this look could spend.
        headline: the check on the target that stands on the first screen.
        checks: all checks, in the order in which they are read.
        record_more: where how many recordings are missing, most wanted first.
    """

    verdict: VerdictName
    reason: str
    reference: str
    pilot: Pilot | None
    pilot_reason: str
    alpha: float
    headline: Check | None
    checks: tuple[Check, ...]
    record_more: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """The content of gate/report.json."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "reference": self.reference,
            "pilot": self.pilot,
            "pilot_reason": self.pilot_reason,
            "alpha": self.alpha,
            "headline": self.headline.to_json() if self.headline else None,
            "checks": [c.to_json() for c in self.checks],
            "record_more": [dict(r) for r in self.record_more],
        }


def decide(
    results: Mapping[str, Sequence[Result]], params: GateParams, suites: Sequence[Suite], *,
    alpha: float | None = None, digests: Mapping[str, str] | None = None,
) -> GateReport:  # fmt: skip
    """Judge the candidate.

    Args:
        results: rows by answerer; ``candidate`` and ``base`` are needed, ``champion`` may be absent.
        params: thresholds.
        suites: what is judged and what is wanted of each.
        alpha: the error share granted for this look at the sealed items; ``params.alpha`` when None.
        digests: items digest by suite as the scores name it, checked when given.
    """
    return decide_tables(tables(results), params, suites, alpha=alpha, digests=digests)


def decide_tables(
    results: Tables, params: GateParams, suites: Sequence[Suite], *, alpha: float | None = None,
    digests: Mapping[str, str] | None = None,
) -> GateReport:  # fmt: skip
    """`decide` on columns; what simulation calls many thousand times."""
    rules = Rules(params, params.alpha if alpha is None else alpha)
    has_champion = any(CHAMPION in t for t in results.values())
    reference = CHAMPION if has_champion else BASE
    checks = integrity(results, suites, digests)
    sound = all(c.verdict == "pass" for c in checks)
    if sound:
        checks += format_floor(results, suites, params) + _compare(results, suites, reference, rules)
    return _report(checks, reference, rules, sound)


def _compare(results: Tables, suites: Sequence[Suite], reference: str, rules: Rules) -> list[Check]:
    """All comparisons in the fixed order."""
    parts = {s.name: _part(s.name, results[s.name], reference) for s in suites}
    old = [p for s in suites for p in old_slices(s, parts[s.name])]
    watched = [p for s in suites for p in watched_slices(s, parts[s.name])]
    not_worse = non_inferiority(old, rules, watched)
    targets = [s for s in suites if s.role == "target"]
    better = [_better(s, parts[s.name], rules) for s in targets]
    floors = [superiority(_part(s.name, results[s.name], BASE), rules, "beats_base") for s in targets]
    floors += [floor(s.name, results[s.name][CANDIDATE], s.floor, rules) for s in suites if s.floor is not None]
    missed = [c for s in targets if (c := missed_detections(parts[s.name], rules)) is not None]
    return [*not_worse[: len(old)], *better, *floors, *missed, *not_worse[len(old) :]]


def _part(suite: str, by_name: Mapping[str, Table], reference: str) -> Part:
    return Part(suite, _WHOLE, reference, by_name[CANDIDATE], by_name[reference])


def target_slice(suite: Suite, whole: Part) -> Part:
    """The items that should become better; possibly none."""
    if not suite.target:
        return whole
    return whole.where(_target_name(suite), whole.candidate.matches(suite.target))


def _target_name(suite: Suite) -> str:
    return "; ".join(f"{k}: {', '.join(v)}" for k, v in suite.target.items())


def _better(suite: Suite, whole: Part, rules: Rules) -> Check:
    """Superiority on the target; a target of which nothing was recorded cannot be judged."""
    part = target_slice(suite, whole)
    if len(part.candidate):
        return superiority(part, rules)
    least = rules.params.min_clusters
    reason = f"No sealed item belongs to the target. About {least} recordings would decide."
    return Check(
        test="superiority", suite=suite.name, slice=_target_name(suite), verdict="not_enough_data", reason=reason,
        against=whole.against, missing=least,
    )  # fmt: skip


def old_slices(suite: Suite, whole: Part) -> list[Part]:
    """What must not become worse: a guard suite, or the items of a target suite that are not its target."""
    if suite.role == "guard":
        kept = whole
    else:
        mask = ~whole.candidate.matches(suite.target)
        if not mask.any():
            return []
        kept = whole.where(_KNOWN, mask)
    return _cut(kept, suite.slice_by) if suite.slice_by else [kept]


def watched_slices(suite: Suite, whole: Part) -> list[Part]:
    """Slices by each watched key that has more than one value."""
    return [p for key in suite.watch if len(parts := _cut(whole, (key,))) > 1 for p in parts]


def _cut(part: Part, keys: Sequence[str]) -> list[Part]:
    """One part a combination of slice values; items that lack all keys form none."""
    table = part.candidate
    columns = np.stack([table.slices.get(k, np.full(len(table), "")) for k in keys], axis=1)
    values, which = np.unique(columns, axis=0, return_inverse=True)
    names = [", ".join(f"{k}: {v}" for k, v in zip(keys, row, strict=True) if v) for row in values]
    return [part.where(name, which.ravel() == i) for i, name in enumerate(names) if name]


def _report(checks: Sequence[Check], reference: str, rules: Rules, sound: bool) -> GateReport:
    verdict, reason = _overall(checks)
    pilot, why = _pilot(checks, reference, rules, sound)
    headline = next((c for c in checks if c.test == "superiority"), None)
    return GateReport(
        verdict=verdict, reason=reason, reference=reference, pilot=pilot, pilot_reason=why, alpha=rules.alpha,
        headline=headline, checks=tuple(checks), record_more=_record_more(checks),
    )  # fmt: skip


def _overall(checks: Sequence[Check]) -> tuple[VerdictName, str]:
    """A failure anywhere fails; then anything undecided that gates; watched slices that lack data do not count."""
    failed = [c for c in checks if c.verdict == "fail"]
    if failed:
        first, more = failed[0], f" ({len(failed)} checks failed.)" if len(failed) > 1 else ""
        asked = f"“{TEST_WORDS[first.test]}” on {first.suite}, {first.slice}"
        return "fail", f"{first.reason} Asked was {asked}.{more}"
    short = [c for c in checks if c.verdict == "not_enough_data" and c.gating]
    if short:
        most = max(short, key=lambda c: c.missing)
        words = "One check is" if len(short) == 1 else f"{len(short)} checks are"
        return "not_enough_data", f"{words} undecided. About {most.missing} more recordings would decide."
    return "pass", "Every check passed."


def _pilot(checks: Sequence[Check], reference: str, rules: Rules, sound: bool) -> tuple[Pilot | None, str]:
    """The lane of a site without a champion: integrity, format, floors, a shown gain over the base, no shown harm."""
    if reference == CHAMPION:
        return None, "There is a champion."
    if not sound:
        return "not_eligible", "Integrity failed."
    hard = [c for c in checks if c.test in ("format", "floor") and c.verdict == "fail"]
    weak = [c for c in checks if c.test == "beats_base" and not _gained(c, rules)]
    harm = [
        c
        for c in checks
        if c.test in ("non_inferiority", "missed_detections") and c.high is not None and c.high < -(c.margin or 0)
    ]
    bad = next(iter([*hard, *weak, *harm]), None)
    if bad is not None:
        return "not_eligible", bad.reason
    gains = [c for c in checks if c.test == "beats_base"]
    if not gains:
        return "not_eligible", "There is no target suite on which to show a gain over the base."
    low = min(c.low for c in gains if c.low is not None)
    return "eligible", f"Well-formed, and better than the base by at least {100 * low:.1f} points."


def _gained(check: Check, rules: Rules) -> bool:
    return check.p is not None and check.p <= rules.alpha and check.low is not None and check.low > 0


def _record_more(checks: Sequence[Check]) -> tuple[dict[str, Any], ...]:
    """Per slice the most that any of its checks lacks; what must be decided first, then the slices that look worst."""
    wanted: dict[tuple[str, str], dict[str, Any]] = {}
    for c in (c for c in checks if c.verdict == "not_enough_data"):
        row = wanted.setdefault(
            (c.suite, c.slice), {"suite": c.suite, "slice": c.slice, "recordings": 0, "present": c.clusters}
        )
        row["recordings"] = max(row["recordings"], c.missing)
        row["gating"] = row.get("gating", False) or c.gating
        row["difference"] = min(row.get("difference", 1.0), 0.0 if c.difference is None else c.difference)
    return tuple(sorted(wanted.values(), key=_urgency))


def _urgency(row: Mapping[str, Any]) -> tuple[Any, ...]:
    order = -row["recordings"] if row["gating"] else row["difference"]
    return not row["gating"], order, row["suite"], row["slice"]
