"""Run the gateway: on this machine alone, or for others when it has a key."""

from __future__ import annotations

from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.settings import Settings

LOOPBACK = "127.0.0.1"
CLOSE_S = 30


def serve(workspace: Path, *, port: int, host: str = LOOPBACK, channel: str | None = None) -> None:
    """Serve until ended; questions under way are answered first.

    Raises:
        OtoloopError: other machines could reach it and it has no key, or the workspace cannot be opened.
    """
    import uvicorn

    from otoloop.serve.gateway import HOSTS, create_app

    local = host in HOSTS
    if not local and not Settings().api_key:
        raise OtoloopError(
            f"On {host} other machines reach the gateway, and it has no key.",
            "Set OTOLOOP_API_KEY, or leave --host away.",
        )
    app = create_app(workspace, channel=channel, hosts=HOSTS if local else ("*",))
    uvicorn.run(
        app, host=host, port=port, log_level="warning", server_header=False, timeout_graceful_shutdown=CLOSE_S
    )  # fmt: skip
