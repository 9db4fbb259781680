"""Who is at the door: every page but the log-in itself needs somebody who is logged in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from fastapi import HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from otoloop.web.accounts import Accounts, Person
from otoloop.web.security import SESSION

LOG_IN = "/log-in"
OPEN = (LOG_IN, "/welcome/", "/static/")
"""What a stranger may ask for."""
_QUIET = ("/audio", "/picture")


def door(accounts: Accounts) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    """The middleware that lets people in and sends strangers to the log-in."""

    async def ask(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        token = request.cookies.get(SESSION, "")
        request.state.person = await run_in_threadpool(accounts.who, token) if token else None
        if request.state.person is None and not request.url.path.startswith(OPEN):
            return _turned_away(request)
        return await call_next(request)

    return ask


def _turned_away(request: Request) -> Response:
    """To the log-in, and from there back to where they wanted to go."""
    if request.url.path.startswith(_QUIET):
        return Response("Log in first.", 401, media_type="text/plain")
    if request.headers.get("hx-request"):
        return Response("Log in again.", 401, {"HX-Refresh": "true"}, media_type="text/plain")
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = f"?next={quote(wanted)}" if request.method == "GET" and wanted != "/" else ""
    return RedirectResponse(LOG_IN + back, 303)


def person_of(request: Request) -> Person:
    """Who asks.

    Raises:
        HTTPException: 401, nobody is logged in.
    """
    person = request.state.person
    if not isinstance(person, Person):
        raise HTTPException(401, "Log in first.")
    return person


def needs(right: str) -> Callable[[Request], None]:
    """A dependency that refuses people whose roles do not carry the right."""

    def check(request: Request) -> None:
        if not person_of(request).may(right):
            raise HTTPException(403, "Your account does not have the role for this. An admin can give it to you.")

    return check


def inside(path: str) -> str:
    """A path of ours to go back to; anything else becomes the home page."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not any(c in path for c in "\r\n\t\\")
    return path if ours else "/"
