"""The chain's numbers and hashes outside of the chain: git tags, signed bundles, what this machine has seen.

Tags follow GTO's spelling: ``otoloop@v3`` when a version is registered, ``otoloop#prod#12`` when event 12 moved the
channel. They mirror the chain and are never read to decide; `audit` compares them with it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.promote.events import Event, canonical
from otoloop.promote.ledger import Ledger
from otoloop.promote.registry import Registry
from otoloop.promote.witness import Seen
from otoloop.vcs import Repo


def mirror(workspace: Path, registry: Registry) -> list[str]:
    """Tag the commits of versions and moves that have no tag yet, and push the tags; returns the new ones.

    Commits that this clone lacks are left to the clone that has them. What git refuses is tried again the next time: the
    chain does not depend on it.
    """
    repo, ledger = Repo(workspace), registry.ledger()
    known, made = set(repo.tags(f"{registry.name}[@#]*")), []
    for event in registry.events():
        name, commit = tag_name(registry.name, event), _commit(ledger, event)
        if name and name not in known and event.seq not in ledger.void and repo.has_commit(commit):
            with contextlib.suppress(OtoloopError):
                repo.tag(name, _message(event), at=commit)
                made.append(name)
    with contextlib.suppress(OtoloopError):
        repo.push_tags(made)
    return made


def tag_name(model: str, event: Event) -> str | None:
    """The tag that mirrors an event, None for events without one."""
    if event.type == "register":
        return f"{model}@{event.version}"
    return f"{model}#{event.channel}#{event.seq}" if event.type in ("promote", "rollback") else None


def _commit(ledger: Ledger, event: Event) -> str:
    registered = ledger.versions.get(str(event.version))
    return str(registered.fields.get("commit", "")) if registered else "HEAD"


def _message(event: Event) -> str:
    told = {k: getattr(event, k) for k in ("seq", "hash", "type", "version", "channel", "actor", "reason")}
    return canonical({k: v for k, v in told.items() if v}).decode()


def of_tags(workspace: Path, model: str) -> Iterator[Seen]:
    """What the tags of a workspace say of the chain."""
    repo = Repo(workspace)
    for name in repo.tags(f"{model}[@#]*"):
        try:
            row = json.loads(repo.tag_message(name))
            yield Seen(int(row["seq"]), str(row["hash"]), f"the tag {name}")
        except (ValueError, TypeError, KeyError):
            continue  # somebody's own tag of that name
