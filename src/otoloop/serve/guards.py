"""What stands before every route: a cap on the body, the key of the gateway, and the one form of refusals."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from otoloop.errors import OtoloopError
from otoloop.serve.refusals import INTERNAL, Refusal, body, status_of

log = logging.getLogger("otoloop.serve")
DRAINED = 8
"""Up to so many times the cap, a body is read to its end and thrown away: a client that still sends hears no answer."""


class Counted:
    """Tells of every request's path and status."""

    def __init__(self, app: ASGIApp, tell: Callable[[str, int], None]) -> None:
        """Wrap ``app``."""
        self.app, self.tell = app, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.tell(scope["path"], message["status"])
            await send(message)

        await self.app(scope, receive, noted)


class BodyCap:
    """Refuses bodies over a cap: by what they declare before a byte is read, else as soon as they exceed it."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        """Wrap ``app``."""
        self.app, self.max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                await _drain(receive, message, DRAINED * self.max_bytes)
                raise self._refusal()
            return message

        declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > self.max_bytes:
            if int(declared) <= DRAINED * self.max_bytes:
                await _drain(receive, {"more_body": True}, DRAINED * self.max_bytes)
            refusal = self._refusal()
            headers = {"Connection": "close"}
            await JSONResponse(body(refusal), refusal.status, headers)(scope, receive, send)
            return
        await self.app(scope, counted, send)

    def _refusal(self) -> Refusal:
        cap = f"{self.max_bytes / 2**20:g} MB"
        return Refusal(
            413, "body_too_large", f"The request has more than {cap}.",
            "Send FLAC, cut out the part in question, or name the sound by an s3: address.",
        )  # fmt: skip


async def _drain(receive: Receive, message: Message, most: int) -> None:
    """Read what is left of a body, at most so much."""
    seen = 0
    while message.get("more_body") and seen < most:
        message = await receive()
        seen += len(message.get("body", b""))


def require_json(request: Request) -> None:
    """Refuse bodies that a page of another site could send without asking.

    Raises:
        Refusal: 415.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(
            415, "not_json", f"The content type is {kind or 'missing'!r}.", "Send application/json."
        )  # fmt: skip


def key_check(key: str | None) -> Callable[[Request], None]:
    """A dependency that lets pass who sends the gateway's key; everybody when it has none."""

    def check(request: Request) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if key and not hmac.compare_digest(given, key.encode()):
            raise Refusal(
                401, "invalid_api_key", "The request carries no valid key.", "Send it as Authorization: Bearer KEY."
            )

    return check


def add_refusals(app: FastAPI, on_refusal: Callable[[str], None]) -> None:
    """Every refusal and failure in one form."""

    @app.exception_handler(OtoloopError)
    async def refused(request: Request, err: OtoloopError) -> Response:
        told = body(err)
        on_refusal(str(told["error"]["code"]))
        if not isinstance(err, Refusal):
            log.warning("%s: %s", request.url.path, err)
        headers = {"Retry-After": "2"} if status_of(err) == 503 else None
        return JSONResponse(told, status_of(err), headers)

    @app.exception_handler(HTTPException)
    @app.exception_handler(404)
    @app.exception_handler(405)
    async def http(request: Request, err: HTTPException) -> Response:
        refusal = Refusal(err.status_code, "no_such_route", f"{request.method} {request.url.path[:80]}: {err.detail}.",
                          "See /v1/models, /v1/chat/completions, /v1/feedback.")  # fmt: skip
        return JSONResponse(body(refusal), err.status_code)

    @app.exception_handler(Exception)
    async def crashed(request: Request, err: Exception) -> Response:
        log.error("%s failed", request.url.path, exc_info=err)
        return JSONResponse(body(INTERNAL), INTERNAL.status)
