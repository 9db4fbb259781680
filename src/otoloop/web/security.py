"""What keeps a page on this machine safe: signed links, tokens against forged forms, a strict content policy.

All secrets live as long as the process; nothing is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import HTTPException, Request, Response

SESSION = "otoloop_session"
_HEADERS = {
    "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets of one process."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    def sign(self, purpose: str, value: str) -> str:
        """A token that proves that this process wrote ``value`` for ``purpose``."""
        return hmac.new(self.secret, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()[:40]

    def check(self, purpose: str, value: str, token: str) -> None:
        """Refuse a token that this process did not write.

        Raises:
            HTTPException: 403.
        """
        if not hmac.compare_digest(self.sign(purpose, value).encode(), token.encode()):
            raise HTTPException(403, "This link or form is not valid any more. Reload the page.")

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


def session_of(request: Request) -> str:
    """The browser's session, a random word; made when there is none."""
    known = request.cookies.get(SESSION, "")
    return known if len(known) == 43 else str(request.state.new_session)


async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Add the policy to every answer, and a session cookie where there is none."""
    request.state.nonce, request.state.new_session = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = _POLICY.format(nonce=request.state.nonce)
    response.headers.setdefault("Cache-Control", "no-store")
    for name, value in _HEADERS.items():
        response.headers[name] = value
    if session_of(request) == request.state.new_session:
        response.set_cookie(SESSION, request.state.new_session, httponly=True, samesite="strict")
    return response


def require_own_form(request: Request, keys: Keys, token: str) -> None:
    """Refuse a form that another site, or another browser, sent.

    Raises:
        HTTPException: 403.
    """
    origin = request.headers.get("origin")
    if origin not in (None, "null") and origin != f"{request.url.scheme}://{request.headers.get('host')}":
        raise HTTPException(403, "This form came from another site.")
    keys.check("form", session_of(request), token)
