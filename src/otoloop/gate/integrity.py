"""Before any number counts: the same items, whole, once, for everybody, and answers in the agreed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from otoloop.evaluate.suites import Suite
from otoloop.gate.parts import Check
from otoloop.gate.tables import Table, Tables
from otoloop.params import GateParams

CANDIDATE, CHAMPION, BASE = "candidate", "champion", "base"


def integrity(results: Tables, suites: Sequence[Suite], digests: Mapping[str, str] | None = None) -> list[Check]:
    """One check a suite: passes, or fails with the first thing that is wrong.

    Args:
        results: ``{suite: {answerer: table}}``.
        suites: the suites that must be there, no others.
        digests: items digest by suite as the scores name it, if known.
    """
    if not suites:
        return [_check("all", "There is no suite to judge.")]
    checks = [_check(s.name, next(_faults(results.get(s.name, {}), (digests or {}).get(s.name)), None)) for s in suites]
    strangers = sorted(set(results) - {s.name for s in suites})
    return checks + [_check(name, "Results of a suite that the cycle does not name.") for name in strangers]


def _check(suite: str, fault: str | None) -> Check:
    reason = fault or "Same items, whole, once, for every model."
    return Check(test="integrity", suite=suite, slice="all", verdict="fail" if fault else "pass", reason=reason)


def _faults(tables: Mapping[str, Table], digest: str | None) -> Iterator[str]:
    """What is wrong with one suite, gravest first."""
    for name in (CANDIDATE, BASE):
        if name not in tables:
            yield f"There are no results of the {name}."
            return
    first = tables[CANDIDATE]
    if not len(first):
        yield "There are no items."
    for name, table in tables.items():
        if len(np.unique(table.ids)) != len(table):
            yield f"Items occur more than once in the results of the {name}."
    for name, table in tables.items():
        yield from _same(name, table, first)
    if digest is not None and digest != first.sha256:
        yield "The items are not those that the scores were made from."


def _same(name: str, table: Table, first: Table) -> Iterator[str]:
    if len(table) != len(first) or not np.array_equal(table.ids, first.ids):
        yield f"The {name} was scored on other items than the candidate ({len(table)} and {len(first)})."
    elif not np.array_equal(table.digests, first.digests):
        yield f"Items of the {name} have the same ids but another content."
    elif not np.array_equal(table.clusters, first.clusters):
        yield f"Items of the {name} are assigned to other recordings."


def format_floor(results: Tables, suites: Sequence[Suite], params: GateParams) -> list[Check]:
    """Whether the candidate's outputs are well-formed traces, per suite."""
    return [_format(s.name, results[s.name][CANDIDATE], params.min_format_valid) for s in suites]


def _format(suite: str, table: Table, floor: float) -> Check:
    share = float(table.format_valid.mean())
    good = share >= floor
    reason = f"{share:.1%} of the outputs are well-formed traces; {floor:.1%} are wanted."
    return Check(
        test="format", suite=suite, slice="all", verdict="pass" if good else "fail", reason=reason,
        n=len(table), candidate=share, reference=floor, against="floor",
    )  # fmt: skip
