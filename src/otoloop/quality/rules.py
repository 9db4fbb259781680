"""A rule: one expectation as a value, with the reason code, the sentence and the remedy a person sees when it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["block", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``expect`` names a class of ``great_expectations.expectations``, ``arguments`` are its own.

    A row rule names the rows that break it; a table rule (``column`` None or an aggregate) only says yes or no.
    ``message`` may use ``{value}``: the cell that broke the rule, or the value observed for the table.
    ``block`` keeps a row (for a table rule: everything) from going on; ``warn`` only tells.
    """

    name: str
    expect: str
    column: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    code: str
    message: str
    remedy: str = ""
    severity: Severity = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A row that broke a rule; ``value`` is the cell's."""

    key: Any
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one rule fared on a table; ``observed`` is the number a table rule looked at."""

    rule: Rule
    success: bool
    checked: int
    failures: Sequence[Failure] = ()
    observed: Any = None

    def sentence(self, failure: Failure | None = None) -> str:
        """The rule's message about one row or about the table."""
        value = failure.value if failure else self.observed
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        return self.rule.message.format(value=shown)


def not_missing(column: str, code: str, what: str, *, severity: Severity = "block") -> Rule:
    """Every row has a value: all other checks pass over missing ones."""
    return Rule(
        name=f"{column} is measured", expect="ExpectColumnValuesToNotBeNull", column=column, code=code,
        message=f"{what} could not be measured.", remedy="Look at the file with `otoloop inspect`.", severity=severity,
    )  # fmt: skip


def between(
    column: str, low: float | None, high: float | None, *, name: str, code: str, message: str, remedy: str,
    severity: Severity = "block",
) -> Rule:  # fmt: skip
    """Every value lies between ``low`` and ``high``, both included."""
    bounds = {k: v for k, v in (("min_value", low), ("max_value", high)) if v is not None}
    return Rule(
        name=name, expect="ExpectColumnValuesToBeBetween", column=column, arguments=bounds, code=code, message=message,
        remedy=remedy, severity=severity,
    )  # fmt: skip


def one_of(
    column: str, values: Sequence[Any], *, name: str, code: str, message: str, remedy: str, severity: Severity = "block"
) -> Rule:
    """Every value is one of a closed list."""
    return Rule(
        name=name, expect="ExpectColumnValuesToBeInSet", column=column, arguments={"value_set": list(values)},
        code=code, message=message, remedy=remedy, severity=severity,
    )  # fmt: skip
