"""The states of an item in review, and the only function that changes them.

    drafted ─▶ queued ─▶ approved ─▶ superseded
       │          ├────▶ rejected ─▶ superseded
       └──────────┴────────────────▶ superseded

An approved or rejected item is never decided again: who knows better writes a new item that supersedes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from otoloop.catalog.tables import ItemRow, now
from otoloop.errors import OtoloopError

MOVES: dict[str, frozenset[str]] = {
    "drafted": frozenset({"queued", "superseded"}),
    "queued": frozenset({"approved", "rejected", "superseded"}),
    "approved": frozenset({"superseded"}),
    "rejected": frozenset({"superseded"}),
    "superseded": frozenset(),
}
DECIDED = ("approved", "rejected")


def move(session: Session, item_ids: Sequence[str], to: str, at: datetime | None = None) -> None:
    """Move items to state ``to``, all or none.

    The test and the change are one statement, so of two reviewers who decide at once exactly one succeeds.

    Raises:
        OtoloopError: an item does not exist, or may not go there from where it is; names the item and its state.
    """
    wanted = list(dict.fromkeys(item_ids))
    sources = [state for state, targets in MOVES.items() if to in targets]
    values = {"state": to, **({"decided_at": at or now()} if to in DECIDED else {})}
    for item_id in wanted:
        change = update(ItemRow).where(ItemRow.id == item_id, ItemRow.state.in_(sources)).values(values)
        if session.execute(change).rowcount != 1:  # type: ignore[attr-defined]
            raise _refusal(session, item_id, to)
    session.expire_all()


def _refusal(session: Session, item_id: str, to: str) -> OtoloopError:
    """Why an item could not be moved."""
    state = session.scalar(select(ItemRow.state).where(ItemRow.id == item_id))
    if state is None:
        return OtoloopError(f"There is no item {item_id!r}.", "List the items with `otoloop review list`.")
    allowed = ", ".join(sorted(MOVES[state])) or "nothing"
    return OtoloopError(f"Item {item_id} is {state} and cannot become {to} (only: {allowed}).", "Reload the queue.")
