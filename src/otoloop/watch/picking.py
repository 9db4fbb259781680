"""Which answers people look at: every one that was called wrong, and a random tenth.

Feedback never trains anything. A picked answer proposes a fault for its sound: what the person said it is, else what the
model said. The proposal becomes a label of source ``answer`` or ``model``; `otoloop draft` writes items for it, and a
reviewer approves or rejects them. All of it follows from the answers, feedback and clips there are, so that running
twice, or in another order, makes the same queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from sqlalchemy.orm import Session

from otoloop.catalog import Catalog, answers, items, notes, watched
from otoloop.catalog.notes import Label
from otoloop.catalog.tables import AnswerRow, FeedbackRow
from otoloop.catalog.watched import Pick
from otoloop.intake.labels import label_of
from otoloop.params import Params
from otoloop.reasoning.trace import TraceFormatError, parse
from otoloop.reasoning.vocab import find_fault
from otoloop.records import Note
from otoloop.review.queue import chance, picked

Said = Mapping[str, Sequence[FeedbackRow]]
"""Complaints by answer."""


@dataclass(slots=True)
class Report:
    """What one run did: answers seen for the first time, those picked by reason, faults proposed, queued items moved.

    ``without_sound`` and ``unnamed``: picked answers, in all, whose sound is no clip (yet), or for which nothing names a
    fault: they stay on the list of clips that nobody named.
    """

    seen: int = 0
    random: int = 0
    complaints: int = 0
    proposed: int = 0
    moved: int = 0
    unnamed: int = 0
    without_sound: int = 0

    def to_json(self) -> dict[str, int]:
        """Counts for scripts."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The fault that picked answers propose for a clip, the source of the label, and who says so."""

    fault: str
    source: str
    actor: str


def run(book: Catalog, params: Params) -> Report:
    """Look at what is new, once each, and put it before the reviewers; all or nothing."""
    report = Report()
    with book.session() as session:
        fresh = _look(session, params, report)
        said = _complaints(session)
        for clip, group in groupby(watched.picks(session), key=lambda pick: pick.clip):
            _handle(session, clip, list(group), said, fresh, params.draft.seed, report)
        report.without_sound = watched.without_sound(session)
    return report


def _look(session: Session, params: Params, report: Report) -> set[str]:
    """Draw among the answers that are new, and note who complained; returns the answers called wrong for the first time."""
    fresh = watched.unseen(session)
    drawn = [row.id for row in fresh if drawn_at_random(row, params)]
    watched.add(session, fresh, drawn)
    wrong = watched.fresh_complaints(session)
    for row in wrong:
        row.complaint = True
    session.flush()
    report.seen, report.random, report.complaints = len(fresh), len(drawn), len(wrong)
    return {row.answer for row in wrong}


def _complaints(session: Session) -> dict[str, list[FeedbackRow]]:
    """What was said against each answer."""
    found: dict[str, list[FeedbackRow]] = {}
    for one in answers.feedback(session, verdict="wrong"):
        found.setdefault(one.answer, []).append(one)
    return found


def drawn_at_random(row: AnswerRow, params: Params) -> bool:
    """Whether an answer is among the random ones; follows from its id, so that no rerun draws again."""
    return row.clip is not None and chance(f"answer:{params.draft.seed}:{row.id}") < params.review.answer_share


def _handle(
    session: Session, clip: str, group: Sequence[Pick], said: Said, fresh: set[str], seed: int, report: Report
) -> None:
    """Propose what the picked answers about a clip say, and tell why its queued items are shown."""
    complaints = [one for pick in group for one in said.get(pick.answer.id, ())]
    proposal = propose(group, complaints)
    report.unnamed += len(group) if proposal is None else 0
    _tell(session, clip, complaints)
    fault = proposal.fault if proposal else None
    if all(p.row.handled and p.row.fault == fault and p.answer.id not in fresh for p in group):
        return
    report.proposed += proposal is not None and _label(session, clip, proposal)
    report.moved += _move(session, clip, watched.reason_of([p.row.complaint for p in group]), seed)
    for pick in group:
        pick.row.handled, pick.row.fault = True, fault


def propose(group: Sequence[Pick], complaints: Sequence[FeedbackRow]) -> Proposal | None:
    """What people say it is, the most frequent first; else what the model says; None when nothing names a fault."""
    named = Counter(fault for one in complaints if (fault := said_by(one)))
    if named:
        fault = min(named, key=lambda name: (-named[name], name))
        return Proposal(fault, "answer", min(one.actor for one in complaints if said_by(one) == fault))
    told = Counter((fault, p.answer.version) for p in group if (fault := said_by_model(p.answer)))
    if not told:
        return None
    fault, version = min(told, key=lambda pair: (-told[pair], pair))
    return Proposal(fault, "model", version)


def said_by(one: FeedbackRow) -> str | None:
    """The fault that a complaint names: in its field, else in its words."""
    found = label_of(Note(text=one.comment)) if one.comment else None
    return one.label or (found.fault if found else None)


def said_by_model(row: AnswerRow) -> str | None:
    """The fault that an answer names, if it is well-formed and names one."""
    try:
        return find_fault(parse(row.output).response, str(row.details.get("lang", "en")))
    except TraceFormatError:
        return None


def _label(session: Session, clip: str, proposal: Proposal) -> bool:
    """Propose a label, unless the clip has a better one or reviewers were asked about that fault before."""
    before = notes.label(session, clip)
    asked = {view.item.slice.get("fault") for view in items.items(session, clip=clip)}
    if proposal.fault in asked or not _may(proposal, before):
        return False
    notes.set_label(session, clip, proposal.fault, source=proposal.source, actor=proposal.actor)
    return True


def _may(proposal: Proposal, before: Label | None) -> bool:
    """What a person says goes before any label that is another; what the model says only where nobody spoke."""
    if before is None or proposal.source == "answer":
        return before is None or before.fault != proposal.fault
    return before.source == "model" and before.fault != proposal.fault


def _tell(session: Session, clip: str, complaints: Sequence[FeedbackRow]) -> None:
    """The first complaint in words becomes the note of a clip that has none: reviewers read it beside the sound."""
    first = next((one for one in sorted(complaints, key=lambda one: one.id) if one.comment.strip()), None)
    if first is None or notes.note(session, clip) is not None:
        return
    lang = "ja" if any("\u3040" <= sign <= "\u9fff" for sign in first.comment) else "en"
    written = Note(text=first.comment, lang=lang, author=first.actor, time=first.created_at.isoformat())
    notes.set_note(session, clip, written)


def _move(session: Session, clip: str, reason: str, seed: int) -> int:
    """Give the queued items of a clip the place and reason that a fresh draft would get."""
    queued = items.items(session, state="queued", clip=clip)
    wanted = [view.item.id for view in queued if view.picked_by != reason]
    priority = {item_id: picked(item_id, reason, seed=seed) for item_id in wanted}
    items.pick_again(session, wanted, priority=priority, picked_by=reason)
    return len(wanted)


def summary(report: Report) -> list[dict[str, Any]]:
    """The report as rows of a table."""
    return [{"what": name.replace("_", " "), "number": n} for name, n in report.to_json().items()]
