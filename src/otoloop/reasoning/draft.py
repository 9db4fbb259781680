"""From labelled clips to checked drafts: items, their traces, and how every claim fared, written to the catalogue.

A clip is due when it is admitted, has a label, and no item asks for that label yet. What passes all checks is queued
for review; what does not stays ``drafted`` with its findings. Running twice writes nothing twice.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from otoloop.audio.derive import derive
from otoloop.catalog import Catalog, clips, items, notes, watched
from otoloop.catalog.states import move
from otoloop.catalog.tables import ClipRow, ItemRow
from otoloop.model.prompts import prompt
from otoloop.params import Params
from otoloop.reasoning.check import check, claims_against
from otoloop.reasoning.composer import compose
from otoloop.reasoning.memo import Memo, memo_key
from otoloop.reasoning.plan import Shares, plan_items
from otoloop.reasoning.trace import format_trace
from otoloop.reasoning.vocab import Fault, faults
from otoloop.records import Evidence, Finding, Item
from otoloop.review.queue import Decided, decided, place

COMPOSER = "composer"
# counts as another drafter, and drafts anew, once the composer writes differently
COMPOSER_MODEL = "1"
CLIPS_A_TRANSACTION = 50


@dataclass(slots=True)
class Report:
    """What one run of drafting did; ``held_back`` counts reason codes of drafts that are not shown to anybody."""

    clips: int = 0
    items: int = 0
    queued: int = 0
    memo_hits: int = 0
    superseded: int = 0
    held_back: Counter[str] = field(default_factory=Counter)
    by: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Counts for scripts."""
        return {
            "clips": self.clips,
            "items": self.items,
            "queued": self.queued,
            "memo_hits": self.memo_hits,
            "superseded": self.superseded,
            "held_back": dict(sorted(self.held_back.items())),
            "by": dict(sorted(self.by.items())),
        }


@dataclass(frozen=True, slots=True)
class Due:
    """A clip to draft for, with all that drafting reads; ``reason``: why an answer about it was picked, or empty."""

    row: ClipRow
    fault: Fault
    evidence: Evidence
    note_lang: str
    slice: Mapping[str, str]
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """One item with its trace and the outcome of its checks (problems first, then every claim)."""

    item: Item
    text: str
    findings: Sequence[Finding]
    prompt_sha: str


def run(book: Catalog, params: Params, memo_dir: Path, *, limit: int | None = None) -> Report:
    """Draft for every clip that is due (at most ``limit``), some clips a transaction, so that a crash loses little."""
    report, memo = Report(), Memo(memo_dir)
    with book.reading() as session:
        ids = due_clips(session)[:limit]
    for start in range(0, len(ids), CLIPS_A_TRANSACTION):
        with book.session() as session:
            seen = decided(session)
            for clip in ids[start : start + CLIPS_A_TRANSACTION]:
                _draft_clip(session, clip, params, seen, memo, report)
    report.memo_hits = memo.hits
    return report


def due_clips(session: Session) -> list[str]:
    """Ids of admitted, labelled clips for whose label no item was made yet, oldest first."""
    labels = notes.labels(session)
    made: dict[str, set[str]] = {}
    for clip, cut in session.execute(select(ItemRow.clip, ItemRow.slice)):
        made.setdefault(clip, set()).add(cut.get("fault", ""))
    rows = clips.clips(session)
    return [r.id for r in rows if r.id in labels and _is_due(labels[r.id].fault, made.get(r.id, set()))]


def _is_due(fault: str | None, made: set[str]) -> bool:
    return fault is not None and fault in faults() and fault not in made


def _draft_clip(session: Session, clip: str, params: Params, seen: Decided, memo: Memo, report: Report) -> None:
    """Items and traces of one clip; items that ask for a withdrawn label are superseded."""
    due = _read(session, clip)
    if due is None:
        return
    report.clips += 1
    report.superseded += _retire(session, clip)
    for item in plan_items(
        clip, due.fault, due.evidence, shares=_shares(params), note_lang=due.note_lang, slice=due.slice
    ):
        draft = draft_item(item, due.fault, due.evidence, base=params.base, memo=memo, seed=params.draft.seed)
        _store(session, draft, params, seen, report, due.reason)


def _shares(params: Params) -> Shares:
    p = params.draft
    return Shares(p.items_per_clip, p.direct_share, p.evidence_share, p.multiple_choice_share, p.seed)


def _read(session: Session, clip: str) -> Due | None:
    """What drafting needs of a clip; None when its label went away meanwhile."""
    row, label, note = clips.clip(session, clip), notes.label(session, clip), notes.note(session, clip)
    if label is None or label.fault is None:
        return None
    machine = clips.machine_of(session, row)
    cut = {
        "site": row.site,
        "machine": row.machine,
        "machine_kind": str(machine.get("kind") or "unknown"),
        "session": row.session,
        "cluster": f"{row.site}/{row.machine}/{row.session}",
    }
    lang, reason = note.lang if note else "en", watched.reason(session, row)
    return Due(row, faults()[label.fault], derived(row, machine), lang, cut, reason)


def derived(row: ClipRow, machine: Mapping[str, Any]) -> Evidence:
    """Measured facts of a clip with what follows from its sensors and its machine's geometry."""
    sensors = {k: float(v) for k, v in row.sensors.items() if isinstance(v, int | float)}
    return derive(clips.evidence_of(row), sensors, machine)


def draft_item(item: Item, fault: Fault, evidence: Evidence, *, base: str, memo: Memo, seed: int) -> Draft:
    """The composer's trace of one item, from the memo where it has it, with its checks."""
    asked = prompt(item)
    key = memo_key(clip=item.clip, item=item.id, prompt=asked, drafter=COMPOSER, model=f"{COMPOSER_MODEL}:{seed}")
    text = memo.get(key)
    if text is None:
        rng = random.Random(f"{seed}:{item.id}")
        trace = compose(
            evidence, fault, kind=item.kind, style=item.style, lang=item.lang, letter=item.answer_letter, rng=rng
        )
        text = format_trace(trace)
        memo.put(key, text)
    return Draft(item, text, judged(text, evidence, item, base), hashlib.sha256(asked.encode()).hexdigest())


def judged(text: str, evidence: Evidence, item: Item, base: str) -> list[Finding]:
    """All reasons against a trace, then its claims that hold or could not be verified."""
    claims = [f for f in claims_against(text, evidence, item.kind, base) if f.code is None]
    return [*check(text, evidence, item=item, base=base), *claims]


def _retire(session: Session, clip: str) -> int:
    """Supersede undecided items of a clip whose label changed since."""
    open_items = select(ItemRow.id).where(ItemRow.clip == clip, ItemRow.state.in_(("drafted", "queued")))
    old = list(session.scalars(open_items))
    move(session, old, "superseded")
    return len(old)


def _store(
    session: Session, draft: Draft, params: Params, seen: Decided, report: Report, reason: str
) -> None:  # fmt: skip
    """Write one draft; queue it when no check speaks against it."""
    item = draft.item
    if not items.add_items(session, [item]):
        return
    items.add_trace(
        session, item.id, draft.text, drafter=COMPOSER, model=COMPOSER_MODEL, prompt_sha=draft.prompt_sha,
        findings=draft.findings,
    )  # fmt: skip
    report.items += 1
    report.by.update((item.kind, item.style, item.lang, "choices" if item.choices else "open"))
    codes = {f.code for f in draft.findings if f.code is not None}
    report.held_back.update(codes)
    if not codes:
        spot = place(item, draft.findings, seen, params.review, seed=params.draft.seed, reason=reason)
        items.queue(
            session, [item.id], priority={item.id: spot.priority}, picked_by={item.id: spot.picked_by},
            double=[item.id] if spot.double else [],
        )  # fmt: skip
        report.queued += 1
