"""What keeps the pages safe: signed links, tokens against forged forms, a limit on bodies, a strict content policy.

The secret behind signed links and stamps lives as long as the process; nothing is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import HTTPException, Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION = "otoloop_session"
MAX_BODY = 20 * 1024 * 1024
"""Bytes that a form may carry; a sound of 30 s has at most 12 MB at 192 kHz and 16 bit."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_EXPIRED = "This link or form is not valid any more. Reload the page."


@dataclass(frozen=True, slots=True)
class Keys:
    """The secret of one process."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def sign(self, purpose: str, value: str) -> str:
        """A token that proves that this process wrote ``value`` for ``purpose``."""
        return _mac(self.secret, purpose, value)

    def check(self, purpose: str, value: str, token: str) -> None:
        """Refuse a token that this process did not write.

        Raises:
            HTTPException: 403.
        """
        if not hmac.compare_digest(self.sign(purpose, value).encode(), token.encode()):
            raise HTTPException(403, _EXPIRED)

    def stamp(self) -> str:
        """The present moment, signed, for a form to bring back."""
        now = f"{time.time():.0f}"
        return f"{now}.{self.sign('shown', now)}"

    def elapsed(self, stamp: str) -> float:
        """Seconds since a stamp was made, at most an hour.

        Raises:
            HTTPException: 403, the stamp is not ours.
        """
        then, _, token = stamp.partition(".")
        self.check("shown", then, token)
        return min(3600.0, max(0.0, time.time() - float(then)))


def _mac(key: bytes, purpose: str, value: str) -> str:
    return hmac.new(key, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()[:40]


def session_of(request: Request) -> str:
    """The browser's session, a random word; made when there is none."""
    known = request.cookies.get(SESSION, "")
    return known if len(known) == 43 else str(request.state.new_session)


def set_session(request: Request, response: Response, token: str, *, max_age: int | None = None) -> None:
    """Give the browser its session: unreadable for scripts, not sent along by other sites' forms."""
    secure = request.url.scheme == "https"
    response.set_cookie(SESSION, token, httponly=True, samesite="lax", secure=secure, max_age=max_age)


def form_token(request: Request) -> str:
    """What every form of this browser carries: it follows from the session's secret and does not tell it."""
    return _mac(session_of(request).encode(), "form", "otoloop")


async def require_own_form(request: Request) -> None:
    """Refuse a POST that another site, or another browser, made; runs before every route.

    Raises:
        HTTPException: 403.
    """
    if request.method in ("GET", "HEAD"):
        return
    origin = request.headers.get("origin")
    if origin not in (None, "null") and origin != f"{request.url.scheme}://{request.headers.get('host')}":
        raise HTTPException(403, "This form came from another site.")
    token = str((await request.form()).get("csrf", ""))
    if not hmac.compare_digest(form_token(request).encode(), token.encode()):
        raise HTTPException(403, _EXPIRED)


async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Add the policy to every answer, and a session cookie where there is none."""
    request.state.nonce, request.state.new_session = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
    response = await call_next(request)
    response.headers.setdefault("Content-Security-Policy", _POLICY.format(nonce=request.state.nonce))
    response.headers.setdefault("Cache-Control", "no-store")
    for name, value in _HEADERS.items():
        response.headers[name] = value
    ours = [value for name, value in response.headers.items() if name == "set-cookie" and value.startswith(SESSION)]
    if session_of(request) == request.state.new_session and not ours:
        set_session(request, response, request.state.new_session)
    return response


class BodyLimit:
    """Refuses a body that is too large before it is read, whatever its headers say."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what comes in."""
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                raise HTTPException(413, too_large(self.limit))
            return message

        stated = dict(scope.get("headers") or ()).get(b"content-length", b"0")
        if scope["type"] == "http" and stated.isdigit() and int(stated) > self.limit:
            await Response(too_large(self.limit), 413, media_type="text/plain")(scope, receive, send)
            return
        await self.app(scope, counted if scope["type"] == "http" else receive, send)


def too_large(limit: int) -> str:
    """The refusal of a body."""
    return f"That is more than the {limit // 2**20} MB that a form may carry. Cut out the part in question."
