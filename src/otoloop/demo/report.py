"""What the demo leaves behind: report.json for scripts, report.html for people, honesty.json for doubters."""

from __future__ import annotations

import os
import platform
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from otoloop.demo import harm
from otoloop.demo.asking import parts
from otoloop.demo.tour import Demo, Timing
from otoloop.outs import replacing, write_json

FILES = ("report.json", "report.html", "honesty.json")
MODELS = ("base", "champion", "candidate")
VERDICT_WORDS = {"pass": "Pass", "fail": "Fail", "not_enough_data": "Not enough data"}


def write(demo: Demo, seconds: float) -> Path:
    """Write the files into the workspace; returns the page."""
    demo.report["seconds"] = round(seconds, 1)
    write_json(demo.workspace / "report.json", demo.report)
    write_json(demo.workspace / "honesty.json", demo.facts.get("honesty", {}))
    with replacing(demo.workspace / "report.html") as draft:
        draft.write_text(page(demo), encoding="utf-8")
    return demo.workspace / "report.html"


def page(demo: Demo) -> str:
    """The self-contained page: no scripts, no outside files."""
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.PackageLoader("otoloop.demo", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    env.filters |= {"percent": percent, "parts": parts, "harm": harm.told}
    return env.get_template("report.html").render(
        r=demo.report, facts=demo.facts, timings=demo.timings, words=VERDICT_WORDS,
        models=MODELS, links=_links(demo.workspace), seed=demo.seed, asked=demo.ask, machine=f"{os.cpu_count()} cores, {platform.system()}",
    )  # fmt: skip


def _links(workspace: Path) -> dict[str, str]:
    """Pages that lie beside this one."""
    known = {"The gate's report": "gate/report.html", "Checks of the release": "work/validate/report.html"}
    pages = {name: path for name, path in known.items() if (workspace / path).is_file()}
    intakes = sorted((workspace / ".otoloop" / "reports").glob("intake-*.html"))
    return pages | ({"Checks of the intake": intakes[0].relative_to(workspace).as_posix()} if intakes else {})


def percent(value: float | None) -> str:
    """A share as a percentage, a dash for none."""
    return "–" if value is None else f"{100 * value:.0f} %"


def table(demo: Demo, seconds: float) -> str:
    """The end of the tour on a terminal."""
    lines = [*_intake(demo.report["intake"]), *_honesty(demo.facts.get("honesty", {}))]
    for cycle in demo.report["cycles"]:
        lines += _cycle(cycle)
    if live := demo.report.get("live"):
        lines.append(_row("live", f"{live['version']} ({live['sha'][:8]}) on {live['channel']}"))
    lines += _times(demo.timings, seconds)
    return "\n".join(lines)


def _intake(found: Mapping[str, Any]) -> Iterator[str]:
    if found:
        yield _row("deliveries", found["deliveries"])
        yield _row("admitted clips", found["admitted"])
        yield _row("duplicates", found["duplicates"])
        yield _row("quarantined", sum(found["quarantined"].values()))
        yield from (_row(f"    {reason}", n) for reason, n in found["quarantined"].items())


def _honesty(found: Mapping[str, Any]) -> Iterator[str]:
    if found:
        yield _row("not as expected", f"{len(found['differences'])} of {found['checked']} deliveries")


def _cycle(cycle: Mapping[str, Any]) -> Iterator[str]:
    yield _row("release", cycle["release"])
    yield _row("items", cycle["items"])
    for name in MODELS:
        yield _row(f"right, {name}", score_words(cycle["scores"].get(name)))
    yield _row("verdict", VERDICT_WORDS.get(cycle["verdict"], cycle["verdict"]))
    yield from (_row("", reason) for reason in cycle["reasons"])
    if "spoiled" in cycle:
        yield from (_row("", line) for line in harm.told(cycle["spoiled"]).splitlines())


def score_words(found: Mapping[str, Any] | None) -> str:
    """A model's share of right answers with its interval."""
    if not found:
        return "–"
    low, high = found["ci95"]
    return f"{percent(found['accuracy'])} ({100 * low:.0f} to {100 * high:.0f}, n {found['n']})"


def _times(timings: Sequence[Timing], seconds: float) -> Iterator[str]:
    for one in timings:
        yield _row(one.title, f"{one.seconds:6.1f} s, processors {one.cpu_seconds:6.1f} s")
    worked = sum(one.cpu_seconds for one in timings)
    yield _row("in all", f"{seconds:6.1f} s, processors {worked:6.1f} s")


def _row(name: str, value: Any) -> str:
    first, *rest = textwrap.wrap(str(value), 110) or [""]
    return "\n".join([f"  {name:<34} {first}", *(f"  {'':<34} {line}" for line in rest)])
