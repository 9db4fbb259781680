"""The review pages: one item, and the forms that decide. They work without scripts; scripts make them fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from otoloop.catalog import items, reviews
from otoloop.errors import OtoloopError
from otoloop.reasoning.check import check, claims_against
from otoloop.reasoning.items import LETTERS
from otoloop.reasoning.judge import ClaimFinding
from otoloop.reasoning.vocab import faults
from otoloop.review.decide import Act, RefusedError, StaleError, decide, waiting_for
from otoloop.review.views import Shown, show
from otoloop.web.desk import Desk, render
from otoloop.web.door import needs
from otoloop.web.facts import tables
from otoloop.web.marks import trace_parts
from otoloop.web.player import heard

WHY = {
    "new_site": "new site", "new_fault": "new fault type", "uncertainty": "weak evidence", "diversity": "variety",
    "random": "random sample", "complaint": "complaint",
}  # fmt: skip
DONE = {
    "approved": "The last item was approved.", "rejected": "The last item was rejected.",
    "skipped": "The last item was skipped.", "second": "Noted. A second reviewer must look at it too.",
    "third": "Noted. The two reviewers disagree: a third must look at it.",
}  # fmt: skip


def router(desk: Desk) -> APIRouter:
    """All routes of the review pages."""
    pages = APIRouter(prefix="/review")
    reviewer = [Depends(needs("review"))]

    @pages.get("", dependencies=reviewer)
    def start(request: Request) -> Response:
        target = following(desk, desk.name(request), None)
        return RedirectResponse(f"/review/{target}" if target else "/items?state=queued", 303)

    @pages.get("/{item_id}", response_class=HTMLResponse)
    def item(request: Request, item_id: str, done: str = "") -> Response:
        return _item(desk, request, item_id, {"done": DONE.get(done, "")})

    @pages.post("/{item_id}", response_class=HTMLResponse, dependencies=reviewer)
    def decision(
        request: Request,
        item_id: str,
        act: str = Form(...),
        shown_at: str = Form(""),
        version: int = Form(0),
        trace: str = Form(""),
        reason: str = Form(""),
        fault: str = Form(""),
        force: str = Form(""),
    ) -> Response:
        form = {"trace": trace, "reason": reason, "fault": fault, "force": force, "version": version}
        return _decision(desk, request, item_id, act, desk.keys.elapsed(shown_at), form)

    @pages.post("/{item_id}/check", response_class=HTMLResponse, dependencies=reviewer)
    def recheck(request: Request, item_id: str, trace: str = Form("")) -> Response:
        return _recheck(desk, request, item_id, trace)

    return pages


def following(desk: Desk, actor: str, after: str | None) -> str | None:
    """The queued item that ``actor`` sees next: the one behind ``after``, else the first."""
    order = _order(desk, actor)
    if after in order:
        at = order.index(str(after)) + 1
        return order[at] if at < len(order) else next((i for i in order if i != after), None)
    return order[0] if order else None


def _order(desk: Desk, actor: str) -> list[str]:
    """Queued items that ``actor`` may still review, in order."""
    with desk.book.reading() as session:
        seen = {r.item for r in reviews.reviews(session, actor=actor)}
        return [item_id for item_id in items.queued_ids(session) if item_id not in seen]


def _item(desk: Desk, request: Request, item_id: str, more: Mapping[str, Any], status: int = 200) -> Response:
    """The page of one item."""
    with desk.book.reading() as session:
        shown = show(session, item_id, desk.base)
    return render(request, "item.html", {**_values(desk, request, shown), **more}, status)


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
        "sound": heard(desk, clip.id, clip.seconds, shown.claims),
        "tables": tables(shown.evidence),
        "options": list(zip(LETTERS, view.item.choices or (), strict=False)),
        "why": WHY.get(view.picked_by, ""),
        "history": [] if blind else shown.history,
        "mine": not waiting_for(shown.history, desk.name(request)),
        "before": order[at - 1] if at > 0 else None,
        "after": _after(order, at, view.item.id),
        "left": len(order),
        "shown_at": desk.keys.stamp(),
        "faults": list(faults().values()),
        "form": {},
    }


def _after(order: list[str], at: int, current: str) -> str | None:
    if at >= 0:
        return order[at + 1] if at + 1 < len(order) else None
    return next((i for i in order if i != current), None)


def _decision(desk: Desk, request: Request, item_id: str, act: str, seconds: float, form: dict[str, Any]) -> Response:
    """Decide, then show the next item; a refusal comes back with what was typed."""
    if act == "edit" and not form["trace"].strip():
        empty = OtoloopError("The corrected trace is empty.", "")
        return _item(desk, request, item_id, {"error": empty, "form": form, "open": act}, 422)
    following_item = following(desk, desk.name(request), item_id)
    try:
        outcome = decide(desk.book, item_id, _act(desk, request, act, seconds, form), desk.base)
    except StaleError as err:
        values = {"title": err.message, "text": err.remedy, "next": following_item, "item_id": item_id}
        return render(request, "message.html", values, 409)
    except RefusedError as err:
        return _item(desk, request, item_id, {"refused": err.findings, "form": form, "open": act}, 422)
    except OtoloopError as err:
        return _item(desk, request, item_id, {"error": err, "form": form, "open": act}, 422)
    needs_more = "third" if "third" in outcome.needs else "second"
    done = "skipped" if act == "skip" else outcome.state if outcome.final else needs_more
    page = f"/review/{following_item}" if following_item else "/items"
    return RedirectResponse(f"{page}?{urlencode({'done': done})}", 303)


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
    return render(request, "checked.html", {"problems": problems, "claims": list(enumerate(claims))})
