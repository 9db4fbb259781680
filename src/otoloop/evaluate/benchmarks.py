"""Public benchmarks from their official files, as items of ours, with the published rule that scores them.

The files are the users' own copies; nothing is fetched. Scores of one benchmark differ between its versions, prompts
and readers of answers, so the digest of the file belongs beside every number.
"""

from __future__ import annotations

import csv
import importlib
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.evaluate.suites import SITE, Question, read_items, refuse_duplicates
from otoloop.reasoning.items import LETTERS
from otoloop.records import Item

EMOTIONS = ("neutral", "joy", "anger", "surprise", "sadness", "disgust", "fear")
_MELD_QUESTION = "Which emotion does the speaker show?"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """How the rows of an official file become items, and the rule they are scored by."""

    official: str
    item: Callable[[Mapping[str, Any]], Item]


def load(suite: str, path: Path) -> tuple[list[Question], str]:
    """Items of a suite and its published rule: a benchmark by its name, any other name from a file in our own format.

    Raises:
        OtoloopError: the file is missing, of the wrong form, or holds an id twice.
    """
    known = BENCHMARKS.get(suite)
    if known is None:
        return [q if suite == SITE else q.in_suite(suite) for q in read_items(path)], "string_match"
    rows = list(_rows(path))
    try:
        items = [known.item(row) for row in rows]
    except (KeyError, ValueError) as err:
        raise OtoloopError(f"{path} is not a file of {suite}: {err} is missing.", "Give its official file.") from None
    refuse_duplicates([i.id for i in items], path)
    return [Question(item).in_suite(suite) for item in items], known.official


def shuffled(question: Question, seed: int) -> Question:
    """The same question with its options in a drawn order (by seed and id): some files favour the first option."""
    item = question.item
    if not item.choices:
        return question
    order = list(item.choices)
    random.Random(f"{seed}|{item.id}").shuffle(order)
    letter = LETTERS[order.index(item.answer)] if item.answer in order[: len(LETTERS)] else None
    return replace(question, item=replace(item, choices=tuple(order), answer_letter=letter))


def corpus_bleu(outputs: Sequence[str], references: Sequence[str], lang: str) -> float:
    """BLEU 0..100 as Qwen2-Audio's evaluation of CoVoST2 takes it: cased, tokenised by target language.

    Raises:
        OtoloopError: sacrebleu is not installed.
    """
    try:
        sacrebleu = importlib.import_module("sacrebleu")
    except ImportError:
        raise OtoloopError("Scoring translations needs sacrebleu.", "Install it: pip install sacrebleu") from None
    tokenize = {"zh": "zh", "ja": "ja-mecab"}.get(lang, "13a")
    return float(sacrebleu.corpus_bleu(list(outputs), [list(references)], tokenize=tokenize).score)


def _rows(path: Path) -> Iterable[Mapping[str, Any]]:
    """Rows of a JSON array, JSON lines, CSV or TSV file."""
    if not path.is_file():
        raise OtoloopError(f"There is no file {path}.", "Check the path.")
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix in (".csv", ".tsv"):
        return csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix == ".tsv" else ",")
    try:
        if text.lstrip().startswith("["):
            return list(json.loads(text))
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as err:
        raise OtoloopError(f"{path} is not JSON: {err}.", "Give the benchmark's official file.") from None


def _item(key: str, clip: str, question: str, choices: Sequence[str], answer: str, **cut: Any) -> Item:
    names = tuple(str(c) for c in choices)
    letter = LETTERS[names.index(answer)] if answer in names[: len(LETTERS)] else None
    slices = {k: str(v) for k, v in {"cluster": clip, **cut}.items() if v not in (None, "")}
    return Item(
        id=key, clip=clip, question=question, choices=names or None, answer=answer, answer_letter=letter, slice=slices
    )


def _mmau(row: Mapping[str, Any]) -> Item:
    cut = {"task": row.get("task"), "difficulty": row.get("difficulty"), "sub_category": row.get("sub-category")}
    return _item(str(row["id"]), str(row["audio_id"]), row["question"], row["choices"], row["answer"], **cut)


def _mmar(row: Mapping[str, Any]) -> Item:
    cut = {"modality": row.get("modality"), "category": row.get("category"), "language": row.get("language")}
    return _item(str(row["id"]), str(row["audio_path"]), row["question"], row["choices"], row["answer"], **cut)


def _lettered(row: Mapping[str, Any]) -> list[str]:
    return [str(row[k]) for k in ("choice_a", "choice_b", "choice_c", "choice_d") if row.get(k) not in (None, "")]


def _mmsu(row: Mapping[str, Any]) -> Item:
    cut = {"task": row.get("task_name"), "category": row.get("category")}
    return _item(
        str(row["id"]), str(row.get("audio") or row["id"]), row["question"], _lettered(row), row["answer_gt"], **cut
    )


def _airbench(row: Mapping[str, Any]) -> Item:
    key = str(row.get("uniq_id") if row.get("uniq_id") is not None else row["path"])
    task = f"{row['task_name']}_{row['dataset_name']}"
    return _item(key, str(row["path"]), row["question"], _lettered(row), row["answer_gt"], task=task)


def _meld(row: Mapping[str, Any]) -> Item:
    talk, line = row["Dialogue_ID"], row["Utterance_ID"]
    item = _item(
        f"dia{talk}_utt{line}", f"dia{talk}_utt{line}", _MELD_QUESTION, EMOTIONS, row["Emotion"].strip().lower()
    )
    return replace(item, slice={"cluster": f"dia{talk}", "emotion": item.answer})


def _covost(row: Mapping[str, Any]) -> Item:
    cut = {"cluster": row.get("client_id") or row["path"]}
    return replace(_item(row["path"], row["path"], "Translate what is said.", (), row["translation"]), slice=cut)


BENCHMARKS: dict[str, Benchmark] = {
    "mmau": Benchmark("string_match", _mmau),
    "mmar": Benchmark("string_match", _mmar),
    "mmsu": Benchmark("first_letter", _mmsu),
    "airbench": Benchmark("first_letter", _airbench),
    "meld": Benchmark("exact", _meld),
    "covost2": Benchmark("bleu", _covost),
}
