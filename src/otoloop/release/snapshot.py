"""From the catalogue to what a release will hold: approved items at a cut-off, split, written down as an intent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from otoloop.catalog import clips as clip_store
from otoloop.catalog import releases, reviews
from otoloop.catalog.reviews import ApprovedItem
from otoloop.params import ReleaseParams
from otoloop.reasoning.draft import derived
from otoloop.release import layout
from otoloop.release.shards import Content
from otoloop.release.splits import SPLITS, Recording, Split, Splits, assign

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from otoloop.catalog.tables import ClipRow, ReleaseRow


def take(
    session: Session, cutoff: datetime, known: Splits, params: ReleaseParams, *, base_shards: int, last: str | None
) -> ReleaseRow | None:
    """Open the intent of the next release; None when nothing is approved or nothing changed since ``last``.

    Args:
        session: a write session.
        cutoff: items approved up to here.
        known: splits of earlier releases; they stay.
        params: shares of the splits.
        base_shards: audio shards of the release before.
        last: id of the release before, if any.

    Raises:
        OtoloopError: another intent is open.
    """
    found = reviews.approved_items(session, cutoff)
    if not found or (last is not None and _unchanged(session, last, found)):
        return None
    splits, placed = place(session, found, known, params)
    meta = {"base_shards": base_shards, "splits": _as_meta(splits), "withheld": len(found) - len(placed)}
    kept = [one for one in found if one.item.id in placed]
    return releases.open_intent(session, next_id(session), kept, cutoff=cutoff, splits=placed, meta=meta)


def _unchanged(session: Session, last: str, found: Iterable[ApprovedItem]) -> bool:
    """Whether a release would hold the very items and traces of the one before; withheld ones do not count.

    One that holds an erased clip is never repeated.
    """
    if releases.erased_from(session, last):
        return False
    before = {(one.item.id, one.trace_id) for one, _ in releases.release_items(session, last)}
    withheld = releases.release(session, last).meta.get("withheld", 0)
    now = {(one.item.id, one.trace_id) for one in found}
    return before <= now and len(now - before) == withheld


def next_id(session: Session) -> str:
    """``r0001``, ``r0002``, ..."""
    taken = [row.id for row in releases.intents(session)]
    return f"r{max((int(t[1:]) for t in taken), default=0) + 1:04d}"


def place(
    session: Session, found: Sequence[ApprovedItem], known: Splits, params: ReleaseParams
) -> tuple[Splits, dict[str, Split]]:
    """The splits of all sessions, and the split of each item; items of withheld clips have none."""
    recordings = {one.clip.id: _recording(session, one) for one in found}
    splits = assign(recordings.values(), known, test_share=params.test_share, valid_share=params.valid_share)
    placed = {one.item.id: splits.of(recordings[one.clip.id]) for one in found}
    return splits, {item: split for item, split in placed.items() if split is not None}


def _recording(session: Session, one: ApprovedItem) -> Recording:
    row = one.clip
    return Recording(
        clip=row.id, machine=f"{row.site}/{row.machine}", kind=str(clip_store.machine_of(session, row).get("kind") or ""),
        session=row.session, group=row.group, time=row.time.isoformat(), label=str(one.item.slice.get("fault", "")),
    )  # fmt: skip


def _as_meta(splits: Splits) -> dict[str, Any]:
    return {"sessions": dict(splits.sessions), "groups": dict(splits.groups), "held_out": dict(splits.held_out)}


def content(session: Session, intent: ReleaseRow) -> Content:
    """What the files of an open intent hold; the same however often it is asked."""
    rows = releases.release_items(session, intent.id)
    items: dict[Split, list[Mapping[str, Any]]] = {split: [] for split in SPLITS}
    for one, split in rows:
        items[_known_split(split)].append(item_row(session, one))
    held = {one.clip.id: one.clip for one, _ in rows}
    return Content(
        release=intent.id, cutoff=intent.cutoff.isoformat(), clips=[clip_row(c) for c in held.values()], items=items,
        splits=Splits(**intent.meta["splits"]), base_shards=int(intent.meta["base_shards"]),
        withheld=int(intent.meta["withheld"]),
    )  # fmt: skip


def _known_split(name: str | None) -> Split:
    return next(s for s in SPLITS if s == name)


def clip_row(row: ClipRow) -> dict[str, Any]:
    """A clip as a row of `layout.AUDIO`, without its bytes."""
    return {"clip": row.id, "seconds": row.seconds, "rate": row.rate, "channels": row.channels, **_place(row)}


def item_row(session: Session, one: ApprovedItem) -> dict[str, Any]:
    """An item as a row of `layout.LESSONS`, with ``measured`` for the sealed file."""
    fields = one.item.to_json()
    facts = derived(one.clip, clip_store.machine_of(session, one.clip))
    return {
        **fields, **_place(one.clip), "slice": layout.compact(fields["slice"]), "trace": one.trace,
        "fault": str(one.item.slice.get("fault", "")), "measured": layout.compact(clip_store.evidence_json(facts)),
    }  # fmt: skip


def _place(row: ClipRow) -> dict[str, Any]:
    return {
        "site": row.site, "machine": row.machine, "session": row.session, "group": row.group,
        "time": row.time.isoformat(),
    }  # fmt: skip
