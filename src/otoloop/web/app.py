"""The web application: all pages of a workspace. Nobody sees more than the log-in without an account."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from otoloop import catalog
from otoloop.cycles import History
from otoloop.errors import OtoloopError
from otoloop.params import load_params
from otoloop.settings import Settings
from otoloop.web.accounts import Accounts
from otoloop.web.asking import Asking
from otoloop.web.desk import Desk, render
from otoloop.web.door import door
from otoloop.web.live import Watched
from otoloop.web.pages import answers, ask, clips, cycles, entry, home, lists, numbers, people, promotions, review
from otoloop.web.security import BodyLimit, Keys, guard, require_own_form
from otoloop.web.sound import Fetch, Sounds, from_store

HOSTS = ["127.0.0.1", "localhost", "[::1]"]
PAGES = (entry, home, review, lists, clips, cycles, promotions, ask, answers, numbers, people)
log = logging.getLogger("otoloop.web")
_STATIC = Path(__file__).parent / "static"
_PLAIN = ("/audio", "/picture", "/static")


def create_app(workspace: Path, *, fetch: Fetch | None = None) -> FastAPI:
    """The pages of a workspace.

    Args:
        workspace: where params.yaml lies; its catalogue is opened.
        fetch: gives the bytes of a clip by its id; the workspace's store by default.

    Raises:
        OtoloopError: there is no workspace, or its catalogue does not open.
    """
    settings = Settings()
    book = catalog.open_workspace(workspace, settings.database_url)
    base = load_params(workspace / "params.yaml").base
    asking = Asking(workspace, book)
    desk = Desk(
        workspace, book, base, Keys(), Sounds(_first(asking.sound, fetch or from_store(workspace))), Accounts(book),
        History(workspace), Watched(workspace), asking,
    )  # fmt: skip
    app = FastAPI(
        title="otoloop", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(require_own_form)]
    )
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    for pages in PAGES:
        app.include_router(pages.router(desk))
    _add_sound(app, desk)
    _add_errors(app)
    _add_guards(app, desk, settings)
    return app


def _first(known: Callable[[str], bytes | None], fetch: Fetch) -> Fetch:
    """Sounds that were asked about just now lie in memory; others are fetched."""
    return lambda clip: known(clip) or fetch(clip)


def _add_guards(app: FastAPI, desk: Desk, settings: Settings) -> None:
    """What every request passes, the outermost last: known host, policy, log-in, what catches a crash, size."""
    app.add_middleware(BodyLimit)  # innermost: what it raises must not pass through the others' task groups
    app.middleware("http")(_caught)
    app.middleware("http")(door(desk.accounts))
    app.middleware("http")(guard)
    own = [host.strip() for host in settings.web_hosts.split(",") if host.strip()]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*HOSTS, *own])


async def _caught(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """A crash of a page is told to the log, and to the reader without its insides."""
    try:
        return await call_next(request)
    except Exception:
        log.exception("%s %s failed", request.method, request.url.path)
        return _message(request, "This page is broken. That is not your fault.", "The log of the pages says why.", 500)


def _add_sound(app: FastAPI, desk: Desk) -> None:
    """Sound and its picture, same origin, by signed links only."""

    @app.get("/audio/{clip}")
    def audio(request: Request, clip: str, sig: str = "") -> Response:
        desk.keys.check("audio", clip, sig)
        return desk.sounds.answer(clip, request.headers.get("range"))

    @app.get("/picture/{clip}.png")
    def picture(clip: str, sig: str = "") -> Response:
        desk.keys.check("audio", clip, sig)
        return Response(
            desk.sounds.picture(clip), media_type="image/png", headers={"Cache-Control": "private, max-age=3600"}
        )


def _add_errors(app: FastAPI) -> None:
    """Refusals as pages that say what to do."""

    @app.exception_handler(OtoloopError)
    def refused(request: Request, err: Exception) -> Response:
        assert isinstance(err, OtoloopError)
        status = 404 if request.method == "GET" else 422
        return _message(request, err.message, err.remedy, status)

    @app.exception_handler(RequestValidationError)
    def odd(request: Request, err: Exception) -> Response:
        assert isinstance(err, RequestValidationError)
        fields = ", ".join(sorted({str(problem["loc"][-1]) for problem in err.errors()}))
        return _message(request, "This address or form is not complete.", f"Look at: {fields}", 422)

    @app.exception_handler(HTTPException)
    def http(request: Request, err: Exception) -> Response:
        assert isinstance(err, HTTPException)
        if request.url.path.startswith(_PLAIN):
            return HTMLResponse(str(err.detail), err.status_code, dict(err.headers or {}))
        return _message(request, _WORDS.get(str(err.detail), str(err.detail)), "", err.status_code)


_WORDS = {"Not Found": "There is no such page.", "Method Not Allowed": "This page takes no such form."}


def _message(request: Request, title: str, text: str, status: int) -> Response:
    return render(request, "message.html", {"title": title, "text": text}, status)
