"""The gate's report as one self-contained HTML page and as Markdown. No scripts, no outside files, no inline styles."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

from otoloop.gate.parts import TEST_WORDS
from otoloop.gate.report import fault_name

VERDICT_WORDS = {"pass": "Pass", "fail": "Fail", "not_enough_data": "Not enough data"}
# Of a watched key with many values (machines, say) so many rows are drawn
WORST = 4
# Below so many recordings an interval says nothing
FEW = 5
MARKS = {"pass": "✓", "fail": "✕", "not_enough_data": "…"}
KIND_WORDS = {"audio_only": "sound only", "with_evidence": "sound and evidence"}


def html(data: Mapping[str, Any]) -> str:
    """One page for people."""
    drawn = forest(data["checks"], data["params"]["margin"])
    return _environment().get_template("report.html").render(d=data, forest=drawn)


def markdown(data: Mapping[str, Any]) -> str:
    """The same in short, for places that show Markdown."""
    return _environment().get_template("report.md").render(d=data)


@cache
def _environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(files("otoloop") / "gate" / "templates")),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
    )  # fmt: skip
    env.filters |= {"percent": percent, "points": points, "label": label, "cell": cell}
    env.globals |= {
        "verdict_words": VERDICT_WORDS, "marks": MARKS, "test_words": TEST_WORDS, "kind_words": KIND_WORDS,
    }  # fmt: skip
    return env


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage, a dash for none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def points(share: float | None) -> str:
    """A difference of shares as signed points, with a real minus sign."""
    return "–" if share is None else f"{100 * share:+.1f}".replace("-", "−")


def cell(text: str) -> str:
    """Text that stays in its cell of a Markdown table and is no markup there."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\|`*_#\[\]])", r"\\\1", plain)


def label(text: str) -> str:
    """A slice as people say it: fault ids become names, item kinds words."""
    if text == "all":
        return "all items"
    if text == "known":
        return "known kinds"
    key, _, values = text.partition(": ")
    if not values:
        return text
    words = ", ".join(KIND_WORDS.get(v, fault_name(v)) for v in values.split(", "))
    return words if key in ("fault", "kind") else f"{key.replace('_', ' ')} {words}"


def forest(checks: Sequence[Mapping[str, Any]], margin: float) -> dict[str, Any]:
    """Geometry of the forest plot: rows with positions 0..1000 along the axis of differences, and its ticks."""
    shown = [c for c in checks if c["difference"] is not None]
    rows = [c for c in shown if c["gating"] or c["verdict"] == "fail"] + _watched(shown)
    reach = max([margin * 1.5, 0.05, *(abs(v) for c in rows for v in (c["low"], c["high"], c["difference"]))])
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5) if reach / s <= 3 or s == 0.5)
    edge = min(1.0, step * -(-reach // step))
    count = int(edge / step + 1e-9)

    def at(value: float) -> float:
        return float(round(1000 * (value + edge) / (2 * edge), 1))

    placed = [
        {**c, "x": at(c["difference"]), "x1": at(max(-edge, c["low"])), "x2": at(min(edge, c["high"]))} for c in rows
    ]
    ticks = [
        {"x": at(k * step), "text": points(k * step).replace(".0", "") if k else "0"} for k in range(-count, count + 1)
    ]
    return {"rows": placed, "ticks": ticks, "zero": at(0.0), "margin": at(-margin), "left_out": len(shown) - len(rows)}


def _watched(shown: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Watched slices that did not fail: all faults and short keys, of longer ones only the worst few."""
    by_key: dict[str, list[Mapping[str, Any]]] = {}
    for c in shown:
        if not c["gating"] and c["verdict"] != "fail" and c["clusters"] >= FEW:
            by_key.setdefault(c["slice"].partition(":")[0], []).append(c)
    kept: list[Mapping[str, Any]] = []
    for key, rows in by_key.items():
        few = key != "fault" and len(rows) > WORST + 2
        kept += sorted(rows, key=lambda c: c["difference"])[:WORST] if few else rows
    return kept
