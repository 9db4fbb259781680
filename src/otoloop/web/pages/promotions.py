"""What asks to go live: its evidence with gained and lost examples, and the forms with which an approver decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from otoloop.errors import OtoloopError
from otoloop.web.desk import Desk, render
from otoloop.web.door import needs, person_of
from otoloop.web.examples import examples
from otoloop.web.pages.cycles import checks_of
from otoloop.web.signing import decide, way

STATES = ("open", "approved", "promoted", "rejected", "replaced", "expired", "outdated")
DONE = {
    "approve": "You approved it. It goes live within a minute.",
    "reject": "You rejected it. It stays away, and your reason with it.",
}  # fmt: skip


def router(desk: Desk) -> APIRouter:
    """The routes of the pages."""
    pages = APIRouter(prefix="/promotions")
    approver = [Depends(needs("approve"))]

    @pages.get("", response_class=HTMLResponse)
    def requests(request: Request, state: str = "") -> Response:
        return _list(desk, request, state)

    @pages.post("", response_class=HTMLResponse, dependencies=approver)
    def take_back(request: Request, channel: str = Form(...), reason: str = Form("")) -> Response:
        from otoloop.promote.promotion import rollback

        try:
            rollback(desk.workspace, channel, reason, desk.name(request))
        except OtoloopError as err:
            return _list(desk, request, "", err, 422)
        return RedirectResponse("/promotions", 303)

    @pages.get("/{name}", response_class=HTMLResponse)
    def one(request: Request, name: str, done: str = "") -> Response:
        return _page(desk, request, name, {"done": DONE.get(done, "")})

    @pages.post("/{name}", response_class=HTMLResponse, dependencies=approver)
    def decision(
        request: Request, name: str, act: str = Form(...), reason: str = Form(""), pack: str = Form(""),
        secret: str = Form(""),
    ) -> Response:  # fmt: skip
        address = request.client.host if request.client else ""
        try:
            decide(desk, person_of(request), name, act, reason=reason, seen=pack, secret=secret, address=address)
        except OtoloopError as err:
            return _page(desk, request, name, {"error": err, "form": {"reason": reason}}, 422)
        return RedirectResponse(f"/promotions/{name}?done={act}", 303)

    return pages


def _list(desk: Desk, request: Request, state: str, error: OtoloopError | None = None, status: int = 200) -> Response:
    live = desk.live.look()
    counts = Counter(row["state"] for row in live.requests)
    shown = [row for row in live.requests if state in ("", row["state"])]
    values = {"live": live, "rows": shown, "counts": counts, "states": STATES, "state": state, "error": error}
    return render(request, "promotions.html", values, status)


def _page(desk: Desk, request: Request, name: str, more: Mapping[str, Any], status: int = 200) -> Response:
    """The page of one request, its evidence checked against the hash that the request names."""
    from otoloop.promote import requests
    from otoloop.promote.approvers import same_person
    from otoloop.promote.ledger import row

    found = requests.find(desk.live.ledger(), name)
    name, barred = desk.name(request), list(found.barred)
    values: dict[str, Any] = {"ask": row(found, datetime.now(UTC)), "barred": barred, "form": {}, "way": way(name)}
    values["mine"] = any(same_person(name, one) for one in barred)
    try:
        values |= _evidence(desk, requests.evidence(desk.live.registry(), found))
    except OtoloopError as err:
        values |= {"pack": None, "broken": err}
    return render(request, "promotion.html", {**values, **more}, status)


def _evidence(desk: Desk, pack: Mapping[str, Any]) -> dict[str, Any]:
    """The pack, whether git says the same, and the examples that it names with their sound and words."""
    from otoloop.promote.pack import unlike_git
    from otoloop.vcs import Repo

    values: dict[str, Any] = {
        "pack": pack,
        "unlike": unlike_git(Repo(desk.workspace), pack),
        "report": pack["gate"],
        "counted": pack["examples"],
        **checks_of(pack["gate"]),
    }
    number = int(pack["inputs"]["cycle"])
    try:
        cycle = desk.history.cycle(number)
        return {**values, "cycle": cycle, "examples": examples(desk, cycle)}
    except OtoloopError as err:
        return {**values, "cycle": None, "examples": {}, "lost": err}
