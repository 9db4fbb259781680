"""Items and traces: questions about clips, their gold answers, and the chains of thought drafted for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from otoloop.catalog.states import move
from otoloop.catalog.tables import ClipRow, ItemRow, TraceRow
from otoloop.errors import OtoloopError
from otoloop.records import Finding, Item

ITEM_COLUMNS = ("id", "clip", "question", "answer", "answer_letter", "kind", "style", "lang", "evidence")


@dataclass(frozen=True, slots=True)
class ItemView:
    """An item with what a reviewer, a release or a page needs beside it; ``trace`` is its newest version."""

    item: Item
    state: str
    priority: float
    picked_by: str
    double: bool
    replaced_by: str | None
    created_at: datetime
    decided_at: datetime | None
    trace: TraceRow | None
    clip: ClipRow


def add_items(session: Session, items: Iterable[Item]) -> list[str]:
    """Write items in state ``drafted``; those whose id exists are left alone. Returns the ids that are new.

    Raises:
        OtoloopError: an item refers to a clip that the catalogue does not have.
    """
    fresh = {item.id: item for item in items}
    known = set(_in_chunks(session, select(ItemRow.id), ItemRow.id, list(fresh)))
    rows = [_row(item) for item_id, item in fresh.items() if item_id not in known]
    clips = {row.clip for row in rows}
    missing = clips - set(_in_chunks(session, select(ClipRow.id), ClipRow.id, sorted(clips)))
    if missing:
        raise OtoloopError(f"No clip {min(missing)!r} in the catalogue.", "Run `otoloop intake --once` first.")
    session.add_all(rows)
    session.flush()
    return [row.id for row in rows]


def _row(item: Item) -> ItemRow:
    columns = {name: getattr(item, name) for name in ITEM_COLUMNS}
    return ItemRow(**columns, choices=list(item.choices) if item.choices else None, slice=dict(item.slice))


def record(row: ItemRow) -> Item:
    """The row as the small frozen type that the other parts use."""
    columns = {name: getattr(row, name) for name in ITEM_COLUMNS}
    return Item(**columns, choices=tuple(row.choices) if row.choices else None, slice=row.slice)


def add_trace(
    session: Session,
    item_id: str,
    text: str,
    *,
    drafter: str,
    findings: Sequence[Finding] = (),
    model: str = "",
    prompt_sha: str = "",
) -> TraceRow:
    """Add a version of an item's trace with the outcome of its checks; ``ok`` when no finding has a reason code."""
    newest = session.scalar(select(func.max(TraceRow.version)).where(TraceRow.item == item_id))
    checks = [finding_json(f) for f in findings]
    row = TraceRow(item=item_id, version=(newest or 0) + 1, text=text, drafter=drafter, model=model, checks=checks)
    row.prompt_sha, row.ok = prompt_sha, all(f.code is None for f in findings)
    session.add(row)
    session.flush()
    return row


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding as the ``checks`` column keeps it."""
    row = {name: getattr(finding, name) for name in Finding.__slots__}
    return {**row, "span": list(finding.span) if finding.span else None}


def findings_of(row: TraceRow) -> list[Finding]:
    """The findings of a trace's checks."""
    return [Finding(**{**c, "span": tuple(c["span"]) if c.get("span") else None}) for c in row.checks]


def queue(
    session: Session,
    item_ids: Sequence[str],
    *,
    priority: Mapping[str, float] | None = None,
    picked_by: Mapping[str, str] | None = None,
    double: Iterable[str] = (),
) -> None:
    """Put drafted items before the reviewers; higher ``priority`` is shown first.

    ``picked_by`` says why each was chosen (random, uncertainty, diversity, complaint); ``double`` need two reviewers.
    """
    move(session, item_ids, "queued")
    twice = set(double)
    for row in session.scalars(select(ItemRow).where(ItemRow.id.in_(list(item_ids)))):
        row.priority = (priority or {}).get(row.id, 0.0)
        row.picked_by = (picked_by or {}).get(row.id, "")
        row.double = row.id in twice
    session.flush()


def pick_again(session: Session, item_ids: Iterable[str], *, priority: Mapping[str, float], picked_by: str) -> None:
    """Say anew why queued items are shown and how soon."""
    for item_id in item_ids:
        row = session.get_one(ItemRow, item_id)
        row.priority, row.picked_by = priority[item_id], picked_by
    session.flush()


def replace_item(session: Session, old: str, new: Item) -> None:
    """Let ``new`` (a corrected question or answer) supersede the item ``old``; ``new`` starts as drafted."""
    move(session, [old], "superseded")
    add_items(session, [new])
    session.get_one(ItemRow, old).replaced_by = new.id
    session.flush()


def item(session: Session, item_id: str) -> ItemView:
    """One item with its newest trace and its clip.

    Raises:
        OtoloopError: there is no such item.
    """
    found = session.execute(views().where(ItemRow.id == item_id)).one_or_none()
    if found is None:
        raise OtoloopError(f"There is no item {item_id!r}.", "List the items with `otoloop review list`.")
    return view(*found)


def items(
    session: Session,
    *,
    state: str | None = None,
    clip: str | None = None,
    site: str | None = None,
    since: datetime | None = None,
    decided_since: datetime | None = None,
    limit: int | None = None,
) -> list[ItemView]:
    """Items that match every filter given, with newest trace and clip; highest priority first, then oldest.

    ``since`` bounds when the item was made, ``decided_since`` when it was approved or rejected.
    """
    query = views().order_by(ItemRow.priority.desc(), ItemRow.created_at, ItemRow.id)
    for column, value in ((ItemRow.state, state), (ItemRow.clip, clip), (ClipRow.site, site)):
        query = query.where(column == value) if value is not None else query
    query = query.where(ItemRow.created_at >= since) if since else query
    query = query.where(ItemRow.decided_at >= decided_since) if decided_since else query
    return [view(*row) for row in session.execute(query.limit(limit))]


def queued_ids(session: Session) -> list[str]:
    """Ids of all queued items in the order in which reviewers see them."""
    query = select(ItemRow.id).where(ItemRow.state == "queued")
    return list(session.scalars(query.order_by(ItemRow.priority.desc(), ItemRow.created_at, ItemRow.id)))


def views() -> Select[tuple[ItemRow, TraceRow, ClipRow]]:
    """Items joined with their newest trace (if any) and their clip."""
    newest = select(TraceRow.item, func.max(TraceRow.version).label("version")).group_by(TraceRow.item).subquery()
    return (
        select(ItemRow, TraceRow, ClipRow)
        .join(ClipRow, ClipRow.id == ItemRow.clip)
        .outerjoin(newest, newest.c.item == ItemRow.id)
        .outerjoin(TraceRow, (TraceRow.item == ItemRow.id) & (TraceRow.version == newest.c.version))
    )


def view(row: ItemRow, trace: TraceRow | None, clip: ClipRow) -> ItemView:
    """A row of `views` as one value."""
    return ItemView(
        record(row), row.state, row.priority, row.picked_by, row.double, row.replaced_by, row.created_at,
        row.decided_at, trace, clip,
    )  # fmt: skip


def traces(session: Session, item_id: str) -> Sequence[TraceRow]:
    """All versions of an item's trace, oldest first."""
    return session.scalars(select(TraceRow).where(TraceRow.item == item_id).order_by(TraceRow.version)).all()


def count_by_state(session: Session, decided_since: datetime | None = None) -> dict[str, int]:
    """How many items there are in each state."""
    query = select(ItemRow.state, func.count()).group_by(ItemRow.state)
    query = query.where(ItemRow.decided_at >= decided_since) if decided_since else query
    return {state: n for state, n in session.execute(query)}


def _in_chunks(session: Session, query: Select[Any], column: Any, values: Sequence[str]) -> list[Any]:
    """Scalars of ``query`` where ``column`` is one of ``values``, asked for 500 at a time."""
    found: list[Any] = []
    for start in range(0, len(values), 500):
        found += session.scalars(query.where(column.in_(values[start : start + 500])))
    return found
