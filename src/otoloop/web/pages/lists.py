"""Lists with filters and pages: what arrived, clips, items, answers, feedback. What is asked for stands in the address."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from otoloop.catalog import answers, deliveries, items, lists
from otoloop.catalog.tables import now
from otoloop.codes import REVIEW_STATES
from otoloop.intake.listing import retry
from otoloop.reasoning.vocab import faults
from otoloop.review.views import summary
from otoloop.web.desk import Desk, render
from otoloop.web.door import needs
from otoloop.web.pages.review import DONE, WHY, following

DAYS = (1, 7, 30)
DELIVERY_STATES = ("claimed", "admitted", "waiting", "matched", "quarantined", "gone")
KINDS = ("audio", "note", "sensors")
CLIP_STATES = ("admitted", "erased")
Number = Query(1, ge=1, alias="page")
Days = Annotated[int, BeforeValidator(lambda chosen: chosen or 0), Query(ge=0, le=3650)]
"""Forms send an empty word for "ever"."""
Day = Annotated[Annotated[date, Field(lt=date.max)] | None, BeforeValidator(lambda chosen: chosen or None), Query()]


def router(desk: Desk) -> APIRouter:
    """The routes of the lists."""
    pages = APIRouter()
    for part in (_sounds(desk), _questions(desk), _field(desk)):
        pages.include_router(part)
    return pages


def _sounds(desk: Desk) -> APIRouter:
    """What arrived and what was taken in."""
    pages = APIRouter()

    @pages.get("/deliveries", response_class=HTMLResponse)
    def arrived(
        request: Request, state: str = "", kind: str = "", site: str = "", machine: str = "", reason: str = "",
        days: Days = 0, number: int = Number,
    ) -> Response:  # fmt: skip
        asked = {"state": state, "kind": kind, "site": site, "machine": machine, "reason": reason}
        with desk.book.reading() as session:
            page = lists.deliveries(session, **asked, since=_since(days), number=number)
            values = {**_common(session), "counts": deliveries.refused(session)}
        values |= {"page": page, "asked": {**asked, "days": days}, "states": DELIVERY_STATES, "kinds": KINDS}
        return render(request, "deliveries.html", values)

    @pages.post("/deliveries/retry", dependencies=[Depends(needs("repair"))])
    def again(which: str = Form(...), back: str = Form("")) -> Response:
        with desk.book.session() as session:
            retry(session, [which])
        return RedirectResponse(
            "/deliveries?state=claimed" if back != "quarantine" else "/deliveries?state=quarantined", 303
        )

    @pages.get("/clips", response_class=HTMLResponse)
    def clips(
        request: Request, state: str = "admitted", site: str = "", machine: str = "", fault: str = "",
        days: Days = 0, number: int = Number,
    ) -> Response:  # fmt: skip
        asked = {"state": state, "site": site, "machine": machine, "fault": fault}
        with desk.book.reading() as session:
            page = lists.clips(session, **asked, since=_since(days), number=number)
            values = _common(session)
        values |= {"page": page, "asked": {**asked, "days": days}, "states": CLIP_STATES}
        return render(request, "clips.html", values)

    return pages


def _questions(desk: Desk) -> APIRouter:
    """What people decide."""
    pages = APIRouter()

    @pages.get("/items", response_class=HTMLResponse)
    def queue(
        request: Request, state: str = "queued", site: str = "", machine: str = "", fault: str = "", why: str = "",
        release: str = "", done: str = "", number: int = Number,
    ) -> Response:  # fmt: skip
        asked = {"state": state, "site": site, "machine": machine, "fault": fault, "release": release}
        with desk.book.reading() as session:
            page = lists.items(session, **asked, picked_by=why, number=number)
            values = {**_common(session), "counts": items.count_by_state(session)}
        first = following(desk, desk.name(request), None) if request.state.person.may("review") else None
        values |= {
            "page": page, "rows": [summary(view) for view in page.rows], "asked": {**asked, "why": why},
            "states": REVIEW_STATES, "whys": WHY, "first": first, "done": DONE.get(done, ""),
        }  # fmt: skip
        return render(request, "items.html", values)

    return pages


def _field(desk: Desk) -> APIRouter:
    """What was answered, and what the field said of it."""
    pages = APIRouter()

    @pages.get("/answers", response_class=HTMLResponse)
    def said(
        request: Request, site: str = "", machine: str = "", version: str = "", channel: str = "", verdict: str = "",
        days: Days = 0, day: Day = None, number: int = Number,
    ) -> Response:  # fmt: skip
        asked = {"site": site, "machine": machine, "version": version, "channel": channel, "verdict": verdict}
        since, until = _whole(day) if day else (_since(days), None)
        with desk.book.reading() as session:
            page = lists.answers(session, **asked, since=since, until=until, number=number)
            values = {**_common(session), "versions": lists.versions(session)}
        values |= {"page": page, "asked": {**asked, "days": days, "day": day}, "verdicts": answers.VERDICTS}
        return render(request, "answers.html", values)

    @pages.get("/feedback", response_class=HTMLResponse)
    def heard(request: Request, verdict: str = "", days: Days = 0, number: int = Number) -> Response:
        with desk.book.reading() as session:
            page = lists.feedback(session, verdict=verdict, since=_since(days), number=number)
        values = {"page": page, "asked": {"verdict": verdict, "days": days}, "verdicts": answers.VERDICTS, "days": DAYS}
        return render(request, "feedback.html", values)

    return pages


def _since(days: int) -> Any:
    return now() - timedelta(days=days) if days else None


def _whole(day: date) -> tuple[datetime, datetime]:
    """From when to when a day lasts, in UTC."""
    begins = datetime.combine(day, time(), UTC)
    return begins, begins + timedelta(days=1)


def _common(session: Session) -> dict[str, Any]:
    """What the filters offer."""
    return {"places": lists.places(session), "faults": list(faults().values()), "days": DAYS}
