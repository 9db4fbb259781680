"""How the gateway says no: one JSON form, that of the OpenAI API, with what to do about it."""

from __future__ import annotations

from typing import Any

from otoloop.errors import OtoloopError


class Refusal(OtoloopError):
    """A request that is not answered; ``code`` is stable, ``param`` names the part of the request that is meant."""

    def __init__(self, status: int, code: str, message: str, remedy: str, param: str | None = None) -> None:
        super().__init__(message, remedy)
        self.status, self.code, self.param = status, code, param


INTERNAL = Refusal(500, "internal", "The gateway failed; its log has the details.", "See `otoloop status`.")


def body(err: OtoloopError) -> dict[str, Any]:
    """The JSON of a refusal or failure."""
    status = status_of(err)
    return {
        "error": {
            "message": err.message,
            "type": "invalid_request_error" if status < 500 else "server_error",
            "param": err.param if isinstance(err, Refusal) else None,
            "code": err.code if isinstance(err, Refusal) else "failed",
            "remedy": err.remedy,
        }
    }


def status_of(err: OtoloopError) -> int:
    """The HTTP status; what is no refusal of ours is a failure of a part behind us (store, catalogue): 503."""
    return err.status if isinstance(err, Refusal) else 503
