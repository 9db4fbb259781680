"""Run rules over a table with Great Expectations, and never mistake a crashed check for a clean table.

The only caller of the library: an ephemeral context in memory, pandas, complete results with the keys of all rows.
"""

from __future__ import annotations

import logging
import math
import os
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from otoloop.errors import OtoloopError
from otoloop.quality.rules import Failure, Outcome, Rule

if TYPE_CHECKING:
    import pandas as pd

SEVERITY = {"block": "critical", "warn": "warning"}


class Checker:
    """Rules made ready once and run on many tables. Not for use by several threads at a time."""

    def __init__(self, rules: Sequence[Rule], key: str) -> None:
        """``key`` is the column that identifies a row; rule names must differ."""
        if len({rule.name for rule in rules}) != len(rules):
            raise ValueError("two rules have the same name")
        self.rules = list(rules)
        self.key = key
        with _quiet():
            self._definition = _definition(self.rules)

    def run(self, frame: pd.DataFrame) -> list[Outcome]:
        """One outcome a rule, in the order of the rules.

        Raises:
            OtoloopError: a check itself failed (a column is missing, an error inside the library).
        """
        wanted = {"result_format": "COMPLETE", "unexpected_index_column_names": [self.key]}
        with _quiet():
            result = self._definition.run(
                batch_parameters={"dataframe": frame}, result_format={**wanted, "return_unexpected_index_query": False}
            )
        by_name = {r.expectation_config.meta["rule"]: r for r in result.results}
        return [self._outcome(rule, by_name.get(rule.name)) for rule in self.rules]

    def _outcome(self, rule: Rule, result: Any) -> Outcome:
        if result is None or _crashed(result):
            raise OtoloopError(
                f"The data check {rule.name!r} crashed: {_why(result)}.",
                "Nothing was let through. Run `otoloop doctor`; report it if the data look fine.",
            )
        rows = result.result.get("unexpected_index_list") or []
        failures = [Failure(key=_plain(row[self.key]), value=_plain(row.get(rule.column))) for row in rows]
        checked = int(result.result.get("element_count") or 0)
        observed = _plain(result.result.get("observed_value"))
        return Outcome(
            rule=rule, success=bool(result.success), checked=checked, failures=failures, observed=observed
        )  # fmt: skip


def _definition(rules: Sequence[Rule]) -> Any:
    """A validation of whole data frames in a context of its own."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset("table")
    name = f"rules-{uuid.uuid4().hex[:8]}"
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=[_expectation(rule) for rule in rules]))
    batch = asset.add_batch_definition_whole_dataframe("whole")
    return context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))


def _expectation(rule: Rule) -> Any:
    import great_expectations.expectations as expectations

    arguments = {**rule.arguments, **({"column": rule.column} if rule.column else {})}
    made = getattr(expectations, rule.expect)
    return made(**arguments, severity=SEVERITY[rule.severity], meta={"rule": rule.name})


def _crashed(result: Any) -> bool:
    """A check that crashed has no result, or an exception somewhere in its information (keyed by metric)."""
    return not result.result or any(info.get("raised_exception") for info in _exceptions(result.exception_info))


def _exceptions(info: Any) -> Iterator[Mapping[str, Any]]:
    """Every exception record in the nested information of a result."""
    if isinstance(info, Mapping):
        if "raised_exception" in info:
            yield info
        for value in info.values():
            yield from _exceptions(value)


def _why(result: Any) -> str:
    if result is None:
        return "it gave no result"
    texts = [str(i.get("exception_message")) for i in _exceptions(result.exception_info) if i.get("raised_exception")]
    return texts[0].strip().splitlines()[0] if texts else "it gave an empty result"


def _plain(value: Any) -> Any:
    """Numpy scalars as Python's own; NaN as None."""
    plain = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's progress notes and deprecation warnings out of our output."""
    logger = logging.getLogger("great_expectations")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def warm_up() -> None:
    """Import the library ahead of need (for a thread beside other work)."""
    with _quiet():
        _definition([])
