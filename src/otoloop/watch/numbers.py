"""How it goes, day by day: what each version answered at each site, and how much the reviewers did there.

Days are UTC. What is said of an answer later counts on the day of the answer. What nobody knows is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from otoloop.catalog.tables import AnswerRow, ClipRow, FeedbackRow, ItemRow, ReviewRow, now
from otoloop.evaluate.intervals import wilson

NORMAL_95 = 1.959964
UNCHECKED = "unverifiable"


@dataclass(frozen=True, slots=True)
class Rate:
    """``hits`` of ``n`` (at least one), 0..1, with Wilson's 95 % interval."""

    hits: int
    n: int
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, hits: int, n: int) -> Rate | None:
        """The rate; None of nothing."""
        return cls(hits, n, hits / n, *wilson(hits / n, n, NORMAL_95)) if n else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one version answered at one site (empty: the machine is not known) on one day.

    ``complaints``: answers called wrong, of all. ``invalid``: answers that are no well-formed trace. ``claims``: claims
    that the sound confirms, of those that could be compared with it. Latencies in milliseconds.
    """

    day: date
    version: str
    site: str
    answers: int
    complaints: Rate | None
    invalid: Rate | None
    claims: Rate | None
    latency_ms: float | None
    latency_p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What reviewers did for one site on one day; ``queue``: items that wait, known for today only."""

    day: date
    site: str
    decisions: int
    minutes: float
    queue: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The numbers of some days, newest first."""

    since: date
    served: Sequence[Served]
    reviewed: Sequence[Reviewed]

    def to_json(self) -> dict[str, Any]:
        """For scripts; days as ISO 8601."""
        return {
            "since": self.since.isoformat(),
            "served": [_plain(asdict(row)) for row in self.served],
            "reviewed": [_plain(asdict(row)) for row in self.reviewed],
        }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}


def daily(session: Session, days: int, today: date | None = None) -> Numbers:
    """The numbers of the last ``days`` days, ``today`` (in UTC) among them."""
    last = today or now().date()
    since = last - timedelta(days=days - 1)
    return Numbers(since=since, served=served(session, since), reviewed=reviewed(session, since, last))


def served(session: Session, since: date) -> list[Served]:
    """A row for each day, version and site with answers, newest day first."""
    query = select(AnswerRow).where(AnswerRow.created_at >= _start(since))
    rows = sorted(session.scalars(query), key=_cell)
    wrong = complained(session, since)
    found = [_served(*cell, list(group), wrong) for cell, group in groupby(rows, key=_cell)]
    return sorted(found, key=lambda row: row.day, reverse=True)


def _cell(row: AnswerRow) -> tuple[date, str, str]:
    return row.created_at.date(), row.version, row.site


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def complained(session: Session, since: date) -> set[str]:
    """Ids of the answers since then that anybody called wrong."""
    query = select(FeedbackRow.answer).join(AnswerRow, AnswerRow.id == FeedbackRow.answer)
    query = query.where(FeedbackRow.verdict == "wrong", AnswerRow.created_at >= _start(since))
    return set(session.scalars(query.distinct()))


def newest_version(session: Session, since: date) -> tuple[str, Rate | None]:
    """The version that gave the newest answer since then, and how many of its answers were called wrong."""
    query = select(AnswerRow.id, AnswerRow.version).where(AnswerRow.created_at >= _start(since))
    rows = session.execute(query.order_by(AnswerRow.created_at.desc(), AnswerRow.id)).all()
    if not rows:
        return "", None
    newest, wrong = rows[0].version, complained(session, since)
    own = [row.id for row in rows if row.version == newest]
    return newest, Rate.of(sum(name in wrong for name in own), len(own))


def _served(day: date, version: str, site: str, rows: Sequence[AnswerRow], wrong: set[str]) -> Served:
    valid = [bool(row.details["valid"]) for row in rows if "valid" in row.details]
    latencies = [row.latency_ms for row in rows if row.latency_ms is not None and not row.details.get("declined")]
    return Served(
        day=day, version=version, site=site, answers=len(rows),
        complaints=Rate.of(sum(row.id in wrong for row in rows), len(rows)),
        invalid=Rate.of(len(valid) - sum(valid), len(valid)), claims=_claims(rows),
        latency_ms=_quantile(latencies, 0.5), latency_p95_ms=_quantile(latencies, 0.95),
    )  # fmt: skip


def _claims(rows: Iterable[AnswerRow]) -> Rate | None:
    """As the scores of a cycle count them: whatever could be compared and is not confirmed is wrong."""
    counts = [dict(row.details.get("claim_counts") or {}) for row in rows]
    right = sum(count.get("confirmed", 0) for count in counts)
    return Rate.of(right, sum(n for count in counts for status, n in count.items() if status != UNCHECKED))


def _quantile(values: Sequence[float], share: float) -> float | None:
    return round(float(np.quantile(values, share)), 1) if values else None


def reviewed(session: Session, since: date, today: date) -> list[Reviewed]:
    """A row for each day and site with decisions, and one for today where items wait; newest day first."""
    query = select(ReviewRow.created_at, ReviewRow.seconds_spent, ClipRow.site).join(
        ItemRow, ItemRow.id == ReviewRow.item
    )
    query = query.join(ClipRow, ClipRow.id == ItemRow.clip).where(ReviewRow.created_at >= _start(since))
    spent: dict[tuple[date, str], list[float]] = {}
    for at, seconds, site in session.execute(query):
        spent.setdefault((at.date(), site), []).append(seconds)
    waiting = queue(session)
    cells = {*spent, *((today, site) for site in waiting)}
    found = [
        Reviewed(day=day, site=site, decisions=len(spent.get((day, site), ())),
                 minutes=round(sum(spent.get((day, site), ())) / 60, 2),
                 queue=waiting.get(site, 0) if day == today else None)
        for day, site in sorted(cells)
    ]  # fmt: skip
    return sorted(found, key=lambda row: row.day, reverse=True)


def queue(session: Session) -> dict[str, int]:
    """How many items wait for a reviewer, by site."""
    query = select(ClipRow.site, func.count()).join(ItemRow, ItemRow.clip == ClipRow.id)
    return {site: n for site, n in session.execute(query.where(ItemRow.state == "queued").group_by(ClipRow.site))}


def table(numbers: Numbers) -> list[dict[str, Any]]:
    """What was served as rows of a table for people: shares in percent with interval and count, a dash for unknown."""
    return [
        {
            "day": row.day.isoformat(), "version": row.version, "site": row.site or "–", "answers": row.answers,
            "called wrong": words(row.complaints), "invalid traces": words(row.invalid),
            "claims confirmed": words(row.claims), "latency ms": _dash(row.latency_ms),
            "95 % within ms": _dash(row.latency_p95_ms),
        }
        for row in numbers.served
    ]  # fmt: skip


def review_table(numbers: Numbers) -> list[dict[str, Any]]:
    """What was reviewed, as rows of a table for people."""
    return [
        {"day": row.day.isoformat(), "site": row.site, "decisions": row.decisions,
         "minutes of review": row.minutes, "waiting": _dash(row.queue)}
        for row in numbers.reviewed
    ]  # fmt: skip


def words(rate: Rate | None) -> str:
    """A rate as people write it: ``12 % (5 to 25 %, 4 of 33)``."""
    if rate is None:
        return "–"
    return f"{100 * rate.value:.0f} % ({100 * rate.low:.0f} to {100 * rate.high:.0f} %, {rate.hits} of {rate.n})"


def _dash(value: float | None) -> float | str:
    return "–" if value is None else value
