from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from otoloop.demo.honesty import counts, differences


@dataclass
class Row:
    id: int
    key: str
    state: str = "admitted"
    kind: str = "audio"
    reason_code: str | None = None
    clip: str | None = None


def want(seq: int, key: str, expected: str = "admit", *accept: str, why: str = "") -> dict[str, Any]:
    return {"seq": seq, "key": key, "expected": expected, "accept": [expected, *accept], "why": why}


ROWS = [
    Row(1, "a.wav", clip="A"),
    Row(2, "a.json", "matched", "note", clip="A"),
    Row(3, "b.wav", "quarantined", reason_code="silent"),
    Row(4, "a_copy.flac", clip="A"),
    Row(5, "n.json", "quarantined", "note", "note_invalid"),
    Row(6, "n.json", "matched", "note", clip="A"),
]
EXPECTED = [
    want(0, "a.wav"),
    want(1, "a.json"),
    want(2, "b.wav", "silent"),
    want(3, "n.json", "note_invalid"),
    want(4, "a_copy.flac", "duplicate", "duplicate_content"),
    want(5, "a.json", "duplicate", why="the same object delivered again"),
    want(6, "n.json"),
]


def test_what_became_as_intended_makes_no_difference() -> None:
    assert differences(EXPECTED, ROWS) == []


def test_every_surprise_is_named() -> None:
    rows = [
        Row(1, "a.wav", "quarantined", reason_code="clipped"),
        Row(7, "z.wav", clip="Z"),
        Row(8, "s.json", "waiting", "note"),
    ]
    found = differences([want(0, "a.wav"), want(1, "b.wav", "silent"), want(2, "s.json")], rows)
    assert [(d["key"], d["expected"], d["found"]) for d in found] == [
        ("a.wav", "admit", "clipped"),
        ("b.wav", "silent", "never seen"),
        ("s.json", "admit", "waiting"),
        ("z.wav", "nothing", "admit"),
    ]


def test_counts_are_those_of_the_report() -> None:
    assert counts(ROWS) == {
        "deliveries": 6,
        "admitted": 1,
        "duplicates": 1,
        "quarantined": {"note_invalid": 1, "silent": 1},
    }
