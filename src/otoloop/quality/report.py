"""A report of data checks as one self-contained HTML page: no script, no style and no picture from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from otoloop.quality.rules import Outcome

if TYPE_CHECKING:
    from jinja2 import Template

MOST_ROWS = 500
"""Failing rows shown; the page says how many more there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingRow:
    """One line of the table of failures; ``place`` says where a person finds it (a file, an item)."""

    place: str
    code: str
    sentence: str
    remedy: str
    warning: bool = False


def failing_rows(outcomes: Sequence[Outcome], places: Mapping[Any, str] | None = None) -> list[FailingRow]:
    """One line a row and rule that failed; ``places`` names rows better than their keys do."""
    names = places or {}
    return [
        FailingRow(
            place=names.get(f.key, str(f.key)), code=o.rule.code, sentence=o.sentence(f), remedy=o.rule.remedy,
            warning=o.rule.severity == "warn",
        )
        for o in outcomes for f in o.failures
    ]  # fmt: skip


def render(
    title: str,
    outcomes: Sequence[Outcome],
    *,
    summary: Mapping[str, Any],
    rows: Sequence[FailingRow] | None = None,
    ok: bool | None = None,
) -> str:
    """The page.

    Args:
        title: its heading.
        outcomes: the rules and how they fared.
        summary: what stands large at the top, in order (for example ``{"admitted": 90, "quarantined": 10}``).
        rows: failing rows; by default those of the outcomes.
        ok: the verdict of the whole, or None when there is none to give.
    """
    lines = list(failing_rows(outcomes) if rows is None else rows)
    lines.sort(key=lambda row: (row.warning, row.code, row.place))
    codes = Counter(row.code for row in lines if not row.warning).most_common()
    return _template().render(
        title=title, summary=summary, rules=[_rule_line(o) for o in outcomes], ok=ok, lines=lines[:MOST_ROWS],
        hidden=max(0, len(lines) - MOST_ROWS), codes=codes, most=max((n for _, n in codes), default=1),
    )  # fmt: skip


def merge(batches: Sequence[Sequence[Outcome]]) -> list[Outcome]:
    """Outcomes of the same rules over several batches as those of one table."""
    merged = []
    for same in zip(*batches, strict=True):
        failures = [f for outcome in same for f in outcome.failures]
        merged.append(
            Outcome(
                rule=same[0].rule, success=all(o.success for o in same), checked=sum(o.checked for o in same),
                failures=failures, observed=sum(o.observed for o in same) if _counts(same) else same[-1].observed,
            )
        )  # fmt: skip
    return merged


def _counts(same: Sequence[Outcome]) -> bool:
    """Whether the observed values are row counts, which add up."""
    return same[0].rule.expect == "ExpectTableRowCountToBeBetween"


def _rule_line(outcome: Outcome) -> dict[str, Any]:
    """A rule as the template shows it."""
    failed = len(outcome.failures) or int(not outcome.success)
    state = "ok" if outcome.success else "warn" if outcome.rule.severity == "warn" else "bad"
    return {
        "name": outcome.rule.name, "column": outcome.rule.column or "table", "code": outcome.rule.code, "state": state,
        "checked": outcome.checked or outcome.observed, "failed": failed,
    }  # fmt: skip


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((files("otoloop.quality") / "report.html").read_text(encoding="utf-8"))
