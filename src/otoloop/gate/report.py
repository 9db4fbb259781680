"""What the approver reads: the gate's findings with everything needed to believe them, as data (report.json).

Ids, hashes, shares and fault names only: sound and text are looked up when shown, so an erased clip leaves no copy
here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from otoloop.evaluate.intervals import share
from otoloop.evaluate.reasoning_metrics import claim_accuracy
from otoloop.evaluate.results import Result
from otoloop.evaluate.suites import SITE
from otoloop.gate.integrity import BASE, CANDIDATE, CHAMPION
from otoloop.gate.verdicts import GateReport
from otoloop.params import GateParams, ScoreParams
from otoloop.reasoning.vocab import faults

# control: the same recipe without the new data, so that a gain is credited to them
MODELS = (BASE, CHAMPION, "control", CANDIDATE)
UNREAD = "unread"
EXAMPLES = 5


def contents(
    report: GateReport, results: Mapping[str, Sequence[Result]], params: GateParams, *,
    cycle: Mapping[str, Any] | None = None, reasoning: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The whole report as JSON-ready data; `page.html` and `page.markdown` render it.

    Args:
        report: what `decide` found.
        results: rows by answerer, variants allowed.
        params: the thresholds it was found with.
        cycle: inputs/cycle.yaml, of which release, base, champion, reason and owner are shown.
        reasoning: the part ``reasoning`` of metrics/scores.json, shown as it is.
    """
    models = {name: list(results[name]) for name in MODELS if name in results}
    scoring = ScoreParams(resamples=params.resamples, seed=params.seed)
    return {
        **report.to_json(),
        "inputs": _inputs(cycle or {}),
        "params": params.model_dump(),
        "models": list(models),
        "accuracy": _accuracy(models, scoring),
        "faults": _by_fault(models, scoring),
        "confusion": _confusion(models.get(CANDIDATE, [])),
        "claims": {name: claim_accuracy(rows, scoring) for name, rows in models.items()},
        "alarms": {name: _alarms(rows) for name, rows in models.items()},
        "examples": _examples(models, report.reference),
        "reasoning": {k: v for k, v in (reasoning or {}).items() if k in models},
    }


def _inputs(cycle: Mapping[str, Any]) -> dict[str, str]:
    """One word each for what the cycle was made from."""
    named = {key: _word(cycle.get(key)) for key in ("cycle", "release", "base", "champion", "reason", "owner")}
    return {k: v for k, v in named.items() if v}


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        name = next((value[k] for k in ("name", "id", "version") if value.get(k)), "")
        digest = str(value.get("sha256") or value.get("revision") or "")[:8]
        return " ".join(p for p in (str(name), digest) if p)
    return "" if value is None else str(value)


def _accuracy(models: Mapping[str, Sequence[Result]], params: ScoreParams) -> list[dict[str, Any]]:
    """One row a suite: n, recordings, and every model's share with interval."""
    suites = sorted({r.suite for rows in models.values() for r in rows}, key=lambda s: (s != SITE, s))
    return [
        {"suite": s, **_cells({m: [r for r in rows if r.suite == s] for m, rows in models.items()}, params)}
        for s in suites
    ]


def _by_fault(models: Mapping[str, Sequence[Result]], params: ScoreParams) -> list[dict[str, Any]]:
    """One row a fault, in the order of the vocabulary."""
    present = {r.slice.get("fault") for rows in models.values() for r in rows}
    return [
        {"fault": f, "name": fault_name(f), **_cells({m: _of(rows, f) for m, rows in models.items()}, params)}
        for f in faults()
        if f in present
    ]


def _of(rows: Iterable[Result], fault: str) -> list[Result]:
    return [r for r in rows if r.slice.get("fault") == fault]


def _cells(cut: Mapping[str, Sequence[Result]], params: ScoreParams) -> dict[str, Any]:
    found = {m: share(*_answers(rows), resamples=params.resamples, seed=params.seed) for m, rows in cut.items() if rows}
    largest = max(found.values(), key=lambda s: s.n)
    cells = {m: {"accuracy": s.value, "low": s.low, "high": s.high} for m, s in found.items()}
    return {"n": largest.n, "recordings": largest.clusters, "models": cells}


def _answers(rows: Sequence[Result]) -> tuple[list[bool], list[str]]:
    return [r.correct for r in rows], [r.cluster for r in rows]


def _confusion(rows: Sequence[Result]) -> dict[str, Any]:
    """Which fault was called what by the candidate; counts by gold (rows) and said (columns)."""
    heard = [r for r in rows if r.slice.get("fault") in faults()]
    counts = Counter((r.slice["fault"], r.said if r.said in faults() else UNREAD) for r in heard)
    gold = [f for f in faults() if any(g == f for g, _ in counts)]
    said = [f for f in (*faults(), UNREAD) if f in gold or any(s == f for _, s in counts)]
    return {
        "gold": gold,
        "said": said,
        "names": {f: fault_name(f) for f in {*gold, *said}},
        "counts": [[counts[g, s] for s in said] for g in gold],
    }


def _alarms(rows: Sequence[Result]) -> dict[str, Any]:
    """Faults called normal, and normal machines called faulty, with how many there were."""
    faulty = [r for r in rows if r.faulty]
    healthy = [r for r in rows if r.slice.get("fault") == "normal"]
    return {
        "missed": sum(r.missed for r in faulty), "faulty": len(faulty),
        "false_alarms": sum(r.false_alarm for r in healthy), "healthy": len(healthy),
    }  # fmt: skip


def _examples(models: Mapping[str, Sequence[Result]], reference: str) -> dict[str, Any]:
    """A few items that the candidate won from the reference or lost to it, from as many faults as possible."""
    other = {r.id: r for r in models.get(reference, [])}
    pairs = [(r, other[r.id]) for r in models.get(CANDIDATE, []) if r.id in other]
    won = [(a, b) for a, b in pairs if a.correct and not b.correct]
    lost = [(a, b) for a, b in pairs if b.correct and not a.correct]
    return {"won": _spread(won), "lost": _spread(lost), "won_count": len(won), "lost_count": len(lost)}


def _spread(pairs: Sequence[tuple[Result, Result]]) -> list[dict[str, Any]]:
    """The first of every gold answer, then the second, ... so that one fault does not fill the list."""
    seen: Counter[str] = Counter()
    ranked = []
    for one, two in sorted(pairs, key=lambda p: p[0].id):
        ranked.append((seen[one.gold], one.gold, one, two))
        seen[one.gold] += 1
    ranked.sort(key=lambda r: r[:2])
    return [_example(one, two) for _, _, one, two in ranked[:EXAMPLES]]


def _example(one: Result, two: Result) -> dict[str, Any]:
    return {
        "item": one.id, "clip": one.clip, "machine": one.slice.get("machine", ""), "kind": one.kind,
        "gold": fault_name(one.gold), "candidate": _said(one), "reference": _said(two),
    }  # fmt: skip


def _said(row: Result) -> str:
    return fault_name(row.said) if row.said is not None else f"({row.reading.replace('_', ' ')})"


def fault_name(text: str) -> str:
    """The English name where ``text`` is a fault id, else the text."""
    return faults()[text].en if text in faults() else text
