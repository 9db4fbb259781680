"""The web application: review pages and the sound they show, from this machine to this machine."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

from otoloop import catalog
from otoloop.errors import OtoloopError
from otoloop.params import load_params
from otoloop.settings import Settings
from otoloop.web import pages
from otoloop.web.security import Keys, guard
from otoloop.web.sound import Fetch, Sounds, from_store

HOSTS = ["127.0.0.1", "localhost", "[::1]"]
_STATIC = Path(__file__).parent / "static"


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
    desk = pages.Desk(book, base, settings.actor, Keys(), Sounds(fetch or from_store(workspace)))
    app = FastAPI(title="otoloop", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.include_router(pages.router(desk))
    _add_sound(app, desk)
    _add_errors(app, desk)
    app.middleware("http")(guard)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    return app


def _add_sound(app: FastAPI, desk: pages.Desk) -> None:
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


def _add_errors(app: FastAPI, desk: pages.Desk) -> None:
    """Refusals as pages that say what to do."""

    @app.exception_handler(OtoloopError)
    def refused(request: Request, err: Exception) -> Response:
        text = err.remedy if isinstance(err, OtoloopError) else ""
        return pages.render(
            desk, request, "message.html", {"title": str(getattr(err, "message", err)), "text": text}, 404
        )

    @app.exception_handler(HTTPException)
    def http(request: Request, err: Exception) -> Response:
        assert isinstance(err, HTTPException)
        if not request.url.path.startswith(("/audio", "/picture")):
            return pages.render(desk, request, "message.html", {"title": str(err.detail), "text": ""}, err.status_code)
        return HTMLResponse(str(err.detail), err.status_code, dict(err.headers or {}))
