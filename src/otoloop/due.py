"""Whether a cycle is due: enough approved items that no finished cycle has seen."""

from __future__ import annotations

from pathlib import Path

import yaml

from otoloop.errors import OtoloopError
from otoloop.params import load_params
from otoloop.release.cycle import PATH
from otoloop.settings import Settings
from otoloop.vcs import Repo

EVENT = "otoloop.items.enough"


def waiting(workspace: Path) -> int:
    """How many approved items no finished cycle has learnt from or been examined on."""
    from otoloop import catalog
    from otoloop.catalog import releases, reviews

    tags = Repo(workspace).tags("cycle/*")
    last = yaml.safe_load(Repo(workspace).show(tags[-1], PATH))["release"]["id"] if tags else None
    with catalog.open_workspace(workspace, Settings().database_url).reading() as session:
        approved = {one.item.id for one in reviews.approved_items(session)}
        known = {one.item.id for one, _ in releases.release_items(session, last)} if last else set()
    return len(approved - known)


def announce(workspace: Path) -> int:
    """Post the event `EVENT` when enough items wait for a cycle and none is under way; returns how many wait."""
    from otoloop.notify import notify

    count = waiting(workspace)
    if count >= load_params(workspace / "params.yaml").retrain.min_new_items and not _under_way(workspace):
        notify(workspace, EVENT, "otoloop.items.approved", {"new_items": count})
    return count


def _under_way(workspace: Path) -> bool:
    try:
        with Repo(workspace).lease(wait_s=0, purpose="see whether a cycle runs"):
            return False
    except OtoloopError:
        return True
