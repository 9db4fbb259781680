"""Stage `score`: answers and sealed gold in, one judged row per item and answerer out, and their summary.

Reads:
    answers/<answerer>.jsonl or answers/<answerer>/<suite>.jsonl: {id, output} of base, champion (may be absent),
        candidate, and variants of them
    release/items/test.parquet, release/sealed/test.parquet: the site's own suite
    inputs/cycle.yaml: further suites, each {name, items, sha256, role, official, ...}
Writes:
    results/<answerer>.jsonl: one `results.Result` an item
    metrics/scores.json: {answerers: {name: {suite: summary}}, reasoning, items_sha256}

Only this stage reads sealed answers. The same files give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.evaluate import reasoning_metrics
from otoloop.evaluate.benchmarks import corpus_bleu, load
from otoloop.evaluate.intervals import share
from otoloop.evaluate.results import Result, write_results
from otoloop.evaluate.scorers import answer_part, fault_or_text, gold_index, judge, read_trace
from otoloop.evaluate.suites import (
    SITE,
    Question,
    Suite,
    join_sealed,
    read_inputs,
    read_items,
    read_rows,
    refuse_duplicates,
)
from otoloop.outs import file_sha256, replacing, write_json
from otoloop.params import ScoreParams
from otoloop.reasoning.check import claims_against

DEFAULT_BASE = "otoloop-mini"


def main(params: ScoreParams, workspace: Path) -> None:
    """Score every answerer of the cycle; see the module's docstring for the files.

    Raises:
        OtoloopError: a file is missing or unreadable, or an answer belongs to no item.
    """
    cycle = read_inputs(workspace)
    questions, rules = cycle_questions(workspace, cycle)
    answers = read_answers(workspace / "answers")
    base = str((cycle.get("base") or {}).get("name", DEFAULT_BASE))
    results = {
        name: score(asked(name, questions, outputs), outputs, rules=rules, base=base)
        for name, outputs in answers.items()
    }
    with replacing(workspace / "results") as folder:
        folder.mkdir()
        for name, rows in results.items():
            write_results(rows, folder / f"{name}.jsonl")
    write_json(workspace / "metrics" / "scores.json", summaries(results, questions, params))


def asked(name: str, questions: Sequence[Question], outputs: Mapping[str, str]) -> list[Question]:
    """What an answerer had to answer: everything, but variants of one (``candidate@silent``) only what they were asked."""
    return [q for q in questions if "@" not in name or q.item.id in outputs]


def cycle_questions(workspace: Path, cycle: Mapping[str, Any]) -> tuple[list[Question], dict[str, str]]:
    """All items of the cycle (the release's sealed ones, then the named suites) and each suite's published rule."""
    release = workspace / "release"
    questions = join_sealed(release / "items" / "test.parquet", release / "sealed" / "test.parquet")
    rules = {SITE: "string_match"}
    for row in cycle.get("suites") or []:
        suite = Suite.from_mapping(row)
        rules[suite.name] = suite.official
        if row.get("items") and suite.name != SITE:
            questions += [q.in_suite(suite.name) for q in read_items(_unchanged(workspace / str(row["items"]), suite))]
    refuse_duplicates([q.item.id for q in questions], release)
    return questions, rules


def _unchanged(path: Path, suite: Suite) -> Path:
    """The path, when the file is the one that the cycle names."""
    if suite.sha256 and path.is_file() and file_sha256(path) != suite.sha256:
        raise OtoloopError(f"{path} is not the {suite.name} suite of this cycle.", "Run `dvc checkout`.")
    return path


def read_answers(folder: Path) -> dict[str, dict[str, str]]:
    """Outputs by answerer and item id, from ``<answerer>.(jsonl|parquet)`` and ``<answerer>/*.(jsonl|parquet)``.

    Raises:
        OtoloopError: nothing there, or an item is answered twice.
    """
    names = sorted({p.name if p.is_dir() else p.stem for p in folder.glob("*")}) if folder.is_dir() else []
    if not names:
        raise OtoloopError(f"There are no answers in {folder}.", "Run `otoloop stage answer` first.")
    return {name: _outputs([*folder.glob(f"{name}.*"), *folder.glob(f"{name}/*")]) for name in names}


def _outputs(files: Iterable[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted(f for f in files if f.suffix in (".jsonl", ".parquet")):
        more = read_predictions(file)
        refuse_duplicates([*found, *more], file)
        found |= more
    return found


def read_predictions(file: Path) -> dict[str, str]:
    """Outputs by item id from ``{id, output}`` rows.

    Raises:
        OtoloopError: missing or unreadable file, a row without id or output, or an id that occurs twice.
    """
    rows = list(read_rows(file))
    for row in rows:
        if "id" not in row or not isinstance(row.get("output"), str):
            raise OtoloopError(f"{file}: a row without `id` or `output`: {str(row)[:80]}.", "Write {id, output} rows.")
    refuse_duplicates([str(r["id"]) for r in rows], file)
    return {str(r["id"]): r["output"] for r in rows}


def score_file(
    suite: str, items: Path, predictions: Path, params: ScoreParams, base: str = DEFAULT_BASE
) -> dict[str, Any]:
    """What `otoloop score` prints: one suite's items and one model's predictions, judged and summed up.

    Raises:
        OtoloopError: unreadable files, or predictions that belong to no item.
    """
    questions, rule = load(suite, items)
    outputs = read_predictions(predictions)
    found = summary(score(questions, outputs, rules={q.suite: rule for q in questions}, base=base), params)
    if rule == "bleu":
        said = [answer_part(outputs.get(q.item.id, "")) or "" for q in questions]
        found["official"] = corpus_bleu(said, [q.item.answer for q in questions], "en") / 100
    return found


def score(
    questions: Sequence[Question], outputs: Mapping[str, str], *, rules: Mapping[str, str] | None = None,
    base: str = DEFAULT_BASE,
) -> list[Result]:  # fmt: skip
    """Judge one answerer on all items; an item without an output is wrong, not left out.

    Raises:
        OtoloopError: an output belongs to no item.
    """
    strangers = sorted(set(outputs) - {q.item.id for q in questions})
    if strangers:
        raise OtoloopError(
            f"{len(strangers)} predictions belong to no item, {strangers[0]!r} first.",
            "Predictions and items must be of the same suite.",
        )
    rule = rules or {}
    return [score_one(q, outputs.get(q.item.id), rule.get(q.suite, "string_match"), base) for q in questions]


def score_one(question: Question, output: str | None, official: str, base: str) -> Result:
    """Judge one output."""
    item, judged = question.item, judge(question.item, output, official)
    made, right = _claims(question, output, base)
    trace = read_trace(output) if output else None
    return Result(
        id=item.id, item_sha256=question.sha256, clip=item.clip, suite=question.suite, cluster=question.cluster,
        kind=item.kind, style=item.style, slice=dict(item.slice), gold=_gold(question), said=judged.said,
        correct=judged.strict, official=judged.official, format_valid=judged.format_valid, reading=judged.reading,
        consistent=judged.consistent, claims=made, claims_right=right,
        think_chars=sum(map(len, (trace.planning, trace.caption, trace.reasoning, trace.summary))) if trace else 0,
    )  # fmt: skip


def _gold(question: Question) -> str:
    index = gold_index(question.item)
    choices = question.item.choices
    return fault_or_text(choices[index] if choices and index is not None else question.item.answer)


def _claims(question: Question, output: str | None, base: str) -> tuple[int, int]:
    """(claims that could be compared with the sound, of them confirmed); both 0 without a trace or measured facts."""
    if not output or question.measured is None or read_trace(output) is None:
        return 0, 0
    found = claims_against(output, question.measured, question.item.kind, base)
    compared = [f for f in found if f.status != "unverifiable"]
    return len(compared), sum(f.status == "confirmed" for f in compared)


def summaries(
    results: Mapping[str, Sequence[Result]], questions: Sequence[Question], params: ScoreParams
) -> dict[str, Any]:
    """The content of metrics/scores.json."""
    by_suite = {name: _by_suite(rows) for name, rows in results.items()}
    models = [name for name in results if "@" not in name]
    return {
        "answerers": {n: {s: summary(rows, params) for s, rows in cut.items()} for n, cut in by_suite.items()},
        "reasoning": {
            n: {
                **reasoning_metrics.metrics(results[n], params),
                "variants": reasoning_metrics.variants(results, n, params),
            }
            for n in models
        },
        "items_sha256": {
            s: items_sha256([q for q in questions if q.suite == s]) for s in sorted({q.suite for q in questions})
        },
    }


def _by_suite(rows: Sequence[Result]) -> dict[str, list[Result]]:
    return {s: [r for r in rows if r.suite == s] for s in sorted({r.suite for r in rows})}


def items_sha256(questions: Sequence[Question]) -> str:
    """Digest of a suite: of its items' digests in order of id."""
    lines = sorted(f"{q.item.id} {q.sha256}" for q in questions)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def summary(results: Sequence[Result], params: ScoreParams) -> dict[str, Any]:
    """What `otoloop score --json` prints: shares in 0..1; ``accuracy`` and its ``ci95`` are those of the strict rule.

    ``official`` leaves out what the published rule leaves out; ``claim_accuracy`` is per item kind, None where no
    claim could be compared with a measurement (a claim that nobody can hear is wrong where the sound is all there is);
    ``slices`` holds n, accuracy and ci95 by slice key and value, ``kind`` and ``style`` among them.
    """
    if not results:
        raise OtoloopError("There are no items to score.", "Give an items file with at least one row.")
    counted = [r.official for r in results if r.official is not None]
    whole = _cell(results, params)
    return {
        **whole,
        "official": sum(counted) / len(counted) if counted else None,
        "strict": whole["accuracy"],
        "format_valid": sum(r.format_valid for r in results) / len(results),
        "unparsed": sum(r.reading != "read" for r in results) / len(results),
        "claim_accuracy": reasoning_metrics.claim_accuracy(results, params),
        "slices": {k: _slices(results, k, params) for k in _keys(results)},
    }


# Slice keys that only identify; a slice of each would be a slice of one.
_IDENTIFY = ("cluster", "session", "suite")


def _keys(results: Sequence[Result]) -> list[str]:
    return sorted({k for r in results for k in r.slice if k not in _IDENTIFY} | {"kind", "style"})


def _slices(results: Sequence[Result], key: str, params: ScoreParams) -> dict[str, Any]:
    cut: dict[str, list[Result]] = {}
    for row in results:
        value = row.slice.get(key) or (row.kind if key == "kind" else row.style if key == "style" else None)
        if value is not None:
            cut.setdefault(value, []).append(row)
    return {value: _cell(cut[value], params) for value in sorted(cut)}


def _cell(rows: Sequence[Result], params: ScoreParams) -> dict[str, Any]:
    found = share([r.correct for r in rows], [r.cluster for r in rows], resamples=params.resamples, seed=params.seed)
    return {"n": found.n, "accuracy": found.value, "ci95": found.interval}
