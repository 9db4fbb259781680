"""The review pages: queue, item, and the forms that decide. They work without scripts; scripts make them fast."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from otoloop.catalog import Catalog, items, reviews
from otoloop.codes import REVIEW_STATES
from otoloop.errors import OtoloopError
from otoloop.reasoning.check import check, claims_against
from otoloop.reasoning.items import LETTERS
from otoloop.reasoning.judge import ClaimFinding
from otoloop.reasoning.vocab import faults
from otoloop.review.decide import Act, RefusedError, StaleError, decide, waiting_for
from otoloop.review.views import Shown, show, summary
from otoloop.web.facts import tables
from otoloop.web.marks import overlay, scale, seconds_scale, trace_parts
from otoloop.web.security import Keys, require_own_form, session_of
from otoloop.web.sound import Sounds

NAME = "otoloop_name"
LISTED = 100
WHY = {
    "new_site": "new site", "new_fault": "new fault type", "uncertainty": "weak evidence", "diversity": "variety",
    "random": "random sample", "complaint": "complaint",
}  # fmt: skip
templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
templates.env.globals["value"] = lambda value, unit: shown_value(value, unit)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages work with."""

    book: Catalog
    base: str
    actor: str
    keys: Keys
    sounds: Sounds

    def name(self, request: Request) -> str:
        """Who sits before the screen: the name given on the page, else the login name."""
        return unquote(request.cookies.get(NAME, "")).strip()[:80] or self.actor


def router(desk: Desk) -> APIRouter:
    """All routes of the review pages."""
    pages = APIRouter()

    @pages.get("/", response_class=HTMLResponse)
    def queue(request: Request, state: str = "queued", site: str = "") -> Response:
        return _queue(desk, request, state if state in REVIEW_STATES else "queued", site)

    @pages.get("/review", response_class=HTMLResponse)
    def start(request: Request) -> Response:
        target = _following(desk, desk.name(request), None)
        return RedirectResponse(f"/review/{target}" if target else "/", 303)

    @pages.get("/review/{item_id}", response_class=HTMLResponse)
    def item(request: Request, item_id: str, done: str = "") -> Response:
        return _item(desk, request, item_id, {"done": done[:200]})

    @pages.post("/review/{item_id}", response_class=HTMLResponse)
    def decision(
        request: Request,
        item_id: str,
        csrf: str = Form(""),
        act: str = Form(...),
        shown_at: str = Form(""),
        version: int = Form(0),
        trace: str = Form(""),
        reason: str = Form(""),
        fault: str = Form(""),
        force: str = Form(""),
    ) -> Response:
        require_own_form(request, desk.keys, csrf)
        form = {"trace": trace, "reason": reason, "fault": fault, "force": force, "version": version}
        return _decision(desk, request, item_id, act, desk.keys.elapsed(shown_at), form)

    @pages.post("/review/{item_id}/check", response_class=HTMLResponse)
    def recheck(request: Request, item_id: str, csrf: str = Form(""), trace: str = Form("")) -> Response:
        require_own_form(request, desk.keys, csrf)
        return _recheck(desk, request, item_id, trace)

    @pages.post("/name")
    def name(request: Request, csrf: str = Form(""), name: str = Form(""), back: str = Form("/")) -> Response:
        require_own_form(request, desk.keys, csrf)
        answer = RedirectResponse(back if back.startswith("/") and not back.startswith("//") else "/", 303)
        answer.set_cookie(NAME, quote(name.strip()[:80]), httponly=True, samesite="strict", max_age=10**7)
        return answer

    return pages


def render(desk: Desk, request: Request, page: str, values: Mapping[str, Any], status: int = 200) -> Response:
    """A page with what all pages carry."""
    common = {
        "csrf": desk.keys.sign("form", session_of(request)), "name": desk.name(request), "nonce": request.state.nonce,
        "here": request.url.path,
    }  # fmt: skip
    return templates.TemplateResponse(request, page, {**common, **values}, status_code=status)


def shown_value(value: Any, unit: str | None) -> str:
    """A stated or measured value as people write it."""
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    return value.replace("_", " ") if isinstance(value, str) else f"{value:.4g} {unit or ''}".strip()


def _queue(desk: Desk, request: Request, state: str, site: str) -> Response:
    with desk.book.reading() as session:
        rows = [summary(v) for v in items.items(session, state=state, site=site or None, limit=LISTED)]
        counts = items.count_by_state(session)
    for row in rows:
        row["why"], row["name"] = WHY.get(row["picked_by"], ""), _fault_name(row["fault"])
    values = {
        "rows": rows, "state": state, "site": site, "counts": [(s, counts.get(s, 0)) for s in REVIEW_STATES],
        "first": _following(desk, desk.name(request), None),
    }  # fmt: skip
    return render(desk, request, "queue.html", values)


def _fault_name(fault: str | None) -> str:
    known = faults().get(fault or "")
    return known.en if known else fault or ""


def _order(desk: Desk, actor: str) -> list[str]:
    """Queued items that ``actor`` may still review, in order."""
    with desk.book.reading() as session:
        seen = {r.item for r in reviews.reviews(session, actor=actor)}
        return [v.item.id for v in items.items(session, state="queued") if v.item.id not in seen]


def _following(desk: Desk, actor: str, after: str | None) -> str | None:
    """The item to show next: the one behind ``after``, else the first."""
    order = _order(desk, actor)
    if after in order:
        at = order.index(str(after)) + 1
        return order[at] if at < len(order) else next((i for i in order if i != after), None)
    return order[0] if order else None


def _item(desk: Desk, request: Request, item_id: str, more: Mapping[str, Any], status: int = 200) -> Response:
    """The page of one item; a missing one is a page that says so."""
    try:
        with desk.book.reading() as session:
            shown = show(session, item_id, desk.base)
        values = _values(desk, request, shown)
    except OtoloopError as err:
        return render(desk, request, "message.html", {"title": err.message, "text": err.remedy}, 404)
    return render(desk, request, "item.html", {**values, **more}, status)


def _values(desk: Desk, request: Request, shown: Shown) -> dict[str, Any]:
    """What the page of an item shows."""
    view, clip, trace = shown.view, shown.view.clip, shown.trace
    order = _order(desk, desk.name(request))
    at = order.index(view.item.id) if view.item.id in order else -1
    blind = view.double and view.state == "queued"
    return {
        "item": view.item,
        "view": view,
        "clip": clip,
        "trace": trace,
        "note": shown.note,
        "machine": shown.machine,
        "parts": trace_parts(trace.text, shown.claims),
        "claims": list(enumerate(shown.claims)),
        "problems": shown.problems,
        "extra": [p for p in shown.problems if not isinstance(p, ClaimFinding)],
        "overlay": overlay(shown.claims, clip.seconds),
        "scale": scale(),
        "times": seconds_scale(clip.seconds),
        "tables": tables(shown.evidence),
        "options": list(zip(LETTERS, view.item.choices or (), strict=False)),
        "why": WHY.get(view.picked_by, ""),
        "history": [] if blind else shown.history,
        "mine": not waiting_for(shown.history, desk.name(request)),
        "before": order[at - 1] if at > 0 else None,
        "after": _after(order, at, view.item.id),
        "left": len(order),
        "sig": desk.keys.sign("audio", clip.id),
        "shown_at": desk.keys.stamp(),
        "faults": list(faults().values()),
        "fault_name": _fault_name(view.item.slice.get("fault")),
        **_wave(desk, clip.id),
        "form": {},
    }


def _after(order: list[str], at: int, current: str) -> str | None:
    if at >= 0:
        return order[at + 1] if at + 1 < len(order) else None
    return next((i for i in order if i != current), None)


def _wave(desk: Desk, clip: str) -> dict[str, Any]:
    """Peaks of the waveform; without the sound, the page says why and shows the rest."""
    try:
        return {"peaks": json.dumps(desk.sounds.peaks(clip)), "silent": None}
    except OtoloopError as err:
        return {"peaks": None, "silent": err}


def _decision(desk: Desk, request: Request, item_id: str, act: str, seconds: float, form: dict[str, Any]) -> Response:
    """Decide, then show the next item; a refusal comes back with what was typed."""
    if act == "edit" and not form["trace"].strip():
        return _item(desk, request, item_id, {"error": "The corrected trace is empty.", "form": form, "open": act}, 422)
    following = _following(desk, desk.name(request), item_id)
    try:
        outcome = decide(desk.book, item_id, _act(desk, request, act, seconds, form), desk.base)
    except StaleError as err:
        values = {"title": err.message, "text": err.remedy, "next": following, "item_id": item_id}
        return render(desk, request, "message.html", values, 409)
    except RefusedError as err:
        return _item(desk, request, item_id, {"refused": err.findings, "form": form, "open": act}, 422)
    except OtoloopError as err:
        return _item(desk, request, item_id, {"error": f"{err.message} {err.remedy}", "form": form, "open": act}, 422)
    words = "skipped" if act == "skip" else outcome.state if outcome.final else f"noted; it needs {outcome.needs}"
    return RedirectResponse((f"/review/{following}?" if following else "/?") + urlencode({"done": words}), 303)


def _act(desk: Desk, request: Request, act: str, seconds: float, form: dict[str, Any]) -> Act:
    """The form as a decision."""
    if act not in ("approve", "edit", "reject", "skip"):
        raise OtoloopError(f"Nobody can {act!r} an item.", "Use approve, edit, reject or skip.")
    return Act(
        actor=desk.name(request),
        decision="approve" if act == "edit" else act,  # type: ignore[arg-type]
        seconds_spent=round(seconds, 1),
        reason=form["reason"].strip(),
        edited=_one_line(form["trace"]) if act == "edit" else None,
        fault=form["fault"] or None,
        force=bool(form["force"]),
        seen_version=form["version"] or None,
    )


def _one_line(text: str) -> str:
    """A trace as it was before the browser: line ends of forms are not part of it."""
    return text.replace("\r\n", "\n").strip()


def _recheck(desk: Desk, request: Request, item_id: str, text: str) -> Response:
    """How an edited trace fares, while it is being typed."""
    with desk.book.reading() as session:
        shown = show(session, item_id, desk.base)
    text = _one_line(text)
    claims = claims_against(text, shown.evidence, shown.item.kind, desk.base)
    problems = check(text, shown.evidence, item=shown.item, base=desk.base)
    return render(desk, request, "checked.html", {"problems": problems, "claims": list(enumerate(claims))})
