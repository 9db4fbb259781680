"""The admin's page: accounts, their roles, and links with which people choose a password."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse

from otoloop.catalog import accounts
from otoloop.catalog.accounts import ROLES
from otoloop.errors import OtoloopError
from otoloop.web.desk import Desk, render
from otoloop.web.door import needs


def router(desk: Desk) -> APIRouter:
    """The routes of the page."""
    pages = APIRouter(prefix="/accounts", dependencies=[Depends(needs("accounts"))])

    @pages.get("", response_class=HTMLResponse)
    def people(request: Request) -> Response:
        return _page(desk, request)

    @pages.post("", response_class=HTMLResponse)
    def change(request: Request, act: str = Form(...), name: str = Form(""), roles: list[str] = Form([])) -> Response:
        try:
            token = _change(desk, act, name, roles)
        except OtoloopError as err:
            return _page(desk, request, error=err, status=422)
        url = str(request.url.replace(path=f"/welcome/{token}", query="")) if token else ""
        return _page(desk, request, url=url, about=accounts.clean_name(name))

    return pages


def _change(desk: Desk, act: str, name: str, roles: list[str]) -> str | None:
    """Do what the form says; returns the token of a new link, if it made one."""
    if act == "add":
        return desk.accounts.add(name, roles)
    if act == "link":
        return desk.accounts.link(name)
    with desk.book.session() as session:
        if act == "roles":
            accounts.change_roles(session, name, roles)
        elif act in ("disable", "enable"):
            accounts.disable(session, name, act == "disable")
        else:
            raise OtoloopError(f"Nobody can {act!r} an account.", "Use add, link, roles, disable or enable.")
    return None


def _page(
    desk: Desk,
    request: Request,
    *,
    url: str = "",
    about: str = "",
    error: OtoloopError | None = None,
    status: int = 200,
) -> Response:
    with desk.book.reading() as session:
        rows = accounts.accounts(session)
    values = {"rows": rows, "roles": ROLES, "url": url, "about": about, "error": error}
    return render(request, "accounts.html", values, status)
