"""Is the registry what it was? The chain, the signatures, the evidence, the bundles, and whatever remembers the chain.

    links      every event whole, in its place, following the one before: names the first that is not
    rules      events that count for nothing, and why
    anchors    a cut tail or a rewritten chain: git tags, signed bundles and this machine remember numbers and hashes
    contents   manifests, evidence packs and bundles are those that the events name
    mirrors    pointers and approvers.yaml say what their owners say

All of it is read anew from the store; a clone, the store and the bundle's public key are enough, no server is asked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.promote import anchors, approvers, bundle, requests, versions, witness
from otoloop.promote.events import BrokenChain, Event, parse_any
from otoloop.promote.ledger import CHANNELS, Ledger
from otoloop.promote.registry import Registry, open_registry
from otoloop.promote.versions import APPROVAL
from otoloop.promote.witness import Seen
from otoloop.vcs import Repo


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was left; ``event`` is the number of the event it is about, if any."""

    what: str
    event: int | None = None

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)


def verify(workspace: Path) -> list[Problem]:
    """Everything that is wrong with a workspace's registry, gravest first; empty if it is as it was left.

    Raises:
        OtoloopError: the store does not answer.
    """
    registry = open_registry(workspace)
    events, broken = _chain(registry)
    remembered = _remembered(workspace, registry)
    found = [*broken, *_anchors(events, remembered, whole=not broken)]
    if broken:
        return found
    ledger = registry.meaning(events)
    return [
        *found, *_rules(ledger), *_contents(workspace, registry, ledger), *_mirrors(workspace, registry, ledger)
    ]  # fmt: skip


def _chain(registry: Registry) -> tuple[list[Event], list[Problem]]:
    """The events up to the first that cannot be believed, and which one that is."""
    try:
        return registry.events(), []
    except BrokenChain as err:
        return registry.believed(), [Problem(f"Event {err.seq} {err.why}.", err.seq)]


def _remembered(workspace: Path, registry: Registry) -> list[Seen]:
    """What git, signed bundles and this machine know of the chain."""
    seen = witness.seen(workspace)
    found = [*([seen] if seen else []), *anchors.of_tags(workspace, registry.name)]
    for version in registry.stored_versions():
        raw = versions.stored(registry, version, APPROVAL)
        try:
            event = parse_any(raw) if raw is not None else None
        except BrokenChain:
            continue  # found again, and named, when the bundle is checked
        if event:
            found.append(Seen(event.seq, event.hash, f"the bundle of {version}"))
    return found


def _anchors(events: list[Event], remembered: Iterable[Seen], *, whole: bool) -> Iterator[Problem]:
    """Anchors that do not fit; of a broken chain only the believed part can be compared."""
    for anchor in sorted(remembered, key=lambda a: (a.seq, a.where)):
        if whole or anchor.seq <= len(events):
            why = witness.missing(events, anchor)
            if why:
                yield Problem(why, min(anchor.seq, len(events) + 1))


def _rules(ledger: Ledger) -> Iterator[Problem]:
    for seq, why in sorted(ledger.void.items()):
        yield Problem(f"Event {seq} counts for nothing: {why}.", seq)


def _contents(workspace: Path, registry: Registry, ledger: Ledger) -> Iterator[Problem]:
    """Manifests, packs and bundles against the events that name them."""
    for version, event in ledger.versions.items():
        yield from _said(event, lambda v=version, e=event: versions.manifest(registry, v, e))
    for request in ledger.requests.values():
        yield from _said(request.event, lambda r=request: requests.evidence(registry, r))
    promoted = {str(r.promotion.version): r.promotion for r in ledger.requests.values() if r.promotion}
    for version, event in promoted.items():
        yield from _said(event, lambda v=version: _bundle(workspace, registry, v))


def _bundle(workspace: Path, registry: Registry, version: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        bundle.verify(registry.fetch(version, Path(place) / "bundle"), bundle.public_key(workspace))


def _said(event: Event, check: Any) -> Iterator[Problem]:
    """The refusal of a check as a problem of its event."""
    try:
        check()
    except OtoloopError as err:
        yield Problem(err.message, event.seq)


def _mirrors(workspace: Path, registry: Registry, ledger: Ledger) -> Iterator[Problem]:
    for channel in CHANNELS:
        live, stored = ledger.live(channel), registry.stored_pointer(channel)
        told, true = (stored or {}).get("version"), live.version if live else None
        if told != true:
            yield Problem(f"The pointer of {channel} says {told}, the chain says {true}; any reader repairs it.")
    if (workspace / approvers.FILE).is_file() and not Repo(workspace).clean([approvers.FILE]):
        yield Problem(f"{approvers.FILE} differs from what is committed: who may approve was changed by hand.")


def in_words(found: list[Problem]) -> str:
    """The result for people."""
    if not found:
        return "Events, signatures, evidence and bundles are as they were left."
    return "\n".join(problem.what for problem in found)
