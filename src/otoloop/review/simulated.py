"""A simulated reviewer for demos and tests. It knows no truth and decides from what a reviewer sees.

The careful one approves what passes the checks, and rejects what does not or what the note contradicts. The careless one
names faults wrongly, always the same way, and approves whatever passes the checks: nothing that it writes about the signal
is false, so that only the gate can notice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from otoloop.catalog import Catalog, items, notes
from otoloop.errors import OtoloopError
from otoloop.intake.labels import label_of
from otoloop.reasoning.vocab import by_name
from otoloop.review.decide import Act, decide, waiting_for
from otoloop.review.queue import chance
from otoloop.review.views import Shown, show

NAMES = ("simulated-reviewer-1", "simulated-reviewer-2", "simulated-reviewer-3")
CARELESS = "simulated-careless-reviewer"
MIX_UPS = {"inverter_whine": "electrical_hum"}
"""What the careless reviewer calls what: both come from a drive's current, and a hasty ear leaves it at that."""
Opinion = Callable[[Shown], tuple[bool, str]]


@dataclass(slots=True)
class Session:
    """What a round of simulated reviewing did."""

    decided: Counter[str] = field(default_factory=Counter)
    seconds_spent: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Counts for scripts; says that nobody real decided."""
        return {
            "simulated": True,
            "reviewers": list(NAMES),
            **self.decided,
            "seconds_spent": round(self.seconds_spent, 1),
        }


def mislabel(book: Catalog, clips: Iterable[str], names: Mapping[str, str] = MIX_UPS) -> int:
    """Let the careless reviewer name the faults of ``clips`` anew; returns how many became wrong."""
    with book.session() as session:
        known = notes.labels(session, list(clips))
        wrong = {clip: names[label.fault] for clip, label in known.items() if label.fault and label.fault in names}
        for clip, fault in sorted(wrong.items()):
            notes.set_label(session, clip, fault, source="reviewer", actor=CARELESS)
    return len(wrong)


def review_all(
    book: Catalog, base: str, *, limit: int | None = None, opinion: Opinion | None = None
) -> Session:  # fmt: skip
    """Let the simulated reviewers work through the queue; items under double review see two or three of them.

    ``opinion`` decides; by default that of the careful reviewer.
    """
    done = Session()
    ids = _queued(book, limit)
    for name in NAMES:
        for item_id in ids:
            _review(book, item_id, name, base, done, opinion or careful)
        left = set(_queued(book))
        ids = [item_id for item_id in ids if item_id in left]
    return done


def _queued(book: Catalog, limit: int | None = None) -> list[str]:
    with book.reading() as session:
        return [view.item.id for view in items.items(session, state="queued", limit=limit)]


def _review(book: Catalog, item_id: str, name: str, base: str, done: Session, opinion: Opinion) -> None:
    with book.reading() as session:
        shown = show(session, item_id, base)
    if shown.view.state != "queued" or not waiting_for(shown.history, name):
        return
    decision, reason = opinion(shown)
    seconds = 6.0 + 20.0 * chance(f"seconds:{name}:{item_id}")
    act = Act(actor=name, decision="approve" if decision else "reject", seconds_spent=seconds, reason=reason,
              seen_version=shown.trace.version)  # fmt: skip
    try:
        outcome = decide(book, item_id, act, base)
    except OtoloopError:
        done.decided["refused"] += 1
        return
    done.seconds_spent += seconds
    done.decided[outcome.state if outcome.final else "first_of_two"] += 1


def careless(shown: Shown) -> tuple[bool, str]:
    """(approve?, reason) from the checks alone: whatever passes them is right."""
    if shown.problems:
        return False, f"{shown.problems[0].code}: {shown.problems[0].message}"
    return True, "simulated: passes all checks"


def careful(shown: Shown) -> tuple[bool, str]:
    """(approve?, reason) from the checks and the note."""
    passes, reason = careless(shown)
    if not passes:
        return passes, reason
    said = label_of(shown.note) if shown.note else None
    gold = by_name(shown.item.answer)
    if said is not None and gold is not None and said.fault != gold.id:
        return False, f"the note speaks of {said.fault}, the answer of {gold.id}"
    return True, reason
