"""Carry out what was approved, and take it back: signed bundle, event, pointer, in this order.

The event decides. Cut off before it, the next run finds the request approved and goes on; cut off after it, any reader
puts the pointer right.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otoloop import crash
from otoloop.errors import OtoloopError
from otoloop.promote import anchors, bundle, requests, versions
from otoloop.promote.events import Event, sha256
from otoloop.promote.ledger import CHANNELS, Request
from otoloop.promote.registry import Draft, Pointer, Registry, open_registry
from otoloop.promote.versions import APPROVAL, SIGNATURE
from otoloop.settings import Settings

NOTHING = "nothing"
"""What to roll back to where a channel shall serve no version at all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one approved request: live, or the reason why it is not."""

    request: str
    version: str
    channel: str
    live: bool
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """For reports."""
        return asdict(self)


def promote_all(workspace: Path) -> list[Outcome]:
    """Carry out every approved request; then put pointers and tags right, whoever left them behind.

    Safe to repeat and to run anywhere at the same time: each request is promoted once. One that cannot be carried out
    does not keep back the others.

    Raises:
        OtoloopError: the registry cannot be read.
    """
    registry = open_registry(workspace)
    now = datetime.now(UTC)
    waiting = [r for r in registry.ledger().requests.values() if r.state(now) == "approved"]
    done = [_outcome(workspace, registry, request) for request in waiting]
    for channel in CHANNELS:
        registry.pointer(channel)
    anchors.mirror(workspace, registry)
    return done


def _outcome(workspace: Path, registry: Registry, request: Request) -> Outcome:
    place = request.id, str(request.event.version), request.event.channel
    try:
        promote(workspace, registry, request)
        return Outcome(*place, live=True)
    except OtoloopError as err:
        return Outcome(*place, live=False, problem=str(err))


def promote(workspace: Path, registry: Registry, request: Request) -> Event:
    """Put one approved request's version on its channel.

    Raises:
        OtoloopError: its evidence, its approver's key or its bundle does not hold, or another champion came first.
    """
    requests.evidence(registry, request)
    _require_approver(registry, request)
    signature = _signed_bundle(workspace, registry, request)
    crash.here("promote: bundle")
    event = registry.propose(lambda events: _promotion(registry, events, request.id, signature))
    crash.here("promote: event")
    registry.pointer(event.channel)
    return event


def _require_approver(registry: Registry, request: Request) -> None:
    """A key that was revoked since the decision stops what is not live yet."""
    actor, known = request.decision.actor if request.decision else "", registry.ledger().approvers
    if known is not None and known.valid(actor, datetime.now(UTC)) is None:
        raise OtoloopError(
            f"{request.id} was approved by {actor}, whose key has expired or was revoked since.",
            "Request it anew, so that another approver decides.",
        )


def _signed_bundle(workspace: Path, registry: Registry, request: Request) -> str:
    """Sign the version's bundle unless it is signed, check it as servers will; returns the signature's sha256.

    A version is signed once, with the approval that put it to work first. Promoters that race sign the approval that
    lies in the store, so that what they store fits together whoever was first.
    """
    version, key = str(request.event.version), bundle.ensure_key(workspace)
    assert request.decision is not None, "it is approved"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "bundle"
        versions.keep(registry, version, APPROVAL, request.decision.to_bytes())
        registry.fetch(version, folder)
        if not (folder / SIGNATURE).is_file():
            bundle.sign(folder, _stored_approval(registry, folder, version), key)
            bundle.verify(folder, bundle.public_key(workspace))  # what is stored stays: it must hold
            versions.keep(registry, version, SIGNATURE, (folder / SIGNATURE).read_bytes())
            registry.fetch(version, folder)
        bundle.verify(folder, bundle.public_key(workspace))
        return sha256((folder / SIGNATURE).read_bytes())


def _stored_approval(registry: Registry, folder: Path, version: str) -> Event:
    """The approval that lies in the store, if the chain knows it for a decision on this version."""
    found, ledger = bundle.approval(folder), registry.ledger()
    counting = [r.decision for r in ledger.requests.values() if r.event.version == version]
    if found not in counting:
        raise OtoloopError(
            f"The approval stored with {version} is none that the chain knows.", "Run `otoloop audit verify`."
        )
    return found


def _promotion(registry: Registry, events: Sequence[Event], request: str, signature: str) -> Draft | Event:
    """The promote event, or the one that another run wrote meanwhile."""
    ledger = registry.meaning(events)
    wanted = ledger.requests[request]
    if wanted.promotion is not None:
        return wanted.promotion
    version = str(wanted.event.version)
    fields = {
        "request": request, "channel": wanted.event.channel, "bundle_sha256": signature,
        "adapter_sha256": ledger.versions[version].fields["adapter_sha256"],
    }  # fmt: skip
    return Draft("promote", Settings().actor, version, fields)


def rollback(workspace: Path, channel: str, reason: str, actor: str = "", *, to: str = "") -> Pointer | None:
    """Take a channel back to a version that it served before; needs a reason, but nobody's approval.

    Args:
        workspace: whose registry is meant.
        channel: pilot, prod or shadow.
        reason: why, in the actor's words.
        actor: who does it, by default whoever runs this.
        to: the version, by default the one before; ``nothing`` leaves the channel empty.

    Returns:
        What the channel serves now.

    Raises:
        OtoloopError: no reason, or the channel did not serve that version before.
    """
    if not reason.strip():
        raise OtoloopError("A rollback needs a reason.", "Say what is wrong: --reason '...'.")
    registry = open_registry(workspace)
    fields = {"channel": channel, "reason": reason.strip()}
    registry.propose(
        lambda events: Draft("rollback", actor or Settings().actor, _target(registry, events, channel, to), fields)
    )
    found = registry.pointer(channel)
    anchors.mirror(workspace, registry)
    return found


def _target(registry: Registry, events: Sequence[Event], channel: str, to: str) -> str | None:
    """The version to go back to."""
    served = [str(e.version) for e in registry.meaning(events).served[channel]]
    if not served:
        raise OtoloopError(f"Channel {channel!r} serves nothing.", f"Channels are {', '.join(CHANNELS)}.")
    if to == NOTHING:
        return None
    if not to and len(served) < 2:
        raise OtoloopError(
            f"{served[-1]} is the first version on {channel}.", f"`--to {NOTHING}` takes it away; none is served then."
        )
    if to and to not in served[:-1]:
        before = ", ".join(served[:-1]) or "none"
        raise OtoloopError(f"{channel} did not serve {to} before {served[-1]}.", f"It served: {before}.")
    return to or served[-2]
