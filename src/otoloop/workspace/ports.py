"""Free loopback ports: the same ones as last time when they are still free."""

from __future__ import annotations

import random
import socket

import psutil

from otoloop.errors import OtoloopError
from otoloop.workspace.state import LOOPBACK

GRPC_OFFSET = 10_000
"""SeaweedFS opens a second port this far above each of its ports."""


def is_free(port: int) -> bool:
    """Whether nothing listens on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            return True
        except OSError:
            return False


def choose(preferred: int | None, *, offsets: tuple[int, ...] = (0,)) -> int:
    """The preferred port if it is free at every offset, else a random one below the range that outgoing calls use."""
    candidates = [preferred] if preferred else []
    candidates += random.SystemRandom().sample(range(18_000, 22_000), 200)
    for port in candidates:
        if all(is_free(port + offset) for offset in offsets):
            return port
    raise OtoloopError("No free port between 18000 and 22000.", "End what holds them: `ss -ltnp` lists it.")


def require(port: int, what: str, *, offsets: tuple[int, ...] = (0,)) -> int:
    """A port the user asked for, with those at the offsets from it.

    Raises:
        OtoloopError: it is taken; names the process that has it, if that can be seen.
    """
    most = 65535 - max(offsets)
    if not 1 <= port <= most:
        raise OtoloopError(f"Port {port} cannot be that of {what}.", f"Give a number from 1024 to {most}.")
    for number in (port + offset for offset in offsets):
        if not is_free(number):
            beside = f" (it goes with {port})" if number != port else ""
            raise OtoloopError(
                f"Port {number}{beside} for {what} is taken by {owner(number)}.",
                "End that process or give another port.",
            )
    return port


def owner(port: int) -> str:
    """The process that listens on a port, in words."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid and connection.status == "LISTEN":
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another process"
