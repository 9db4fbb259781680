"""Many at once: items approved together because nothing speaks against them, clips given a name that no note gave.

Each item is decided like any other, one by one and by name; only the looking is shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from otoloop.catalog import Catalog, clips, items, notes
from otoloop.errors import OtoloopError
from otoloop.reasoning.vocab import Fault, by_name, fault_names, faults, find_fault
from otoloop.review.decide import Act, decide, waiting_for
from otoloop.review.views import Shown, show

REASON = "approved together: every claim is confirmed by the sound"


@dataclass(slots=True)
class Tally:
    """What became of items approved together; ``refused`` says why, by item."""

    approved: list[str] = field(default_factory=list)
    second: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Ids for scripts."""
        return {"approved": self.approved, "need_another_reviewer": self.second, "refused": self.refused}


def confirmed(book: Catalog, base: str, *, actor: str, site: str | None = None) -> list[Shown]:
    """Queued items that ``actor`` may decide on, of which no check complains and no claim is left open."""
    with book.reading() as session:
        ids = [view.item.id for view in items.items(session, state="queued", site=site)]
        looked = [show(session, item, base) for item in ids]
    return [one for one in looked if _nothing_open(one) and waiting_for(one.history, actor)]


def _nothing_open(shown: Shown) -> bool:
    return not shown.problems and all(claim.status == "confirmed" for claim in shown.claims)


def approve(book: Catalog, base: str, item_ids: Iterable[str], *, actor: str, reason: str = "") -> Tally:
    """Approve items one by one; what is refused or needs another person does not stop the others."""
    tally = Tally()
    for item in item_ids:
        try:
            outcome = decide(book, item, Act(actor=actor, decision="approve", seconds_spent=0, reason=reason), base)
        except OtoloopError as err:
            tally.refused[item] = str(err)
            continue
        (tally.approved if outcome.final else tally.second).append(item)
    return tally


def label(book: Catalog, clip_ids: Sequence[str], fault: str, actor: str) -> tuple[list[str], Fault]:
    """Name what clips show, as a person who heard them; `otoloop draft` then drafts for that.

    Returns:
        the clips' full ids, and the fault that was understood.

    Raises:
        OtoloopError: an unknown fault, or no single clip of such an id; then nothing is written.
    """
    known = by_name(fault) or faults().get(find_fault(fault) or "")
    if known is None:
        raise OtoloopError(f"Unknown fault {fault!r}.", f"Use one of: {', '.join(fault_names())}.")
    with book.session() as session:
        full = [clips.clip(session, one).id for one in clip_ids]
        for clip in full:
            notes.set_label(session, clip, known.id, source="reviewer", actor=actor)
    return full, known


def by_fault(shown: Iterable[Shown]) -> dict[str, int]:
    """How many items there are of each fault, by its English name."""
    count: dict[str, int] = {}
    for one in shown:
        fault = one.item.slice.get("fault", "")
        name = faults()[fault].en if fault in faults() else one.item.answer
        count[name] = count.get(name, 0) + 1
    return dict(sorted(count.items(), key=lambda pair: (-pair[1], pair[0])))
