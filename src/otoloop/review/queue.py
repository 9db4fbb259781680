"""In which order people see drafts: complaints, what is new, then what is weakly supported; a share at random over all.

New fault types and sites are reviewed in full; the random share is the only unbiased source for KPIs, so its items are
spread over the whole queue instead of waiting at its end.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from otoloop.catalog.states import DECIDED
from otoloop.catalog.tables import ClipRow, ItemRow
from otoloop.params import ReviewParams
from otoloop.reasoning.vocab import by_name
from otoloop.records import Finding, Item

NEW_UNTIL = 20
"""A fault type or site is new until this many of its items have been decided."""
COMPLAINT, NEW_SITE, NEW_FAULT, WEAK = 5.0, 4.0, 3.0, 2.0


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an item stands in the queue and why; ``double`` asks for a second, blind review."""

    priority: float
    picked_by: str
    double: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """How many items have been decided so far, by site and by fault."""

    by_site: Counter[str] = field(default_factory=Counter)
    by_fault: Counter[str] = field(default_factory=Counter)


def decided(session: Session) -> Decided:
    """Count the approved and rejected items."""
    query = select(ClipRow.site, ItemRow.answer, func.count()).join(ClipRow, ClipRow.id == ItemRow.clip)
    query = query.where(ItemRow.state.in_(DECIDED)).group_by(ClipRow.site, ItemRow.answer)
    found = Decided()
    for site, answer, n in session.execute(query):
        fault = by_name(answer)
        found.by_site[site] += n
        found.by_fault[fault.id if fault else answer] += n
    return found


def place(
    item: Item, findings: Sequence[Finding], seen: Decided, params: ReviewParams, *, seed: int, reason: str = ""
) -> Spot:
    """The spot of a fresh item; follows from its id, the seed, what has been decided so far, and why its clip was picked.

    ``reason``: complaint or random when an answer about the clip was picked for that, see `otoloop.watch`.
    """
    double = chance(f"double:{seed}:{item.id}") < params.double_share
    if reason or chance(f"random:{seed}:{item.id}") < params.random_share:
        reason = reason or "random"
        return Spot(picked(item.id, reason, seed=seed), reason, double)
    weak, tie = (0.0 if item.style == "direct" else weakness(findings)), chance(f"tie:{seed}:{item.id}") * 0.1
    if seen.by_site[item.slice.get("site", "")] < NEW_UNTIL:
        return Spot(NEW_SITE + weak + tie, "new_site", double)
    if seen.by_fault[item.slice.get("fault", "")] < NEW_UNTIL:
        return Spot(NEW_FAULT + weak + tie, "new_fault", double)
    return Spot(WEAK * weak + tie, "uncertainty" if weak >= 0.5 else "diversity", double)


def picked(item_id: str, reason: str, *, seed: int) -> float:
    """The priority of an item picked for a ``reason``: complaints come first, a random pick anywhere in the queue."""
    if reason == "complaint":
        return COMPLAINT + chance(f"tie:{seed}:{item_id}") * 0.1
    return chance(f"spot:{seed}:{item_id}") * (NEW_SITE + 1)


def weakness(findings: Sequence[Finding]) -> float:
    """0 where every claim is confirmed, up to 0.9 where nothing measured supports the trace; 0.5 where it claims nothing."""
    claims = [f for f in findings if f.stated is not None]
    if not claims:
        return 0.5
    confirmed = sum(f.code is None and f.measured is not None for f in claims)
    return 0.9 * (1 - confirmed / len(claims)) if confirmed else 0.9


def chance(key: str) -> float:
    """A number in [0, 1) that follows from ``key`` alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "big") / 2**56
