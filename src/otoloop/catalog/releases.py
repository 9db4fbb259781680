"""Releases: an intent names the items before any file is written, and closes when the files are committed.

An open intent is finished before a new one starts, so that a crash at any point never changes what a release holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from otoloop.catalog import items as item_store
from otoloop.catalog.reviews import ApprovedItem
from otoloop.catalog.tables import ClipRow, ItemRow, ReleaseItemRow, ReleaseRow, TraceRow, now
from otoloop.errors import OtoloopError


def open_intent(
    session: Session,
    release_id: str,
    items: Sequence[ApprovedItem],
    *,
    cutoff: datetime,
    splits: Mapping[str, str] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> ReleaseRow:
    """Write down what a release will hold: its items, the very versions of their traces, and their splits.

    Raises:
        OtoloopError: another intent is open (finish it first), the id is taken, or there are no items.
    """
    waiting = intents(session, state="open")
    if waiting:
        remedy = "Run `otoloop release create` again: it finishes the open one first."
        raise OtoloopError(f"Release {waiting[0].id} is not finished.", remedy)
    if session.get(ReleaseRow, release_id) is not None:
        raise OtoloopError(f"Release {release_id} exists.", "Choose another id.")
    if not items:
        raise OtoloopError("A release without items makes no sense.", "Approve items with `otoloop review`.")
    row = ReleaseRow(id=release_id, cutoff=cutoff, meta=dict(meta or {}))
    session.add(row)
    session.flush()
    split = splits or {}
    session.add_all(
        ReleaseItemRow(release=release_id, item=i.item.id, trace=i.trace_id, split=split.get(i.item.id)) for i in items
    )
    session.flush()
    return row


def intents(session: Session, *, state: str | None = None) -> Sequence[ReleaseRow]:
    """Releases in the order they were opened; ``state`` is open or closed."""
    query = select(ReleaseRow).order_by(ReleaseRow.created_at, ReleaseRow.id)
    return session.scalars(query.where(ReleaseRow.state == state) if state else query).all()


def release(session: Session, release_id: str) -> ReleaseRow:
    """One release.

    Raises:
        OtoloopError: there is none of that id.
    """
    row = session.get(ReleaseRow, release_id)
    if row is None:
        raise OtoloopError(f"There is no release {release_id!r}.", "List them with `otoloop release list`.")
    return row


def release_items(session: Session, release_id: str) -> list[tuple[ApprovedItem, str | None]]:
    """(item, split) of a release by item id, exactly as its intent named them, whatever was decided since.

    Items of erased clips are left out: a release that is written again must not hold them.
    """
    query = (
        select(ItemRow, TraceRow, ClipRow, ReleaseItemRow.split)
        .join(ReleaseItemRow, ReleaseItemRow.item == ItemRow.id)
        .join(TraceRow, TraceRow.id == ReleaseItemRow.trace)
        .join(ClipRow, ClipRow.id == ItemRow.clip)
        .where(ReleaseItemRow.release == release_id, ClipRow.state == "admitted")
        .order_by(ItemRow.id)
    )
    return [
        (ApprovedItem(item_store.record(item), trace.text, trace.id, item.decided_at or item.created_at, clip), split)
        for item, trace, clip, split in session.execute(query)
    ]


def erased_from(session: Session, release_id: str) -> list[str]:
    """Clips of a release that were erased since."""
    query = select(ClipRow.id).join(ItemRow, ItemRow.clip == ClipRow.id)
    query = query.join(ReleaseItemRow, ReleaseItemRow.item == ItemRow.id)
    query = query.where(ReleaseItemRow.release == release_id, ClipRow.state == "erased")
    return list(session.scalars(query.distinct().order_by(ClipRow.id)))


def close_intent(
    session: Session, release_id: str, *, commit: str | None = None, meta: Mapping[str, Any] | None = None
) -> None:
    """The release's files are pushed, verified and committed; closing twice changes nothing."""
    row = release(session, release_id)
    if row.state == "closed":
        return
    row.state, row.commit, row.closed_at = "closed", commit, now()
    row.meta = {**row.meta, **(meta or {})}
    session.flush()


def drop_intent(session: Session, release_id: str) -> None:
    """Forget an open intent whose files nobody has seen.

    Raises:
        OtoloopError: it is closed already.
    """
    row = release(session, release_id)
    if row.state != "open":
        raise OtoloopError(f"Release {release_id} is closed and stays.", "Erase clips with `otoloop erase` instead.")
    for link in session.scalars(select(ReleaseItemRow).where(ReleaseItemRow.release == release_id)):
        session.delete(link)
    session.flush()
    session.delete(row)
    session.flush()


def released_in(session: Session, clip: str) -> list[str]:
    """Ids of the releases that hold a clip, for lineage and erasure."""
    query = select(ReleaseItemRow.release).join(ItemRow, ItemRow.id == ReleaseItemRow.item).where(ItemRow.clip == clip)
    return sorted(set(session.scalars(query)))
