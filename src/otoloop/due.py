"""Whether a cycle is due before its time in the calendar, and why: the words that inputs/cycle.yaml keeps.

Due when enough approved items wait, when people call too many answers wrong and there is something new to learn, or when
a clip of the last cycle's release was erased.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from otoloop.errors import OtoloopError
from otoloop.params import RetrainParams, load_params
from otoloop.release.cycle import PATH
from otoloop.settings import Settings
from otoloop.vcs import Repo

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

EVENT = "otoloop.items.enough"
DAYS = 7
"""Complaints of so many days count."""
FEW = 5
"""With fewer complaints than this one person's bad day would start a cycle."""


def waiting(workspace: Path) -> int:
    """How many approved items no finished cycle has learnt from or been examined on."""
    from otoloop import catalog

    with catalog.open_workspace(workspace, Settings().database_url).reading() as session:
        return _waiting(session, _last_release(workspace))


def reasons(workspace: Path) -> tuple[str, ...]:
    """Why a cycle is due now, in words; empty: it is not."""
    from otoloop import catalog

    last, rules = _last_release(workspace), load_params(workspace / "params.yaml").retrain
    with catalog.open_workspace(workspace, Settings().database_url).reading() as session:
        count = _waiting(session, last)
        found = (_items(count, rules), _complaints(session, rules) if count else "", _erasure(session, last))
    return tuple(words for words in found if words)


def announce(workspace: Path) -> int:
    """Post the event `EVENT` when a cycle is due and none is under way; returns how many approved items wait."""
    from otoloop.notify import notify

    count, why = waiting(workspace), reasons(workspace)
    if why and not _under_way(workspace):
        notify(workspace, EVENT, "otoloop.items.approved", {"new_items": count, "why": "; ".join(why)})
    return count


def on_schedule(workspace: Path) -> str:
    """The reason of a cycle that the calendar starts."""
    count = waiting(workspace)
    return "; ".join(["calendar", *(reasons(workspace) or ([f"{count} new approved items"] if count else []))])


def _last_release(workspace: Path) -> str | None:
    """The release of the last finished cycle."""
    tags = Repo(workspace).tags("cycle/*")
    return str(yaml.safe_load(Repo(workspace).show(tags[-1], PATH))["release"]["id"]) if tags else None


def _waiting(session: Session, last: str | None) -> int:
    from otoloop.catalog import releases, reviews

    approved = {one.item.id for one in reviews.approved_items(session)}
    known = {one.item.id for one, _ in releases.release_items(session, last)} if last else set()
    return len(approved - known)


def _items(count: int, rules: RetrainParams) -> str:
    return f"{count} new approved items" if count >= rules.min_new_items else ""


def _complaints(session: Session, rules: RetrainParams) -> str:
    """The version that answered last and was called wrong too often."""
    from otoloop.catalog.tables import now
    from otoloop.watch.numbers import newest_version, words

    version, rate = newest_version(session, (now() - timedelta(days=DAYS)).date())
    if rate is None or rate.hits < FEW or rate.low < rules.complaint_rate:
        return ""
    return f"complaints about {version}: {words(rate)}"


def _erasure(session: Session, last: str | None) -> str:
    from otoloop.catalog import releases

    gone = releases.erased_from(session, last) if last else []
    return f"erasure: {len(gone)} {'clip' if len(gone) == 1 else 'clips'} of {last}" if gone else ""


def _under_way(workspace: Path) -> bool:
    try:
        with Repo(workspace).lease(wait_s=0, purpose="see whether a cycle runs"):
            return False
    except OtoloopError:
        return True
