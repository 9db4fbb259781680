"""The suite for a release: what must hold before anybody trains on it, whatever wrote it.

One row an item. Leakage, balance and answers are computed as columns first, then judged like any other column, so the
report shows them as rules with counts and rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from otoloop.params import ReleaseParams
from otoloop.quality.engine import Checker
from otoloop.quality.release_columns import release_frame
from otoloop.quality.rules import Outcome, Rule, between, one_of

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    """``ok`` is False when a blocking rule failed; ``to_json`` is what a stage writes."""

    ok: bool
    rows: int
    outcomes: Sequence[Outcome]

    def to_json(self) -> dict[str, Any]:
        """Plain values in a fixed order; at most 20 failing rows a rule."""
        return {"ok": self.ok, "rows": self.rows, "rules": [_rule_json(outcome) for outcome in self.outcomes]}


def _rule_json(outcome: Outcome) -> dict[str, Any]:
    rule = outcome.rule
    failing = [{"key": f.key, "sentence": outcome.sentence(f)} for f in outcome.failures[:20]]
    return {
        "name": rule.name, "code": rule.code, "severity": rule.severity, "ok": outcome.success,
        "n_failed": len(outcome.failures) or int(not outcome.success), "observed": outcome.observed,
        "remedy": rule.remedy, "failing": failing,
    }  # fmt: skip


def check_release(rows: Iterable[Mapping[str, Any]], params: ReleaseParams, *, balance: bool = True) -> ReleaseReport:
    """Judge the items of a release.

    Args:
        rows: one mapping an item with the keys `release_columns.COLUMNS` (others are ignored).
        params: limits of the release section.
        balance: False for small sample releases, where shares mean nothing.

    Raises:
        OtoloopError: a check crashed.
    """
    frame = release_frame(rows)
    outcomes = Checker(release_suite(params, balance=balance), "id").run(frame)
    ok = all(o.success for o in outcomes if o.rule.severity == "block")
    return ReleaseReport(ok, len(frame), outcomes)


def release_suite(params: ReleaseParams, *, balance: bool = True) -> list[Rule]:
    """The rules for a frame made by `release_frame`."""
    return [*_presence_rules(), *_word_rules(), *_answer_rules(), *_leak_rules(), *_balance_rules(params, balance)]


def _presence_rules() -> list[Rule]:
    rows = Rule(
        name="the release is not empty", expect="ExpectTableRowCountToBeBetween", arguments={"min_value": 1},
        code="empty", message="The release has {value} items.", remedy="Approve items with `otoloop review`.",
    )  # fmt: skip
    unique = Rule(
        name="item ids are unique", expect="ExpectColumnValuesToBeUnique", column="id", code="duplicate",
        message="Item {value} stands twice.", remedy="Make the release again.",
    )  # fmt: skip
    same = Rule(
        name="no question is asked twice", expect="ExpectColumnValuesToBeInSet", column="repeats", code="duplicate",
        arguments={"value_set": [1]}, severity="warn", message="The same question, clip and kind stand {value} times.",
        remedy="Supersede one of them.",
    )  # fmt: skip
    needed = ("id", "clip", "split", "site", "machine", "session", "group", "time", "kind", "style", "lang")
    present = [
        Rule(name=f"{column} is given", expect="ExpectColumnValuesToNotBeNull", column=column, code="missing",
             message=f"The item has no {column}.", remedy="Make the release again from the catalogue.")
        for column in needed
    ]  # fmt: skip
    return [rows, unique, same, *present]


def _word_rules() -> list[Rule]:
    """Closed lists."""
    from otoloop.reasoning.vocab import faults

    lists: dict[str, Sequence[str]] = {
        "split": SPLITS, "kind": ("audio_only", "with_evidence"), "style": ("cot", "direct"), "lang": ("en", "ja"),
        "fault": sorted(faults()),
    }  # fmt: skip
    return [
        one_of(column, values, name=f"{column} is a known word", code="unknown_term",
               message=f"{{value}} is no known {column}.", remedy="Correct the item and approve it again.")
        for column, values in lists.items()
    ]  # fmt: skip


def _answer_rules() -> list[Rule]:
    """Questions, answers, choices and traces."""
    true = {
        "question_given": "The question is blank.",
        "answer_given": "The answer is blank.",
        "letter_in_range": "The answer letter names no choice.",
        "letter_is_answer": "The choice at the answer letter is not the answer.",
        "choices_differ": "Two choices are the same.",
        "evidence_fits": "Evidence is given for a with_evidence item, and for no other.",
        "tags_once": "The trace does not have each of its tags exactly once, in order.",
    }
    return [
        one_of(column, [True], name=column.replace("_", " "), code="answer_mismatch", message=message,
               remedy="Correct the item and approve it again.")
        for column, message in true.items()
    ]  # fmt: skip


def _leak_rules() -> list[Rule]:
    """Nothing that belongs together lies in two splits."""
    what = {"clip": "clip", "session": "recording session", "group": "group of near duplicates"}
    leaks = [
        one_of(f"{column}_splits", [1], name=f"no {words} in two splits", code="leak",
               message=f"Its {words} lies in {{value}} splits.", remedy="Make the release again; splits share nothing.")
        for column, words in what.items()
    ]  # fmt: skip
    order = one_of(
        "later_than_training", [True], name="tests are later than training", code="time_order", severity="warn",
        message="This test recording is earlier than a training recording of its machine and fault.",
        remedy="Expected for machines whose recordings arrived out of order.",
    )  # fmt: skip
    return [*leaks, order]


def _balance_rules(p: ReleaseParams, balance: bool) -> list[Rule]:
    """Training needs several faults, none of which drowns the others; letters must not give the answer away."""
    severity: Any = "block" if balance else "warn"
    largest = Rule(
        name="no fault dominates training", expect="ExpectColumnMaxToBeBetween", column="fault_share", code="balance",
        arguments={"max_value": p.max_label_share}, severity=severity,
        message=f"One fault has a share of {{value}} of the training items; at most {p.max_label_share:g} may be.",
        remedy="Approve items with other faults, or raise release.max_label_share.",
    )  # fmt: skip
    known = one_of(
        "fault_trained", [True], name="tested faults are trained", code="balance", severity="warn",
        message="Its fault does not occur in training.", remedy="Record this fault again on another day.",
    )  # fmt: skip
    letters = between(
        "letter_share", None, 0.7, name="letters give nothing away", code="balance", severity="warn",
        message="The right answer stands at this letter in a share of {value} of the choice items.",
        remedy="Shuffle the choices.",
    )  # fmt: skip
    return [largest, known, letters]
