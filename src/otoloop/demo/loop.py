"""The demo's turn of the loop: each step is what a user would run, through a flow's deployment or the same function."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from otoloop.commands.output import say
from otoloop.demo import harm, honesty, runs
from otoloop.demo.site import LAST_WAVE, folder_of, send
from otoloop.demo.tour import Demo
from otoloop.errors import OtoloopError
from otoloop.outs import read_json, read_jsonl
from otoloop.params import load_params
from otoloop.settings import Settings

if TYPE_CHECKING:
    from otoloop.catalog import Catalog

EVENT_WAIT_S = 30
SITE_SUITE = "site"


def intake(demo: Demo) -> str:
    """Two runs of the flow `intake`: what arrived, then what came late or twice."""
    target = runs.deployment(demo.facts["prefect"], "intake/intake")
    whole = {"whole": True}
    _run(target, whole)
    late = send(demo, LAST_WAVE)
    say(f"   {late} objects more arrive: late, repeated, corrected, copied.")
    _run(target, whole)
    with catalogue(demo).reading() as session:
        from otoloop.catalog import deliveries

        rows = list(deliveries.deliveries(session))
    found = demo.report["intake"] = honesty.counts(rows)
    demo.facts["honesty"] = _compare(demo, rows)
    refused = sum(found["quarantined"].values())
    return (
        f"{found['deliveries']} deliveries: {found['admitted']} clips admitted, {found['duplicates']} duplicates, "
        f"{refused} refused for {len(found['quarantined'])} different reasons.\n"
        f"{len(demo.facts['honesty']['differences'])} deliveries became something else than the simulator intended."
    )


def _compare(demo: Demo, rows: list[Any]) -> dict[str, Any]:
    """Expected against found for everything delivered so far."""
    expected = []
    for cycle in range(1, demo.cycle + 1):
        listed = read_jsonl(folder_of(demo).with_name(str(cycle)) / "deliveries.jsonl")
        expected += [{**row, "seq": (cycle, row["seq"])} for row in listed]
    sent = [row for row in rows if "/asked-" not in row.key]  # what the gateway kept of a question is not the site's
    return {"checked": len(expected), "differences": honesty.differences(expected, sent)}


def _run(target: runs.Deployment, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One run through deployment and worker, its log passed on."""
    return runs.follow(target.url, runs.start(target, parameters), say=lambda line: say(f"   | {line}"))


def draft(demo: Demo) -> str:
    """`otoloop draft`."""
    from otoloop.reasoning.draft import run
    from otoloop.settings import state_dir

    params = load_params(demo.workspace / "params.yaml")
    report = run(catalogue(demo), params, state_dir(demo.workspace) / "memo" / "draft").to_json()
    demo.facts.setdefault("drafted", []).append(report["items"])
    held = ", ".join(f"{code} {n}" for code, n in report["held_back"].items()) or "none"
    return (
        f"{report['items']} questions with answers and chains of thought for {report['clips']} clips; every claim was "
        f"compared with the sound. {report['queued']} wait for review; held back: {held}."
    )


def review(demo: Demo) -> str:
    """A person at the terminal, or the simulated reviewer."""
    from otoloop.review.simulated import review_all

    if demo.ask and _person_reviews(demo):
        return "Reviewed by you."
    found = review_all(catalogue(demo), load_params(demo.workspace / "params.yaml").base).to_json()
    demo.facts["review"] = {"approved": found.get("approved", 0), "rejected": found.get("rejected", 0)}
    return (
        f"A SIMULATED reviewer approved {found.get('approved', 0)} items and rejected {found.get('rejected', 0)}. "
        "It sees what a person sees, not the truth."
    )


def spoil(demo: Demo) -> str:
    """The careless reviewer names faults anew, before anything is drafted from them."""
    from otoloop.reasoning.draft import due_clips
    from otoloop.review.simulated import MIX_UPS, mislabel

    book = catalogue(demo)
    with book.reading() as session:
        fresh = due_clips(session)
    wrong = mislabel(book, fresh)
    names = ", ".join(f"{a} is called {b}" for a, b in MIX_UPS.items()).replace("_", " ")
    return f"{wrong} of {len(fresh)} newly named recordings get a wrong name: {names}."


def review_carelessly(demo: Demo) -> str:
    """Whatever passes the checks is approved, whatever the note says."""
    from otoloop.review.simulated import careless, review_all

    found = review_all(catalogue(demo), load_params(demo.workspace / "params.yaml").base, opinion=careless).to_json()
    demo.facts["review"] = {"approved": found.get("approved", 0), "rejected": found.get("rejected", 0)}
    return f"A SIMULATED careless reviewer approved {found.get('approved', 0)} items: every claim in them is true."


def _person_reviews(demo: Demo) -> bool:
    """Let the person choose; True when they reviewed on the page themselves."""
    import typer

    from otoloop.catalog import items
    from otoloop.web.links import first_link
    from otoloop.workspace.state import running
    from otoloop.workspace.up import up

    if not typer.confirm("   Review yourself, on the page? (no: a simulated reviewer does it)", default=False):
        return False
    up(demo.workspace, only=["web"])
    part = running(demo.workspace, "web")
    address = first_link(demo.workspace) or (part.url if part else "the page")
    say(f"   Open {address} and approve or reject.")
    typer.prompt("   Press Enter when you have done enough", default="", show_default=False)
    with catalogue(demo).reading() as session:
        states = items.count_by_state(session)
    demo.facts["review"] = {"approved": states.get("approved", 0), "rejected": states.get("rejected", 0)}
    return not typer.confirm("   Shall the simulated reviewer do the rest?", default=True)


def release(demo: Demo) -> str:
    """`otoloop release create`."""
    from otoloop.release.create import create

    require_approved(demo)
    made = create(demo.workspace, say=lambda line: say(f"   | {line}"))
    if made is None:
        return "Nothing new is approved since the last release."
    counts = ", ".join(f"{c['items']} items of {c['sessions']} recordings for {s}" for s, c in made["counts"].items())
    return "\n".join([f"{made['tag']} at {made['commit'][:10]}: {counts}.", *made["warnings"]])


def retrain(demo: Demo) -> str:
    """Tell Prefect that enough is approved; the automation starts the flow, the flow walks dvc.yaml."""
    from otoloop.due import announce

    since = datetime.now(UTC)
    count = announce(demo.workspace)
    target = runs.deployment(demo.facts["prefect"], "retrain/retrain")
    row = runs.started_since(target, since, wait_s=EVENT_WAIT_S)
    if row is None:
        say(f"   The event started nothing within {EVENT_WAIT_S} s; starting the run by hand.")
    run = row["id"] if row else runs.start(target, {"new_items": count})
    say(f"   {count} approved items wait: {runs.page(target.url, run)}")
    runs.follow(target.url, run, say=lambda line: say(f"   | {line}"), timeout_s=3600)
    demo.facts["stages"] = runs.task_seconds(target.url, run)
    demo.report["cycles"].append(outcome(demo) | _spoiled(demo))
    demo.facts.setdefault("approved", []).append(demo.facts["review"]["approved"])
    cycle = demo.report["cycles"][-1]
    harm_done = [harm.told(cycle["spoiled"])] if "spoiled" in cycle else []
    return "\n".join([f"Verdict: {cycle['verdict']}. {cycle['reasons'][0]}", *harm_done])


def _spoiled(demo: Demo) -> dict[str, Any]:
    """What careless names did in this cycle, if there were any."""
    wrong = harm.misnamed(catalogue(demo))
    return {"spoiled": harm.measure(demo.workspace, wrong)} if wrong else {}


def outcome(demo: Demo) -> dict[str, Any]:
    """The entry of ``cycles`` in report.json, from what the stages wrote."""
    gate = read_json(demo.workspace / "gate" / "report.json")
    scores = read_json(demo.workspace / "metrics" / "scores.json")["answerers"]
    manifest = read_json(demo.workspace / "release" / "manifest.json")
    undecided = [_why(c) for c in gate["checks"] if c["verdict"] == "fail" or (c["gating"] and c["verdict"] != "pass")]
    pilot = [f"Pilot lane: {gate['pilot']}. {gate['pilot_reason']}"] if gate.get("pilot") else []
    return {
        "release": manifest["release"],
        "items": _items(demo),
        "scores": {name: _score(scores.get(name)) for name in ("base", "champion", "candidate")},
        "verdict": gate["verdict"],
        "reasons": [gate["reason"], *pilot, *undecided],
    }


def _why(check: Mapping[str, Any]) -> str:
    """A check that did not pass, with its drop, interval and p-value."""
    said = check.get("p") is None or "p = " in check["reason"]
    p = "" if said else f" p = {check['p']:.2g}."
    return f"{check['test']} on {check['slice']}: {check['reason']}{p}"


def _items(demo: Demo) -> int:
    """How many items the release holds."""
    import pyarrow.parquet as pq

    files = sorted((demo.workspace / "release" / "items").glob("*.parquet"))
    return sum(pq.read_metadata(path).num_rows for path in files)


def _score(suites: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A model's score on the site, and on every suite."""
    if not suites:
        return None
    kept = {
        name: {k: found[k] for k in ("n", "accuracy", "ci95", "format_valid", "claim_accuracy")}
        for name, found in sorted(suites.items(), key=lambda pair: (pair[0] != SITE_SUITE, pair[0]))
    }
    return {**kept[SITE_SUITE], "suites": kept}


def catalogue(demo: Demo) -> Catalog:
    """The workspace's catalogue."""
    from otoloop import catalog

    return catalog.open_workspace(demo.workspace, Settings().database_url)


def require_approved(demo: Demo) -> None:
    """Refuse to go on without anything approved.

    Raises:
        OtoloopError: nobody approved anything.
    """
    if not demo.facts.get("review", {}).get("approved"):
        raise OtoloopError("No item was approved.", "Approve some, or run `otoloop demo --yes`.")
