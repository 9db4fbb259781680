"""The end of the tour: ask the new adapter about one sealed clip of each kind that the base was never taught."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from otoloop.demo.tour import Demo

if TYPE_CHECKING:
    from otoloop.evaluate.ask import Asked, Asker
    from otoloop.evaluate.suites import Question

HOLDS = {"confirmed": True, "contradicted": False, "not_hearable": False}
_PART = re.compile(r"<(PLANNING|CAPTION|REASONING|SUMMARY|RESPONSE)>(.*?)</\1>", re.DOTALL)


def ask_each_new_kind(demo: Demo) -> str:
    """One question a kind; the trace is printed with each claim ticked or crossed."""
    from otoloop.evaluate.ask import marked
    from otoloop.reasoning.facts import as_evidence
    from otoloop.train.sound import wave

    asker = _asker(demo)
    questions = chosen(demo)
    sounds = sounds_of(demo, [q.item.clip for q in questions])
    lines: list[str] = []
    for question in questions:
        item = question.item
        asked = asker.ask(
            wave(sounds[item.clip]), item.question, as_evidence(question.measured or {}), choices=item.choices or (),
            evidence=item.kind == "with_evidence",
        )  # fmt: skip
        row = _row(question, asked)
        demo.report["answers"].append(row)
        mark = "named right" if row["right"] else "NAMED WRONG"
        lines += ["", f"{row['machine']}, truly {row['truth']}: {mark}", *marked(asked).splitlines()]
    return "\n".join(lines[1:])


def _asker(demo: Demo) -> Asker:
    """What is live, else the adapter trained last."""
    from otoloop.evaluate.ask import LATEST, Asker
    from otoloop.params import load_params
    from otoloop.serve.bundles import live_asker

    params = load_params(demo.workspace / "params.yaml")
    return live_asker(demo.workspace, params) if demo.report.get("live") else Asker(LATEST, demo.workspace, params.base)


def chosen(demo: Demo) -> list[Question]:
    """A sealed item of each kind left out of the base's teaching; with evidence, open and English if there is."""
    from otoloop.evaluate.suites import join_sealed
    from otoloop.reasoning.vocab import left_out_faults

    release = demo.workspace / "release"
    sealed = join_sealed(release / "items" / "test.parquet", release / "sealed" / "test.parquet")
    first: dict[str, Question] = {}
    for question in sorted(sealed, key=_rank):
        first.setdefault(question.item.slice.get("fault", ""), question)
    return [first[fault] for fault in left_out_faults() if fault in first]


def _rank(question: Question) -> tuple[bool, bool, bool, str]:
    item = question.item
    return item.kind != "with_evidence", item.choices is not None, item.lang != "en", item.id


def sounds_of(demo: Demo, clips: Sequence[str]) -> dict[str, bytes]:
    """The released audio of clips."""
    from otoloop.release import layout

    found: dict[str, bytes] = {}
    for shard in sorted((demo.workspace / "release" / "audio").glob("*.parquet")):
        rows = layout.read_rows(shard, ("clip", "audio"))
        found |= {row["clip"]: row["audio"]["bytes"] for row in rows if row["clip"] in clips}
    return found


def _row(question: Question, asked: Asked) -> dict[str, Any]:
    """One entry of ``answers`` in report.json."""
    from otoloop.evaluate.scorers import judge
    from otoloop.reasoning.vocab import faults

    item = question.item
    truth = item.slice.get("fault", "")
    return {
        "answer_id": asked.answer_id, "clip": item.clip, "machine": item.slice.get("machine", ""),
        "question": item.question, "truth": faults()[truth].en if truth in faults() else item.answer,
        "right": bool(judge(item, asked.trace, "string_match").strict), "trace": asked.trace,
        "response": asked.response, "confidence": round(asked.confidence, 4), "version": asked.version,
        "sha": asked.sha, "claims": [_claim(c) for c in asked.claims],
    }  # fmt: skip


def _claim(claim: Any) -> Mapping[str, Any]:
    """A claim with ``holds``: true, false, or null when nothing measured speaks for or against it."""
    measured = f"{claim.measured:.4g}" if isinstance(claim.measured, float) else claim.measured
    shown = None if measured is None else f"{measured} {claim.unit or ''}".strip()
    return {"text": claim.claim, "holds": HOLDS.get(claim.status), "stated": claim.stated, "measured": shown}


def parts(trace: str) -> Iterator[tuple[str, str]]:
    """(name, text) of the parts of a trace; the whole text when it has none."""
    found = [(m[1].capitalize(), m[2].strip()) for m in _PART.finditer(trace)]
    yield from found or [("Output", trace)]
