"""What became of each delivery, beside what should have: the simulator knows, intake does not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

SAME = "the same object delivered again"


class Delivered(Protocol):
    """The columns of a delivery that count here."""

    id: int
    key: str
    kind: str
    state: str
    reason_code: str | None
    clip: str | None


def outcome(row: Delivered, first_of_clip: Mapping[str, int]) -> str:
    """What became of a delivery: admit, duplicate, a reason code, or a state in which it should not stay."""
    if row.state == "quarantined":
        return row.reason_code or "quarantined"
    if row.state == "matched":
        return "admit"
    if row.state != "admitted":
        return row.state
    return "duplicate" if row.clip and first_of_clip[row.clip] != row.id else "admit"


def outcomes(rows: Iterable[Delivered]) -> list[tuple[Delivered, str]]:
    """Every delivery with its outcome, in order of arrival."""
    ordered = sorted(rows, key=lambda r: r.id)
    first: dict[str, int] = {}
    for row in ordered:
        if row.kind == "audio" and row.state == "admitted" and row.clip:
            first.setdefault(row.clip, row.id)
    return [(row, outcome(row, first)) for row in ordered]


def differences(expected: Sequence[Mapping[str, Any]], rows: Iterable[Delivered]) -> list[dict[str, Any]]:
    """Deliveries that did not become what they should.

    Args:
        expected: rows of deliveries.jsonl (``key``, ``expected``, ``accept``, ``why``), in order of arrival.
        rows: the catalogue's deliveries. An identical object put twice has one row only.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for row, became in outcomes(rows):
        found[row.key].append(became)
    wrong = []
    for want in sorted(expected, key=lambda r: r["seq"]):
        if want["expected"] == "duplicate" and want["why"] == SAME:
            continue  # nothing new to see for intake, so there is no row
        became = found[want["key"]].pop(0) if found[want["key"]] else "never seen"
        if became not in want["accept"]:
            wrong.append({"key": want["key"], "expected": want["expected"], "found": became, "why": want["why"]})
    for key, rest in found.items():
        wrong += [{"key": key, "expected": "nothing", "found": became, "why": "seen too often"} for became in rest]
    return wrong


def counts(rows: Iterable[Delivered]) -> dict[str, Any]:
    """The part ``intake`` of report.json."""
    judged = outcomes(rows)
    audio = Counter(became for row, became in judged if row.kind == "audio")
    refused = Counter(became for row, became in judged if row.state == "quarantined")
    return {
        "deliveries": len(judged), "admitted": audio["admit"], "duplicates": audio["duplicate"],
        "quarantined": dict(sorted(refused.items())),
    }  # fmt: skip
