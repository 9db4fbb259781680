"""What a chain means: every request with its state, what each channel serves, and which events are void.

A pure fold over the events. An event that breaks a rule is kept in the chain and counts for nothing: a decision without
a valid signature, a second decision, a promotion that nobody approved. So no reader has to trust a writer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from otoloop.promote.approvers import Approvers, same_person
from otoloop.promote.events import DECISIONS, Event, sha256

Channel = Literal["pilot", "prod", "shadow"]
CHANNELS: tuple[str, ...] = get_args(Channel)
STANDARD = ("prod", "pilot")
"""Where the champion is looked for: what a candidate is compared with is what people rely on."""

State = Literal["open", "approved", "promoted", "rejected", "replaced", "expired", "outdated"]
WHY: Mapping[str, str] = {
    "approved": "was approved already",
    "promoted": "is live already",
    "rejected": "was rejected",
    "replaced": "was replaced by a newer one with other evidence",
    "expired": "has expired",
    "outdated": "was made against another champion than the present one",
}


@dataclass(slots=True)
class Request:
    """A wish to put a version on a channel, bound to the hash of its evidence; ``champion`` tells what is live now."""

    event: Event
    champion: Callable[[], str | None]
    decision: Event | None = None
    promotion: Event | None = None
    replaced_by: str | None = None

    @property
    def id(self) -> str:
        """``<version>-<number of its event>``."""
        return f"{self.event.version}-{self.event.seq}"

    @property
    def pack_sha256(self) -> str:
        """The hash of the evidence pack."""
        return str(self.event.fields.get("pack_sha256", ""))

    @property
    def against(self) -> str | None:
        """The champion that the version was compared with."""
        return self.event.fields.get("against")

    @property
    def expires(self) -> datetime:
        """Until when it can be decided."""
        return datetime.fromisoformat(str(self.event.fields["expires"]))

    @property
    def barred(self) -> Sequence[str]:
        """Who must not approve it: its owner and whoever reviewed most of its items."""
        return [self.event.actor, *self.event.fields.get("barred", ())]

    def state(self, now: datetime) -> State:
        """Where it stands at a moment."""
        if self.promotion:
            return "promoted"
        if self.decision and self.decision.type == "reject":
            return "rejected"
        if self.replaced_by:
            return "replaced"
        if self.champion() not in (self.against, self.event.version):
            return "outdated"
        if self.decision:
            return "approved"
        return "expired" if now >= self.expires else "open"


@dataclass(slots=True)
class Ledger:
    """The meaning of a chain; build it with `read`.

    Attributes:
        versions: register events by version.
        requests: by id, oldest first.
        served: what a channel has served, the last entry being what it serves now; a rollback takes the last away.
        void: why an event counts for nothing, by its number.
    """

    approvers: Approvers | None
    versions: dict[str, Event] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    served: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    moved: dict[str, Event] = field(default_factory=dict)
    codes: dict[str, Event] = field(default_factory=dict)
    void: dict[int, str] = field(default_factory=dict)

    def live(self, channel: str) -> Event | None:
        """The promotion whose version a channel serves."""
        return self.served[channel][-1] if self.served[channel] else None

    def champion(self) -> str | None:
        """The version that candidates are compared with."""
        return next((e.version for c in STANDARD if (e := self.live(c))), None)

    def objection(self, request: Request | None, event: Event) -> str | None:
        """Why a decision does not count, None if it does."""
        if request is None:
            return f"names no request ({event.request!r})"
        state = request.state(event.at)
        if state != "open":
            return f"names request {request.id}, which {WHY[state]}"
        if event.fields.get("pack_sha256") != request.pack_sha256 or event.version != request.event.version:
            return "was made on other evidence than the request's"
        if event.type == "approve" and any(same_person(event.actor, name) for name in request.barred):
            return f"was made by {event.actor}, who may not approve it"
        return self._unsigned(event)

    def _unsigned(self, event: Event) -> str | None:
        """Why a decision is not its actor's own: a signature, or a code that they signed before."""
        if self.approvers is None:
            return None
        code = event.fields.get("code")
        if code is None:
            return self.approvers.objection(event)
        given = self.codes.get(sha256(str(code).encode()))
        same = given and (given.actor, given.request) == (event.actor, event.request)
        if given is None or not same or event.at >= datetime.fromisoformat(str(given.fields["expires"])):
            return "carries a code that was never given for it, was used or has expired"
        return None


def read(events: Iterable[Event], approvers: Approvers | None) -> Ledger:
    """Fold a chain.

    Args:
        events: in their order, links checked.
        approvers: whose signatures count; None does not ask who decided and takes promotions without a request.
    """
    ledger = Ledger(approvers)
    for event in events:
        take = _HANDLERS.get(event.type)
        why = take(ledger, event) if take else None
        if why:
            ledger.void[event.seq] = why
    return ledger


def _register(ledger: Ledger, event: Event) -> str | None:
    if event.version is None or event.version in ledger.versions:
        return f"registers {event.version} again"
    ledger.versions[event.version] = event
    return None


def _request(ledger: Ledger, event: Event) -> str | None:
    if ledger.approvers is not None and event.version not in ledger.versions:
        return f"asks for {event.version}, which nobody registered"
    if not _is_whole(event):
        return "is no whole request"
    new = Request(event, ledger.champion)
    for old in ledger.requests.values():
        if (old.event.version, old.event.channel) == (event.version, event.channel) and not old.replaced_by:
            old.replaced_by = new.id
    ledger.requests[new.id] = new
    return None


def _is_whole(event: Event) -> bool:
    """Whether a request names a channel, its evidence and a moment at which it ends."""
    try:
        ends = datetime.fromisoformat(str(event.fields["expires"])).tzinfo is not None
    except (KeyError, ValueError):
        return False
    listed = isinstance(event.fields.get("barred", []), list)
    return ends and listed and event.channel in CHANNELS and bool(event.fields.get("pack_sha256"))


def _code(ledger: Ledger, event: Event) -> str | None:
    request = ledger.requests.get(event.request)
    why = "names no request" if request is None else ledger.approvers and ledger.approvers.objection(event)
    if why:
        return why
    ledger.codes[str(event.fields.get("code_sha256"))] = event
    return None


def _decide(ledger: Ledger, event: Event) -> str | None:
    request = ledger.requests.get(event.request)
    why = ledger.objection(request, event)
    if request is None or why:
        return why
    request.decision = event
    ledger.codes.pop(sha256(str(event.fields.get("code", "")).encode()), None)
    return None


def _promote(ledger: Ledger, event: Event) -> str | None:
    if event.channel not in CHANNELS:
        return f"names no channel ({event.channel!r})"
    request = ledger.requests.get(event.request)
    if request is not None or ledger.approvers is not None:
        if request is None or request.state(event.at) != "approved":
            return "promotes what nobody approved"
        if (event.version, event.channel) != (request.event.version, request.event.channel):
            return "promotes something else than was approved"
        request.promotion = event
    ledger.served[event.channel].append(event)
    ledger.moved[event.channel] = event
    return None


def _rollback(ledger: Ledger, event: Event) -> str | None:
    served = ledger.served[event.channel]
    earlier = [e.version for e in served[:-1]]
    if not served or (event.version is not None and event.version not in earlier):
        return f"goes back to {event.version}, which {event.channel!r} did not serve before"
    keep = 0 if event.version is None else len(earlier) - earlier[::-1].index(event.version)
    del served[keep:]
    ledger.moved[event.channel] = event
    return None


_HANDLERS: Mapping[str, Callable[[Ledger, Event], str | None]] = {
    "register": _register, "request": _request, "code": _code, "promote": _promote, "rollback": _rollback,
    **dict.fromkeys(DECISIONS, _decide),
}  # fmt: skip


def row(request: Request, now: datetime) -> dict[str, Any]:
    """A request as `otoloop promotions list --json` prints it."""
    decision = request.decision
    return {
        "request": request.id, "version": request.event.version, "channel": request.event.channel,
        "verdict": request.event.fields.get("verdict"), "requested_by": request.event.actor, "state": request.state(now),
        "pack_sha256": request.pack_sha256, "against": request.against, "requested_at": request.event.time,
        "expires": request.event.fields["expires"], "replaced_by": request.replaced_by,
        "decided_by": decision.actor if decision else None, "decided_at": decision.time if decision else None,
        "reason": decision.reason if decision else None,
    }  # fmt: skip
