"""Coming in and going out: log-in, log-out, and the one-time links that let people choose a password."""

from __future__ import annotations

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from otoloop.catalog.accounts import ROLES
from otoloop.errors import OtoloopError
from otoloop.web.accounts import LASTING, WaitError
from otoloop.web.desk import Desk, render
from otoloop.web.door import LOG_IN, inside
from otoloop.web.security import SESSION, set_session

OFFERED = ("technician", "reviewer")
"""What the first admin is offered beside: who approves should be somebody else."""


def router(desk: Desk) -> APIRouter:
    """The routes a stranger may use, and the log-out."""
    pages = APIRouter()

    @pages.get(LOG_IN, response_class=HTMLResponse)
    def log_in_page(request: Request, next: str = "/") -> Response:
        if request.state.person is not None:
            return RedirectResponse(inside(next), 303)
        return render(request, "log-in.html", {"next": inside(next), "error": None, "name": ""})

    @pages.post(LOG_IN, response_class=HTMLResponse)
    def log_in(request: Request, name: str = Form(""), password: str = Form(""), next: str = Form("/")) -> Response:
        address = request.client.host if request.client else ""
        try:
            token = desk.accounts.log_in(name, password, address)
        except OtoloopError as err:
            status = 429 if isinstance(err, WaitError) else 401
            return render(request, "log-in.html", {"next": inside(next), "error": err, "name": name}, status)
        return _with_session(request, inside(next), token)

    @pages.post("/log-out")
    def log_out(request: Request) -> Response:
        desk.accounts.log_out(request.cookies.get(SESSION, ""))
        answer = RedirectResponse(LOG_IN, 303)
        answer.delete_cookie(SESSION)
        return answer

    @pages.get("/welcome/{token}", response_class=HTMLResponse)
    def welcome(request: Request, token: str) -> Response:
        return _welcome(desk, request, token)

    @pages.post("/welcome/{token}", response_class=HTMLResponse)
    def accept(
        request: Request, token: str, name: str = Form(""), password: str = Form(""), again: str = Form(""),
        roles: list[str] = Form([]),
    ) -> Response:  # fmt: skip
        try:
            if password != again:
                raise OtoloopError("The two passwords differ.", "Type the same twice.")
            who = desk.accounts.accept(token, password, name=name, roles=roles)
            session = desk.accounts.log_in(who, password, request.client.host if request.client else "")
        except OtoloopError as err:
            return _welcome(desk, request, token, err, name)
        return _with_session(request, "/", session)

    return pages


def _welcome(desk: Desk, request: Request, token: str, error: OtoloopError | None = None, name: str = "") -> Response:
    """The form of a link, or why there is none."""
    try:
        link = desk.accounts.invited(token)
    except OtoloopError as err:
        return render(request, "message.html", {"title": err.message, "text": err.remedy}, 410)
    values = {
        "account": link.account, "error": error, "name": name, "offered": OFFERED,
        "roles": [role for role in ROLES if role != "admin"],
    }  # fmt: skip
    return render(request, "welcome.html", values, 422 if error else 200)


def _with_session(request: Request, to: str, token: str) -> Response:
    answer = RedirectResponse(to, 303)
    set_session(request, answer, token, max_age=int(LASTING.total_seconds()))
    return answer
