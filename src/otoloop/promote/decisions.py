"""Deciding on a request: by an approver's own key, or by a single-use code that they made with it before.

The decision's event is the lock: whoever writes it first has decided, everybody else is told so.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from otoloop.errors import OtoloopError
from otoloop.notify import notify
from otoloop.params import load_params
from otoloop.promote import approvers, pack, requests
from otoloop.promote.events import Event, Sign, sha256
from otoloop.promote.keys import Signer
from otoloop.promote.ledger import Request
from otoloop.promote.registry import Draft, Registry, open_registry
from otoloop.vcs import Repo

Decision = Literal["approve", "reject"]
EVENT = "otoloop.request.approved"


def approve(workspace: Path, request: str, signer: Signer, *, reason: str = "", pack_sha256: str = "") -> Event:
    """Approve a request; `promotion.promote_all` carries it out.

    Args:
        workspace: whose registry, approvers and parameters are meant.
        request: its id.
        signer: the approver with their key.
        reason: in their words.
        pack_sha256: the evidence that they looked at, if another may have come since.

    Raises:
        OtoloopError: it is decided, replaced, expired or outdated; this person may not approve it; or its evidence
            contradicts git.
    """
    return decide(workspace, request, "approve", signer.name, reason, sign=signer.sign, seen=pack_sha256)


def reject(workspace: Path, request: str, signer: Signer, *, reason: str, pack_sha256: str = "") -> Event:
    """Reject a request, which needs a reason; see `approve`."""
    return decide(workspace, request, "reject", signer.name, reason, sign=signer.sign, seen=pack_sha256)


def decide(
    workspace: Path, request: str, decision: Decision, actor: str, reason: str, *, sign: Sign | None = None,
    code: str | None = None, seen: str = "",
) -> Event:  # fmt: skip
    """Write one decision after checking every rule against the chain that it will stand in; see `approve`."""
    if decision == "reject" and not reason.strip():
        raise OtoloopError("A rejection needs a reason.", "Say what must become better: --reason '...'.")
    registry = open_registry(workspace)
    share = load_params(workspace / "params.yaml").promote.max_review_share

    def draft(events: Sequence[Event]) -> Draft:
        wanted = requests.find(registry.meaning(events), request)
        _require_same_evidence(wanted, seen)
        requests.require_open(wanted)
        if decision == "approve":
            _require_fit(registry, wanted, actor, share)
            _require_as_in_git(workspace, registry, wanted)
        fields = {
            "request": wanted.id, "channel": wanted.event.channel, "pack_sha256": wanted.pack_sha256, "code": code,
            "reason": reason.strip() or None,
        }  # fmt: skip
        return Draft(decision, actor, wanted.event.version, fields, sign)

    event = registry.propose(draft)
    if decision == "approve":
        payload = {"request": event.request, "version": event.version, "channel": event.channel}
        notify(workspace, EVENT, f"otoloop.request.{event.request}", payload)
    return event


def _require_same_evidence(request: Request, seen: str) -> None:
    if seen and seen != request.pack_sha256:
        raise OtoloopError(
            f"The evidence you looked at ({seen[:12]}) is not that of {request.id} ({request.pack_sha256[:12]}).",
            "Look at the present one, then decide.",
        )


def _require_fit(registry: Registry, request: Request, actor: str, share: float) -> None:
    """Whether the evidence carries the request, and this person is neither its owner nor judges their own reviews."""
    why = pack.barred(requests.evidence(registry, request), actor, share)
    if why or any(approvers.same_person(actor, name) for name in request.barred):
        raise OtoloopError(
            f"{actor} may not approve {request.id}: {why or f'{actor} is barred by the request'}.",
            "Ask another approver: `otoloop approver list`.",
        )


def _require_as_in_git(workspace: Path, registry: Registry, request: Request) -> None:
    """Evidence that contradicts the commit it names was not made from it; a clone without that commit cannot tell."""
    if wrong := pack.unlike_git(Repo(workspace), requests.evidence(registry, request)):
        raise OtoloopError(
            f"The evidence of {request.id} is not what git has at its commit: {', '.join(wrong)} differs.",
            "Reject it, then find out who made it.",
        )


# ---- single-use codes ----------------------------------------------------------------------------------------------


def new_code(workspace: Path, request: str, signer: Signer) -> str:
    """Make a code with which this approver's decision can be typed into Prefect's form once; only its hash is stored.

    Raises:
        OtoloopError: the request cannot be decided, or not by this person.
    """
    registry, params = open_registry(workspace), load_params(workspace / "params.yaml").promote
    code = base64.b32encode(secrets.token_bytes(10)).decode()
    until = datetime.now(UTC) + timedelta(minutes=params.code_minutes)

    def draft(events: Sequence[Event]) -> Draft:
        wanted = requests.find(registry.meaning(events), request)
        requests.require_open(wanted)
        _require_fit(registry, wanted, signer.name, params.max_review_share)
        fields = {
            "request": wanted.id, "pack_sha256": wanted.pack_sha256, "code_sha256": sha256(code.encode()),
            "expires": until.isoformat(),
        }  # fmt: skip
        return Draft("code", signer.name, wanted.event.version, fields, signer.sign)

    registry.propose(draft)
    return "-".join(code[i : i + 4] for i in range(0, 16, 4))


def decide_by_code(workspace: Path, code: str, decision: Decision, reason: str = "", request: str = "") -> Event:
    """Decide with a code instead of a key; the code names request, evidence and approver.

    Raises:
        OtoloopError: the code is unknown, used, expired, or for another request; else as `approve`.
    """
    plain = code.replace("-", "").strip().upper()
    given = open_registry(workspace).ledger().codes.get(sha256(plain.encode()))
    if given is None or (request and given.request != request):
        raise OtoloopError(
            "This code was never given for the request, or was used.", "Make one: `otoloop promotions code REQUEST`."
        )
    return decide(workspace, given.request, decision, given.actor, reason, code=plain)
