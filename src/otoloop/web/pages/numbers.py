"""The numbers of each day: what was answered, how often it was called wrong, and what the reviewers did."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from otoloop.watch.numbers import daily
from otoloop.web.desk import Desk, render
from otoloop.web.pages.lists import DAYS, Days


def router(desk: Desk) -> APIRouter:
    """The route of the page."""
    pages = APIRouter()

    @pages.get("/numbers", response_class=HTMLResponse)
    def numbers(request: Request, days: Days = 7) -> Response:
        with desk.book.reading() as session:
            found = daily(session, days or 7)
        return render(request, "numbers.html", {"found": found, "days": DAYS, "asked": {"days": days or 7}})

    return pages
