"""Single checks of the gate: one question each, answered pass, fail or not enough data, with a sentence why.

A check passes when the data show what is asked, fails when they show the contrary, and has not enough data otherwise,
also below the least number of recordings. It then says how many recordings more would decide it with the wanted power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from otoloop.evaluate.intervals import codes, design_effect, t_quantile, totals, wilson
from otoloop.gate.parts import Check, Part, Rules, Test
from otoloop.gate.planning import (
    Sizing,
    items_for_gain,
    items_for_margin,
    recordings,
    sizing,
    smallest_detectable,
)
from otoloop.gate.statistics import Paired, bounds, drop_p, holm, noninferiority_p, paired, sign_flip_p
from otoloop.gate.tables import Table


def superiority(part: Part, rules: Rules, test: Test = "superiority") -> Check:
    """Is the candidate better? Sign-flip test and lower bound above zero must agree."""
    pair, margin = part.pair, rules.params.margin
    base, high = _filled(test, part, pair, rules), bounds(pair, rules.params.alpha)[1]
    check = replace(base, p=sign_flip_p(pair))
    shown = _known(check.p) <= rules.alpha and _known(check.low) > 0
    if shown and pair.clusters >= rules.params.min_clusters:
        return replace(check, verdict="pass", reason=f"Better than the {part.against} by {_points(check)}.")
    drop = drop_p(pair)
    if not shown and drop <= rules.params.alpha:
        why = f"Worse than the {part.against}: {_points(check)}, p = {drop:.2g} for a loss."
        return replace(check, verdict="fail", reason=why)
    if not shown and high < margin:
        why = f"No gain over the {part.against}: {_points(check)}; a gain of {_percent(margin)} points is ruled out."
        return replace(check, verdict="fail", reason=why)
    if shown:
        return _short(check, rules.params.min_clusters, rules, f"Better than the {part.against} by {_points(check)}")
    wanted = max(margin, pair.difference)
    need = _needed(pair, rules, items_for_gain(_size(pair, rules), wanted), max(pair.difference, margin / 2))
    return _short(check, need, rules, f"A gain over the {part.against} is not shown yet: {_points(check)}")


def non_inferiority(parts: Sequence[Part], rules: Rules, watched: Sequence[Part] = ()) -> list[Check]:
    """Is the candidate nowhere worse by the margin? Holm over the slices, for passing and for failing alike.

    ``watched`` parts join the family that can fail; what they lack in data does not block.
    """
    pairs = [p.pair for p in (*parts, *watched)]
    shown = [noninferiority_p(p, rules.params.margin) for p in pairs]
    passing = holm(shown[: len(parts)]) + holm(shown[len(parts) :])
    dropping = holm([drop_p(p) for p in pairs])
    return [
        _not_worse(_Compared(part, pair, p, adjusted, drop), rules, "non_inferiority" if i < len(parts) else "watch")
        for i, (part, pair, p, adjusted, drop) in enumerate(
            zip((*parts, *watched), pairs, shown, passing, dropping, strict=True)
        )
    ]


@dataclass(frozen=True, slots=True)
class _Compared:
    """One slice with its p values: not worse (raw, adjusted) and worse (adjusted)."""

    part: Part
    pair: Paired
    p: float
    adjusted: float
    drop: float


def _not_worse(one: _Compared, rules: Rules, test: Test) -> Check:
    margin = rules.params.margin
    check = replace(
        _filled(test, one.part, one.pair, rules),
        p=one.p,
        p_adjusted=one.adjusted,
        margin=margin,
        gating=test != "watch",
    )
    return _margin_verdict(check, one.pair, rules, margin, one.adjusted, one.drop)


def missed_detections(part: Part, rules: Rules) -> Check | None:
    """Are faults called normal no more often? Faulty items only, with the stricter margin; None without such items."""
    faulty = part.where("faulty machines", part.candidate.faulty)
    if not len(faulty.candidate):
        return None
    pair = paired(faulty.candidate.detected, faulty.reference.detected, faulty.candidate.clusters)
    margin = rules.params.missed_margin
    p = noninferiority_p(pair, margin)
    shares = {
        "candidate": float(faulty.candidate.detected.mean()),
        "reference": float(faulty.reference.detected.mean()),
    }
    check = replace(_filled("missed_detections", faulty, pair, rules), **shares, p=p, margin=margin)  # type: ignore[arg-type]
    return _margin_verdict(check, pair, rules, margin, p, drop_p(pair))


def _margin_verdict(check: Check, pair: Paired, rules: Rules, margin: float, p: float, drop: float) -> Check:
    noun = "detections" if check.test == "missed_detections" else "answers"
    if p <= rules.alpha and pair.clusters >= rules.params.min_clusters:
        why = f"No more than {_percent(margin)} points of {noun} lost against the {check.against}: {_points(check)}."
        return replace(check, verdict="pass", reason=why)
    if p > rules.alpha and drop <= rules.params.alpha:
        why = f"Right {noun} were lost against the {check.against}: {_points(check)}."
        return replace(check, verdict="fail", reason=why)
    if p <= rules.alpha:
        return _short(
            check, rules.params.min_clusters, rules, f"No loss of {_percent(margin)} points of {noun}: {_points(check)}"
        )
    room = margin + min(0.0, pair.difference)
    items = items_for_margin(_size(pair, rules), margin)
    need = _needed(pair, rules, items, max(room, -pair.difference, margin / 4))
    return _short(
        check, need, rules, f"A loss of {_percent(margin)} points of {noun} is not ruled out: {_points(check)}"
    )


def floor(suite: str, table: Table, wanted: float, rules: Rules) -> Check:
    """Check that the lower bound of the candidate's accuracy reaches an absolute floor."""
    sums, sizes = totals(table.correct, codes(table.clusters))
    mean, effect = float(table.correct.mean()), design_effect(sums, sizes, float(table.correct.var()))
    low, high = wilson(mean, len(table) / effect, t_quantile(1 - rules.alpha, len(sizes)))
    check = Check(
        test="floor", suite=suite, slice="all", verdict="pass", n=len(table), clusters=len(sizes), candidate=mean,
        reference=wanted, low=low, high=high, against="floor",
        reason=f"At least {low:.1%} right, above the floor of {wanted:.1%}.",
    )  # fmt: skip
    if low >= wanted and len(sizes) >= rules.params.min_clusters:
        return check
    if high < wanted:
        return replace(check, verdict="fail", reason=f"At most {high:.1%} right, below the floor of {wanted:.1%}.")
    factor = Sizing(rules.alpha, rules.params.power, mean * (1 - mean), effect).factor
    items = math.ceil(factor * max(mean * (1 - mean), 0.05) * effect / max(abs(mean - wanted), 0.01) ** 2)
    need = max(rules.params.min_clusters, math.ceil(items * len(sizes) / len(table)))
    return _short(check, need, rules, f"Between {low:.1%} and {high:.1%} right, floor {wanted:.1%}")


def _filled(test: Test, part: Part, pair: Paired, rules: Rules) -> Check:
    """A check with its numbers, the verdict still open."""
    low, high = bounds(pair, rules.alpha)
    return Check(
        test=test, suite=part.suite, slice=part.slice, verdict="not_enough_data", reason="", against=part.against,
        n=pair.n, clusters=pair.clusters, candidate=float(part.candidate.correct.mean()),
        reference=float(part.reference.correct.mean()), difference=pair.difference, low=low, high=high,
        smallest_detectable=smallest_detectable(_size(pair, rules), pair.n),
    )  # fmt: skip


def _size(pair: Paired, rules: Rules) -> Sizing:
    return sizing(pair, rules.alpha, rules.params.power)


def _needed(pair: Paired, rules: Rules, items: int, distance: float) -> int:
    """Recordings that decide it: as planned, or, where there are as many already, what the seen difference needs."""
    size = _size(pair, rules)
    need = recordings(size, items)
    if need <= pair.clusters:
        need = max(pair.clusters + 1, recordings(size, items_for_gain(size, min(distance, 0.99))))
    return max(need, rules.params.min_clusters)


def _short(check: Check, need: int, rules: Rules, found: str) -> Check:
    """Not enough data: say what was found and what is missing."""
    missing, least = max(1, need - check.clusters), rules.params.min_clusters
    few = f" There are {check.clusters} recordings of at least {least}." if check.clusters < least else ""
    reason = f"{found}.{few} About {missing} more recordings would decide."
    return replace(check, verdict="not_enough_data", missing=missing, reason=reason)


def _points(check: Check) -> str:
    """The difference in points with its bounds."""
    d, low, high = (f"{100 * _known(v):+.1f}" for v in (check.difference, check.low, check.high))
    return f"{d} points ({low} to {high})".replace("-", "−")


def _percent(value: float) -> str:
    return f"{100 * value:g}"


def _known(value: float | None) -> float:
    return float("nan") if value is None else value
