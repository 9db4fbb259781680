"""Lists for people: what matches the filters, newest first, a page at a time, with how many there are in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from otoloop.catalog import items as item_store
from otoloop.catalog.items import ItemView
from otoloop.catalog.tables import (
    AnswerRow,
    ClipRow,
    DeliveryRow,
    FeedbackRow,
    ItemRow,
    LabelRow,
    MachineRow,
    ReleaseItemRow,
)

SIZE = 50
NONE = "none"
"""In place of a fault, a verdict or a site: clips and answers that have none."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list: page ``number`` (from 1) of ``pages``, with ``total`` rows on all of them."""

    rows: Sequence[T]
    total: int
    number: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // self.size))


def _page(session: Session, query: Select[Any], number: int, *order: Any) -> Page[Any]:
    """The rows of a page as tuples; a number beyond the last page gives the last."""
    total = int(session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0)
    number = min(max(1, number), max(1, -(-total // SIZE)))
    rows = session.execute(query.order_by(*order).limit(SIZE).offset((number - 1) * SIZE)).all()
    return Page([tuple(row) for row in rows], total, number, SIZE)


def _where(query: Select[Any], *pairs: tuple[Any, Any]) -> Select[Any]:
    for column, value in pairs:
        query = query.where(column == value) if value else query
    return query


def deliveries(
    session: Session, *, state: str = "", kind: str = "", site: str = "", machine: str = "", reason: str = "",
    since: datetime | None = None, number: int = 1,
) -> Page[DeliveryRow]:  # fmt: skip
    """Objects that arrived, newest first."""
    query = _where(
        select(DeliveryRow), (DeliveryRow.state, state), (DeliveryRow.kind, kind), (DeliveryRow.site, site),
        (DeliveryRow.machine, machine), (DeliveryRow.reason_code, reason),
    )  # fmt: skip
    query = query.where(DeliveryRow.seen_at >= since) if since else query
    found = _page(session, query, number, DeliveryRow.id.desc())
    return replace(found, rows=[row for (row,) in found.rows])


def clips(
    session: Session, *, state: str = "", site: str = "", machine: str = "", fault: str = "",
    since: datetime | None = None, number: int = 1,
) -> Page[tuple[ClipRow, str | None]]:  # fmt: skip
    """Clips with the fault of their newest label, last recorded first; ``fault="none"``: those without a label."""
    label = _newest_label()
    query = select(ClipRow, label.c.fault).outerjoin(label, label.c.clip == ClipRow.id)
    query = _where(query, (ClipRow.state, state), (ClipRow.site, site), (ClipRow.machine, machine))
    if fault:
        query = query.where(label.c.fault.is_(None) if fault == NONE else label.c.fault == fault)
    query = query.where(ClipRow.created_at >= since) if since else query
    return _page(session, query, number, ClipRow.time.desc(), ClipRow.id)


def _newest_label() -> Any:
    """(clip, fault) of every clip's newest label."""
    newest = select(LabelRow.clip, func.max(LabelRow.version).label("version")).group_by(LabelRow.clip).subquery()
    joined = (LabelRow.clip == newest.c.clip) & (LabelRow.version == newest.c.version)
    return select(LabelRow.clip, LabelRow.fault).join(newest, joined).subquery()


def items(
    session: Session, *, state: str = "", site: str = "", machine: str = "", fault: str = "", picked_by: str = "",
    release: str = "", number: int = 1,
) -> Page[ItemView]:  # fmt: skip
    """Items with newest trace and clip: queued ones as reviewers get them, others by when they were decided or made."""
    query = _where(
        item_store.views(), (ItemRow.state, state), (ClipRow.site, site), (ClipRow.machine, machine),
        (ItemRow.picked_by, picked_by), (ItemRow.slice["fault"].as_string(), fault),
    )  # fmt: skip
    if release:
        query = query.where(ItemRow.id.in_(select(ReleaseItemRow.item).where(ReleaseItemRow.release == release)))
    decided = func.coalesce(ItemRow.decided_at, ItemRow.created_at).desc()
    order = (ItemRow.priority.desc(), ItemRow.created_at) if state == "queued" else (decided,)
    found = _page(session, query, number, *order, ItemRow.id)
    return replace(found, rows=[item_store.view(*row) for row in found.rows])


def answers(
    session: Session, *, site: str = "", machine: str = "", version: str = "", channel: str = "", verdict: str = "",
    since: datetime | None = None, until: datetime | None = None, number: int = 1,
) -> Page[tuple[AnswerRow, str | None]]:  # fmt: skip
    """Answers with what was last said of each (None: nothing yet; ``verdict="none"`` asks for those), newest first.

    ``site="none"``: those whose machine was not named. ``until`` is the first moment that does not count any more.
    """
    last = select(FeedbackRow.answer, func.max(FeedbackRow.id).label("id")).group_by(FeedbackRow.answer).subquery()
    query = select(AnswerRow, FeedbackRow.verdict).outerjoin(last, last.c.answer == AnswerRow.id)
    query = query.outerjoin(FeedbackRow, FeedbackRow.id == last.c.id)
    query = _where(
        query, (AnswerRow.site, site if site != NONE else ""), (AnswerRow.machine, machine),
        (AnswerRow.version, version), (AnswerRow.channel, channel),
    )  # fmt: skip
    query = query.where(AnswerRow.site == "") if site == NONE else query
    if verdict:
        query = query.where(FeedbackRow.id.is_(None) if verdict == NONE else FeedbackRow.verdict == verdict)
    query = query.where(AnswerRow.created_at >= since) if since else query
    query = query.where(AnswerRow.created_at < until) if until else query
    return _page(session, query, number, AnswerRow.created_at.desc(), AnswerRow.id)


def feedback(
    session: Session, *, verdict: str = "", actor: str = "", since: datetime | None = None, number: int = 1
) -> Page[tuple[FeedbackRow, AnswerRow]]:
    """What people said of answers, newest first, each with its answer."""
    query = select(FeedbackRow, AnswerRow).join(AnswerRow, AnswerRow.id == FeedbackRow.answer)
    query = _where(query, (FeedbackRow.verdict, verdict), (FeedbackRow.actor, actor))
    query = query.where(FeedbackRow.created_at >= since) if since else query
    return _page(session, query, number, FeedbackRow.id.desc())


def places(session: Session) -> Mapping[str, list[str]]:
    """Machines by site, for the filters."""
    found: dict[str, list[str]] = {}
    for site, machine in session.execute(
        select(MachineRow.site, MachineRow.machine).order_by(*MachineRow.__mapper__.primary_key)
    ):
        found.setdefault(site, []).append(machine)
    return found


def versions(session: Session) -> list[str]:
    """Versions that gave answers, for the filters."""
    return list(session.scalars(select(AnswerRow.version).distinct().order_by(AnswerRow.version)))
