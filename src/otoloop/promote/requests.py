"""From a finished cycle to a request: register its adapter as a version, and ask for a decision on the evidence."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from otoloop import catalog
from otoloop.catalog import reviews
from otoloop.errors import OtoloopError
from otoloop.evaluate import probe
from otoloop.params import load_params
from otoloop.promote import pack as packs
from otoloop.promote import versions
from otoloop.promote.events import Event, sha256
from otoloop.promote.ledger import CHANNELS, WHY, Ledger, Request
from otoloop.promote.pack import Finished
from otoloop.promote.registry import Draft, Registry, open_registry
from otoloop.promote.versions import Manifest
from otoloop.settings import Settings
from otoloop.vcs import Repo

ADAPTER = "models/adapter"


def after_cycle(workspace: Path) -> Request | None:
    """What a cycle's flow does at its end: request the last finished cycle if its verdict allows and nobody did before.

    Safe to repeat: a run that was cut off is made up for by the next one.
    """
    finished = packs.last_cycle(Repo(workspace))
    if finished is None or not allowed(finished):
        return None
    registry = open_registry(workspace)
    ledger = registry.ledger()
    version = _registered(ledger, finished.commit)
    known = [r for r in ledger.requests.values() if version and r.event.version == version.version]
    return known[-1] if known else request(workspace, registry=registry)


def request(
    workspace: Path, *, channel: str = "", owner: str = "", tag: str = "", registry: Registry | None = None
) -> Request:
    """Ask that a finished cycle's adapter be put on a channel.

    Args:
        workspace: whose repository, remote, catalogue and registry are meant.
        channel: where it shall serve; by default the highest that its verdict allows.
        owner: in whose name, by default the cycle's owner, else whoever runs this.
        tag: the cycle, by default the last one.
        registry: an open registry of this workspace.

    Returns:
        The new request, or the open or approved one that is bound to the same evidence.

    Raises:
        OtoloopError: there is no such cycle, its verdict does not allow it, or its evidence is incomplete.
    """
    finished = packs.last_cycle(Repo(workspace), tag)
    if finished is None:
        raise OtoloopError("No cycle has finished yet.", "Run one: `prefect deployment run retrain/retrain`.")
    chosen, params = _channel(finished, channel), load_params(workspace / "params.yaml").promote
    registry = registry or open_registry(workspace)
    name = owner or str(finished.inputs.get("owner") or "") or Settings().actor
    approved_by = _approved_by(workspace, str(finished.inputs["release"]["id"]))
    manifest = register(workspace, registry, finished, name)
    raw = packs.build(finished, manifest, channel=chosen, owner=name, approved_by=approved_by)
    digest = versions.keep_pack(registry, manifest.version, raw)
    wish = {
        "channel": chosen, "pack_sha256": digest, "against": finished.champion,
        "barred": packs.main_reviewers(registry.pack(manifest.version, digest), params.max_review_share),
        "verdict": "pass" if finished.report.get("verdict") == "pass" else "pilot",
        "expires": (datetime.now(UTC) + timedelta(hours=params.expire_hours)).isoformat(),
    }  # fmt: skip
    event = registry.propose(lambda events: _wish(registry, events, Draft("request", name, manifest.version, wish)))
    return registry.ledger().requests[f"{manifest.version}-{event.seq}"]


def allowed(finished: Finished) -> tuple[str, ...]:
    """The channels that a cycle's verdict allows to ask for."""
    return packs.channels(finished.report.get("verdict"), finished.report.get("pilot"))


def _channel(finished: Finished, wanted: str) -> str:
    """The channel to ask for."""
    if wanted and wanted not in CHANNELS:
        raise OtoloopError(f"There is no channel {wanted!r}.", f"Choose one of {', '.join(CHANNELS)}.")
    possible, report = allowed(finished), finished.report
    if not possible or (wanted and wanted not in possible):
        verdict = str(report.get("verdict")).replace("_", " ")
        raise OtoloopError(
            f"{finished.tag} ended with {verdict!r}: it cannot be requested for {wanted or 'any channel'}.",
            f"It may go to {' or '.join(possible)}."
            if possible
            else str(report.get("reason", "See the gate's report.")),
        )
    return wanted or possible[0]


def _approved_by(workspace: Path, release: str) -> dict[str, int]:
    """Who approved how many items of the release; without an answer nobody could be kept from approving their own work."""
    with catalog.open_workspace(workspace, Settings().database_url).reading() as session:
        found = reviews.who_approved(session, release)
    if not found:
        raise OtoloopError(
            f"The catalogue knows of no review of release {release}, so nobody can tell who may approve.",
            "Set OTOLOOP_DATABASE_URL to the catalogue in which its items were reviewed.",
        )
    return found


def _wish(registry: Registry, events: Sequence[Event], new: Draft) -> Draft | Event:
    """The new request, or the one that asks for the same and still counts."""
    wanted = (new.version, new.fields["channel"], new.fields["pack_sha256"])
    for known in registry.meaning(events).requests.values():
        same = (known.event.version, known.event.channel, known.pack_sha256) == wanted
        if same and known.state(datetime.now(UTC)) in ("open", "approved"):
            return known.event
    return new


# ---- versions ------------------------------------------------------------------------------------------------------


def register(workspace: Path, registry: Registry, finished: Finished, owner: str) -> Manifest:
    """The version of a finished cycle's adapter, made at the first call: files, manifest, then the event.

    Raises:
        OtoloopError: the adapter is not in the remote as the cycle left it, or changes nothing.
    """
    known = _registered(registry.ledger(), finished.commit)
    if known is None:
        manifest = _publish(workspace, registry, finished)
        known = registry.propose(lambda events: _registration(registry, events, finished, manifest, owner))
    return versions.manifest(registry, str(known.version), known)


def _registered(ledger: Ledger, commit: str) -> Event | None:
    return next((e for e in ledger.versions.values() if e.fields.get("commit") == commit), None)


def _publish(workspace: Path, registry: Registry, finished: Finished) -> Manifest:
    """Fetch the adapter from the DVC remote, probe it, and store it under a new number."""
    taken = [int(v[1:]) for v in registry.ledger().versions if v[1:].isdigit()]
    with tempfile.TemporaryDirectory() as place:
        folder = Repo(workspace).fetch_out(finished.commit, ADAPTER, Path(place) / "adapter")
        files = versions.digests(folder)
        manifest = Manifest(
            version="", base=finished.base, adapter_sha256=versions.adapter_digest(files), adapter_files=files,
            release=str(finished.inputs["release"]["id"]), cycle=int(finished.inputs["cycle"]), commit=finished.commit,
            parent=finished.champion, probe=probe.of_adapter(finished.base, folder).to_json(),
        )  # fmt: skip
        return versions.publish(registry, manifest, folder, max(taken, default=0))


def _registration(
    registry: Registry, events: Sequence[Event], finished: Finished, manifest: Manifest, owner: str
) -> Draft | Event:
    """The register event, or the one that another run wrote meanwhile."""
    fields: dict[str, Any] = {
        "manifest_sha256": sha256(manifest.to_bytes()), "adapter_sha256": manifest.adapter_sha256,
        "commit": finished.commit, "cycle": manifest.cycle,
    }  # fmt: skip
    known = _registered(registry.meaning(events), finished.commit)
    return known or Draft("register", owner, manifest.version, fields)


# ---- looking up ----------------------------------------------------------------------------------------------------


def find(ledger: Ledger, name: str) -> Request:
    """A request by its id, or the newest one of a version.

    Raises:
        OtoloopError: there is none.
    """
    if name in ledger.requests:
        return ledger.requests[name]
    of_version = [r for r in ledger.requests.values() if r.event.version == name]
    if of_version:
        return of_version[-1]
    known = ", ".join(list(ledger.requests)[-5:]) or "none yet"
    raise OtoloopError(f"There is no request {name!r}.", f"The latest are: {known}.")


def require_open(request: Request) -> None:
    """Refuse what cannot be decided any more.

    Raises:
        OtoloopError: says why.
    """
    state = request.state(datetime.now(UTC))
    if state == "open":
        return
    by = f" by {request.decision.actor}" if request.decision and state in ("approved", "rejected") else ""
    remedy = f"Look at {request.replaced_by} instead." if state == "replaced" else "A request is decided once."
    if state in ("expired", "outdated"):
        remedy = "Ask anew with `otoloop promotions request`." if state == "expired" else "Run another cycle."
    raise OtoloopError(f"Request {request.id} {WHY[state]}{by}.", remedy)


def evidence(registry: Registry, request: Request) -> dict[str, Any]:
    """The evidence of a request, whole and about this very version and channel.

    Raises:
        OtoloopError: it is missing, was changed, or does not carry the request.
    """
    version = str(request.event.version)
    found, event = registry.pack(version, request.pack_sha256), registry.ledger().versions.get(version)
    speaks = {k: found.get(k) for k in ("version", "channel", "owner", "manifest_sha256")}
    asked = {
        "version": version, "channel": request.event.channel, "owner": request.event.actor,
        "manifest_sha256": event.fields.get("manifest_sha256") if event else None,
    }  # fmt: skip
    wrong = [k for k, v in asked.items() if v != speaks[k]]
    if wrong or request.event.channel not in packs.channels(found.get("verdict"), found.get("pilot")):
        what = ", ".join(wrong) or "verdict"
        raise OtoloopError(
            f"The evidence of {request.id} does not carry the request: {what} differs.", "Reject it; request anew."
        )
    return found
