"""The home page."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from otoloop.web.desk import Desk, render
from otoloop.web.overview import HIGH, WIDE, overview


def router(desk: Desk) -> APIRouter:
    """The route of the page."""
    pages = APIRouter()

    @pages.get("/", response_class=HTMLResponse)
    def home(request: Request) -> Response:
        return render(request, "home.html", {"o": overview(desk), "wide": WIDE, "high": HIGH})

    return pages
