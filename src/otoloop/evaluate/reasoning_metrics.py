"""How good the thinking is, not only the answer; computed here, without a judge model or a closed API.

Measures follow what is known to fail in audio language models: traces that are well-formed but not about the sound
(arXiv 2509.22363), answers that survive silence (2604.24401), thinking that does not carry the answer (arXiv
2510.20867). Variants of a model are scored like models of their own and named ``<answerer>@<variant>``: ``silent``
and ``swapped`` sound, thought ``truncated`` or with a ``mistake`` put in, and ``direct`` answers without thought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from otoloop.evaluate.intervals import Floats, bootstrap_ratio, codes, share, totals, wilson
from otoloop.evaluate.results import Result
from otoloop.params import ScoreParams

VARIANTS = ("silent", "swapped", "truncated", "mistake", "direct")


def claim_accuracy(results: Sequence[Result], params: ScoreParams) -> dict[str, dict[str, Any]] | None:
    """Share of the checkable claims that the sound confirms, per item kind; None when nothing was checkable.

    A claim is one trial, a recording session one cluster: ``{kind: {accuracy, ci95, n, traces}}``.
    """
    kinds = sorted({r.kind for r in results if r.claims})
    return {k: _claims([r for r in results if r.kind == k and r.claims], params) for k in kinds} or None


def _claims(rows: Sequence[Result], params: ScoreParams) -> dict[str, Any]:
    clusters = codes([r.cluster for r in rows])
    right = totals([r.claims_right for r in rows], clusters)[0]
    made = totals([r.claims for r in rows], clusters)[0]
    low, high = claims_interval(right, made, params)
    return {"accuracy": float(right.sum() / made.sum()), "ci95": [low, high], "n": int(made.sum()), "traces": len(rows)}


def claims_interval(right: Floats, made: Floats, params: ScoreParams) -> tuple[float, float]:
    """Interval of claims confirmed per claim made, both ``[C]``; Wilson's on clusters when (nearly) all agree."""
    hits, misses = right.sum(), made.sum() - right.sum()
    if min(hits, misses) < 5:
        return wilson(float(hits / made.sum()), float(len(made)), 1.96)
    return bootstrap_ratio(right, made, resamples=params.resamples, seed=params.seed)


def metrics(results: Sequence[Result], params: ScoreParams) -> dict[str, Any]:
    """Measures of one answerer that need no variant: format, consistency, grounding, and accuracy by style.

    ``consistency`` is the share of traces whose summary names what the response names; ``right_for_wrong_reason`` the
    share of right answers with a thought in which a claim is contradicted or the summary says something else.
    """
    thought = [r for r in results if r.consistent is not None]
    right = [r for r in thought if r.correct]
    return {
        "format_valid": _share([r.format_valid for r in results], results, params),
        "consistency": _share([bool(r.consistent) for r in thought], thought, params),
        "right_for_wrong_reason": _share([_wrong_reason(r) for r in right], right, params),
        "accuracy_by_style": {
            style: _share([r.correct for r in rows], rows, params)
            for style in ("cot", "direct")
            if (rows := [r for r in results if r.style == style])
        },
        "mean_think_chars": sum(r.think_chars for r in results) / len(results) if results else None,
    }


def _wrong_reason(row: Result) -> bool:
    return not row.consistent or row.claims_right < row.claims


def variants(all_results: Mapping[str, Sequence[Result]], answerer: str, params: ScoreParams) -> dict[str, Any]:
    """What each variant of an answerer tells, on the items both answered.

    - ``silent``, ``swapped``: ``contribution`` = accuracy with the sound minus accuracy without (or with another's)
      sound; ``changed`` = share of answers that differ. Near zero contribution means that the sound is not used.
    - ``truncated``, ``mistake``: ``changed`` = share of answers that differ once the thought is cut or spoiled. Near
      zero means that the thought is decoration.
    - ``direct``: ``contribution`` = accuracy with thought minus accuracy without.
    """
    real = {r.id: r for r in all_results[answerer]}
    named = {v: all_results[f"{answerer}@{v}"] for v in VARIANTS if f"{answerer}@{v}" in all_results}
    return {v: _against(real, rows, params) for v, rows in named.items()}


def _against(real: Mapping[str, Result], other: Sequence[Result], params: ScoreParams) -> dict[str, Any]:
    pairs = [(real[r.id], r) for r in other if r.id in real]
    rows = [a for a, _ in pairs]
    gain = [float(a.correct) - float(b.correct) for a, b in pairs]
    return {
        "n": len(pairs),
        "contribution": _mean_difference(gain, rows, params),
        "changed": _share([a.said != b.said for a, b in pairs], rows, params),
    }


def _mean_difference(gain: Sequence[float], rows: Sequence[Result], params: ScoreParams) -> dict[str, Any] | None:
    if not rows:
        return None
    sums, sizes = totals(gain, codes([r.cluster for r in rows]))
    low, high = bootstrap_ratio(sums, sizes, resamples=params.resamples, seed=params.seed)
    return {"value": sum(gain) / len(gain), "ci95": [low, high]}


def _share(values: Sequence[bool], rows: Sequence[Result], params: ScoreParams) -> dict[str, Any] | None:
    if not rows:
        return None
    found = share(values, [r.cluster for r in rows], resamples=params.resamples, seed=params.seed)
    return {"value": found.value, "ci95": found.interval, "n": found.n}
