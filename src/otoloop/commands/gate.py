"""`otoloop score` and `otoloop gate`: how good a model's answers are, and whether a candidate may go live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import typer

from otoloop.commands.output import Json, emit

if TYPE_CHECKING:
    from otoloop.gate.simulate import Outcome, Plan
    from otoloop.params import Params

gate = typer.Typer(no_args_is_help=True, help="Judge a candidate: pass, fail, or not enough data.")


def register(app: typer.Typer) -> None:
    """Add `score` and `gate` to the command line."""
    app.command("score")(score)
    app.add_typer(gate, name="gate")


def score(
    suite: str = typer.Option(
        "site", help="Suite: site, or mmau, mmar, mmsu, airbench, meld, covost2 (official files)."
    ),
    items: Path = typer.Option(
        ..., help="Items with answers: our JSON lines or Parquet, or a benchmark's official file."
    ),
    predictions: Path = typer.Option(..., help="JSON lines or Parquet with id and output."),
    as_json: bool = Json,
) -> None:
    """Score a model's outputs by the published rule and by the strict one.

    Strict: missing, unreadable or contradictory answers are wrong; a letter stands for its option.
    Intervals are clustered by recording session. All shares are 0 to 1.

    Example: otoloop score --suite site --items items.jsonl --predictions answers.jsonl --json
    """
    from otoloop.evaluate.score import score_file

    params = _params()
    found = score_file(suite, items, predictions, params.score, params.base)
    emit(found, _score_words(suite, found), as_json)


def _params() -> Params:
    """The workspace's params, or the defaults outside of one."""
    from otoloop.errors import OtoloopError
    from otoloop.params import Params, load_params
    from otoloop.settings import find_workspace

    try:
        folder = find_workspace(Path.cwd())
    except OtoloopError:
        return Params()
    return load_params(folder / "params.yaml")


def _score_words(suite: str, found: dict[str, Any]) -> str:
    low, high = found["ci95"]
    lines = [
        f"{suite}: {found['n']} items, strict rule {found['accuracy']:.1%} right (95 %: {low:.1%} to {high:.1%})",
        f"  published rule {_share(found['official'])}, well-formed traces {found['format_valid']:.1%}, "
        f"unreadable answers {found['unparsed']:.1%}",
    ]
    for kind, claims in (found["claim_accuracy"] or {}).items():
        lines.append(f"  claims confirmed, {kind}: {claims['accuracy']:.1%} of {claims['n']}")
    for key, cells in found["slices"].items():
        lines.append(f"  {key}: " + ", ".join(f"{v} {c['accuracy']:.0%} (n {c['n']})" for v, c in cells.items()))
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


@gate.command("run")
def run(
    results: Optional[Path] = typer.Option(None, help="Folder of results; default: results/ of the workspace."),  # noqa: UP045
    out: Optional[Path] = typer.Option(None, help="Where the report goes; default: gate/ of the workspace."),  # noqa: UP045
    as_json: bool = Json,
) -> None:
    """Judge the candidate by its scored results and write the report. Exit code 1 on fail or not enough data.

    Example: otoloop gate run
    """
    from otoloop.gate.stage import FOLDER, judge
    from otoloop.outs import read_json
    from otoloop.params import load_params
    from otoloop.settings import find_workspace

    workspace = find_workspace(Path.cwd())
    folder = out or workspace / FOLDER
    report = judge(load_params(workspace / "params.yaml").gate, results or workspace / "results", folder, workspace)
    emit(read_json(folder / "report.json"), report_words(report.to_json(), folder), as_json)
    raise typer.Exit(0 if report.verdict == "pass" else 1)


@gate.command("show")
def show(as_json: bool = Json) -> None:
    """Show the last report of this workspace.

    Example: otoloop gate show --json
    """
    from otoloop.errors import OtoloopError
    from otoloop.gate.stage import FOLDER
    from otoloop.outs import read_json
    from otoloop.settings import find_workspace

    folder = find_workspace(Path.cwd()) / FOLDER
    if not (folder / "report.json").is_file():
        raise OtoloopError(f"There is no report in {folder}.", "Run `otoloop gate run` first.")
    data = read_json(folder / "report.json")
    emit(data, report_words(data, folder), as_json)


def report_words(data: dict[str, Any], folder: Path) -> str:
    """The first screen in words."""
    lines = [f"{data['verdict'].replace('_', ' ')}: {data['reason']}"]
    if data["pilot"]:
        lines.append(f"pilot: {data['pilot'].replace('_', ' ')}. {data['pilot_reason']}")
    head = data["headline"]
    if head and head["n"]:
        lines.append(
            f"against the {data['reference']}: {100 * head['difference']:+.1f} points "
            f"({100 * head['low']:+.1f} to {100 * head['high']:+.1f}), {head['clusters']} recordings; "
            f"smallest detectable difference {100 * head['smallest_detectable']:.1f} points"
        )
    lines += [
        f"  {c['verdict']:15} {c['test']:17} {c['suite']}, {c['slice']}: {c['reason']}" for c in _shown(data["checks"])
    ]
    lines += [
        f"  record {r['recordings']} more: {r['suite']}, {r['slice']}" for r in data["record_more"] if r["gating"]
    ]
    return "\n".join([*lines, f"report: {folder / 'report.html'}"])


def _shown(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [c for c in checks if c["gating"] or c["verdict"] == "fail"]


@gate.command("simulate")
def simulate(
    recordings: int = typer.Option(150, min=2, help="Sealed recordings a slice, when there are no results yet."),
    items: int = typer.Option(2, min=1, help="Items per recording."),
    accuracy: float = typer.Option(0.8, min=0.01, max=0.99, help="The champion's accuracy."),
    discordance: float = typer.Option(0.15, min=0.01, max=1.0, help="Share of items on which two equal models differ."),
    gain: float = typer.Option(0.1, min=0.0, max=1.0, help="True gain on the target whose power is wanted."),
    drop: float = typer.Option(0.15, min=0.0, max=1.0, help="True loss on known kinds that must be caught."),
    runs: int = typer.Option(200, min=10, help="Candidates of each quality."),
    as_json: bool = Json,
) -> None:
    """Simulate candidates of known quality under the present thresholds and sizes: false promotions and power.

    Sizes, accuracy and agreement come from the workspace's results when there are any, else from the options.

    Example: otoloop gate simulate --recordings 300 --gain 0.05
    """
    from otoloop.gate.simulate import KNOWN, TARGET, Plan
    from otoloop.gate.simulate import simulate as judge_many

    params = _params().gate
    given = Plan(recordings, items, accuracy, discordance)
    plans = _present_plans() or {TARGET: given, KNOWN: given}
    cases = {"equal": (0.0, 0.0), "better": (gain, 0.0), "better_but_forgets": (gain, drop)}
    found = {
        name: judge_many(plans, params, gain=g, drop=d, runs=runs, seed=params.seed) for name, (g, d) in cases.items()
    }
    data = {
        "false_promotion_rate": found["equal"].promoted,
        "power": found["better"].promoted,
        "harm_promoted": found["better_but_forgets"].promoted,
        "alpha": params.alpha,
        "cases": {name: outcome.to_json() for name, outcome in found.items()},
        "sizes": {name: {"recordings": p.recordings, "items": p.recordings * p.items} for name, p in plans.items()},
    }
    emit(data, _simulation_words(data, found, plans), as_json)


def _present_plans() -> dict[str, Plan] | None:
    """Plans from the results of this workspace, or None when there are none."""
    from otoloop.errors import OtoloopError
    from otoloop.settings import find_workspace

    try:
        folder = find_workspace(Path.cwd())
    except OtoloopError:
        return None
    if not (folder / "results").is_dir():
        return None
    from otoloop.evaluate.results import read_all
    from otoloop.evaluate.suites import read_inputs
    from otoloop.gate.simulate import plans_of
    from otoloop.gate.stage import cycle_suites
    from otoloop.gate.tables import tables

    results = read_all(folder / "results")
    return plans_of(tables(results), cycle_suites(read_inputs(folder), results))


def _simulation_words(data: dict[str, Any], found: dict[str, Outcome], plans: dict[str, Plan]) -> str:
    sizes = ", ".join(f"{name} {p.recordings} recordings of {p.items} items" for name, p in plans.items())
    lines = [f"{sizes}; {found['equal'].runs} candidates each"]
    words = {
        "equal": "equal to the champion",
        "better": f"better by {100 * found['better'].gain:g} points",
        "better_but_forgets": f"the same, but {100 * found['better_but_forgets'].drop:g} points lost on known kinds",
    }
    for name, outcome in found.items():
        shares = ", ".join(f"{v.replace('_', ' ')} {share:.1%}" for v, share in outcome.verdicts.items())
        lines.append(f"  {words[name]}: {shares}")
    lines.append(
        f"false promotions {data['false_promotion_rate']:.1%} (alpha {data['alpha']:.1%}), power {data['power']:.1%}"
    )
    return "\n".join(lines)
