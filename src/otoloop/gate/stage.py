"""Stage `gate`: judged rows in, verdict and report out. Any verdict is a result; only a crash is an error.

results/<answerer>.jsonl, metrics/scores.json      what `score` wrote
inputs/cycle.yaml                                  suites, and the grant for this look: ``grant: {alpha: 0.005}``
gate/report.json, gate/report.html, gate/report.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.evaluate.results import Result, read_all
from otoloop.evaluate.suites import Suite, default_suites, read_inputs
from otoloop.gate.integrity import CANDIDATE
from otoloop.gate.page import html, markdown
from otoloop.gate.report import contents
from otoloop.gate.verdicts import GateReport, decide
from otoloop.outs import read_json, replacing, write_json
from otoloop.params import GateParams

FOLDER = "gate"


def main(params: GateParams, workspace: Path) -> GateReport:
    """Judge the cycle's candidate and write the report.

    Raises:
        OtoloopError: results are missing or unreadable, or the cycle's inputs make no sense.
    """
    return judge(params, workspace / "results", workspace / FOLDER, workspace)


def judge(params: GateParams, results_dir: Path, out: Path, workspace: Path) -> GateReport:
    """Judge the results of a folder and write ``report.(json|html|md)`` into ``out``."""
    cycle, scores = read_inputs(workspace), read_scores(workspace)
    results = read_all(results_dir)
    report = decide(
        results, params, cycle_suites(cycle, results), alpha=granted(cycle, params), digests=scores.get("items_sha256")
    )
    page = contents(report, results, params, cycle=cycle, reasoning=scores.get("reasoning", {}))
    with replacing(out) as folder:
        folder.mkdir()
        write_json(folder / "report.json", page)
        (folder / "report.html").write_text(html(page), encoding="utf-8")
        (folder / "report.md").write_text(markdown(page), encoding="utf-8")
    return report


def read_scores(workspace: Path) -> dict[str, Any]:
    """metrics/scores.json, empty when there is none."""
    path = workspace / "metrics" / "scores.json"
    return dict(read_json(path)) if path.is_file() else {}


def cycle_suites(cycle: Mapping[str, Any], results: Mapping[str, Sequence[Result]]) -> list[Suite]:
    """The cycle's suites; suites that only the results know get what `default_suites` wants of them.

    Raises:
        OtoloopError: a suite of the cycle is unusable.
    """
    named = [Suite.from_mapping(row) for row in cycle.get("suites") or []]
    rows = results.get(CANDIDATE, [])
    other = [s for s in default_suites((r.suite, r.slice) for r in rows) if s.name not in {n.name for n in named}]
    return sorted([*named, *other], key=lambda s: (s.role != "target", s.name))


def granted(cycle: Mapping[str, Any], params: GateParams) -> float:
    """The alpha that this look may spend: the grant's ``alpha``, its share ``error_share`` of gate.alpha, or all.

    Raises:
        OtoloopError: the grant is no number, or more than params.gate.alpha.
    """
    grant = cycle.get("grant") or {}
    value = grant.get("alpha", params.alpha * grant.get("error_share", 1.0))
    if not isinstance(value, (int, float)) or not 0 < value <= params.alpha:
        raise OtoloopError(
            f"The grant for this look is {value!r}.", f"Grant an alpha above 0 and up to gate.alpha = {params.alpha}."
        )
    return float(value)
