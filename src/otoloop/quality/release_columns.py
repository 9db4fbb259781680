"""The columns that the rules of a release look at: what an item carries, and what follows from all items together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "id", "clip", "split", "site", "machine", "session", "group", "time", "question", "choices", "kind", "style",
    "lang", "evidence", "answer", "answer_letter", "fault", "trace",
)  # fmt: skip
"""What a row carries, as in the files of a release: ``group`` is the near-duplicate group, ``time`` ISO 8601 in UTC.
Rows of test may lie there without ``answer``, ``answer_letter``, ``fault`` and ``trace``: those are sealed.
"""
LETTERS = "abcdefgh"
MIN_FOR_BALANCE = 40
"""Below this many choice items the position of the right answer is left to chance."""


def release_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The items as a frame with the computed columns that the rules look at."""
    import pandas as pd

    frame = pd.DataFrame([{c: row.get(c) for c in COLUMNS} for row in rows], columns=list(COLUMNS), dtype=object)
    for column in ("clip", "session", "group"):
        frame[f"{column}_splits"] = frame.groupby(column, dropna=False)["split"].transform("nunique")
    frame["options"] = ["|".join(_choices(row)) for row in rows_of(frame)]
    asked = ["clip", "question", "options", "kind", "style"]
    frame["repeats"] = frame.groupby(asked, dropna=False)["id"].transform("size")
    for name, judge in FLAGS.items():
        frame[name] = [judge(row) for row in rows_of(frame)]
    return _with_order(_with_shares(frame))


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts by column name."""
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _sealed(row: Mapping[str, Any]) -> bool:
    """Whether the row shows the question of a test only."""
    return row["split"] == "test" and all(row[c] is None for c in ("answer", "answer_letter", "trace"))


def _question_given(row: Mapping[str, Any]) -> bool:
    return bool(str(row["question"] or "").strip())


def _answer_given(row: Mapping[str, Any]) -> bool:
    return _sealed(row) or bool(str(row["answer"] or "").strip())


def _choices(row: Mapping[str, Any]) -> list[str]:
    """Choices of a row: a list, or its JSON text."""
    given = row["choices"]
    if isinstance(given, str):
        given = json.loads(given)
    return [] if given is None else [str(choice) for choice in given]


def _letter(row: Mapping[str, Any]) -> int:
    """Index of the answer letter, -1 when there is none."""
    letter = row["answer_letter"]
    return LETTERS.find(letter.lower()) if isinstance(letter, str) and len(letter) == 1 else -1


def _letter_in_range(row: Mapping[str, Any]) -> bool:
    choices = _choices(row)
    if _sealed(row):
        return True
    return bool(0 <= _letter(row) < len(choices) if choices else row["answer_letter"] is None)


def _letter_is_answer(row: Mapping[str, Any]) -> bool:
    choices, at = _choices(row), _letter(row)
    return not choices or not 0 <= at < len(choices) or bool(choices[at] == row["answer"])


def _choices_differ(row: Mapping[str, Any]) -> bool:
    choices = [choice.strip().casefold() for choice in _choices(row)]
    return len(set(choices)) == len(choices)


def _evidence_fits(row: Mapping[str, Any]) -> bool:
    return bool(row["evidence"]) is bool(row["kind"] == "with_evidence")


def _tags_once(row: Mapping[str, Any]) -> bool:
    """The outer tags; the parts inside are the business of the trace checks."""
    if _sealed(row):
        return True
    text = str(row["trace"] or "")
    tags = ["<THINK>", "</THINK>", "<RESPONSE>", "</RESPONSE>"]
    places = [text.find(tag) for tag in tags]
    return all(text.count(tag) == 1 for tag in tags) and places == sorted(places)


FLAGS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "question_given": _question_given, "answer_given": _answer_given, "letter_in_range": _letter_in_range,
    "letter_is_answer": _letter_is_answer, "choices_differ": _choices_differ, "evidence_fits": _evidence_fits,
    "tags_once": _tags_once,
}  # fmt: skip
"""Computed columns that must be True, by name."""


def _with_shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Share of each row's fault in training (0 elsewhere), whether it is trained, and share of its letter."""
    train = frame[frame["split"] == "train"]
    shares = train["fault"].value_counts(normalize=True)
    lettered = frame["answer_letter"].dropna()
    letters = lettered.value_counts(normalize=True) if len(lettered) >= MIN_FOR_BALANCE else lettered.iloc[:0]
    frame["fault_share"] = frame["fault"].map(shares).where(frame["split"] == "train", 0.0).fillna(0.0).astype(float)
    frame["fault_trained"] = frame["fault"].isin(train["fault"]) | frame["fault"].isna() | (frame["split"] == "train")
    frame["letter_share"] = frame["answer_letter"].map(letters.to_dict()).fillna(0.0).astype(float)
    return frame


def _with_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Whether a test recording is later than every training recording of its machine and fault."""
    train = frame[frame["split"] == "train"]
    last = {k: max(map(str, v)) for k, v in train.groupby(["site", "machine", "fault"], dropna=False)["time"]}
    frame["later_than_training"] = [
        row["split"] != "test" or str(row["time"]) >= last.get((row["site"], row["machine"], row["fault"]), "")
        for row in rows_of(frame)
    ]
    return frame
