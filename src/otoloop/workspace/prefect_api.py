"""Prefect's HTTP API, as far as this package needs it: `src/` never imports Prefect."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.workspace.state import running


def api_url(workspace: Path) -> str | None:
    """The API that serves this workspace: its own running server, else the one ``PREFECT_API_URL`` names."""
    part = running(workspace, "prefect")
    return part.url if part and part.url else os.environ.get("PREFECT_API_URL")


def call(url: str, method: str, path: str, body: Any = None, *, timeout_s: float = 10) -> Any:
    """One request; the parsed answer, None if it is empty.

    Raises:
        urllib.error.HTTPError: the API refused (status in ``.code``).
        OtoloopError: there was no usable answer.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **_authorization()}
    request = urllib.request.Request(f"{url.rstrip('/')}{path}", data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            text = answer.read()
        return json.loads(text) if text else None
    except urllib.error.HTTPError:
        raise
    except (OSError, ValueError) as err:
        raise OtoloopError(
            f"Prefect does not answer at {url}: {err}.",
            "Run `otoloop status`, then `otoloop up`; check PREFECT_API_URL.",
        ) from err


def insist(url: str, method: str, path: str, body: Any = None, *, tries: int = 8) -> Any:
    """`call`, asked again while the server answers 503: so it says that SQLite is busy.

    Raises:
        urllib.error.HTTPError: the API refused for another reason, or stayed busy.
        OtoloopError: there was no usable answer.
    """
    for waited in range(tries):
        try:
            return call(url, method, path, body)
        except urllib.error.HTTPError as err:
            if err.code != 503 or waited == tries - 1:
                raise
            time.sleep(0.25 * (waited + 1))


def healthy(url: str) -> bool:
    """Whether the API says that it is well."""
    try:
        return call(url, "GET", "/health", timeout_s=2) is True
    except (OtoloopError, urllib.error.HTTPError):
        return False


def worker_online(url: str, pool: str, name: str | None = None, *, since: str = "") -> bool:
    """Whether a worker (that one, heard of after ``since``, ISO time in UTC) polls the pool."""
    try:
        workers = call(url, "POST", f"/work_pools/{pool}/workers/filter", {"limit": 100})
    except (OtoloopError, urllib.error.HTTPError):
        return False
    return any(
        worker["status"] == "ONLINE"
        and name in (None, worker["name"])
        and (worker["last_heartbeat_time"] or "") >= since
        for worker in workers
    )


def ensure_pool(url: str, pool: str) -> None:
    """Create a work pool of local processes unless it is there."""
    _create(url, "/work_pools/", {"name": pool, "type": "process"})


def ensure_limit(url: str, name: str, slots: int) -> None:
    """Create a global concurrency limit unless it is there: an absent one would let everything pass."""
    _create(url, "/v2/concurrency_limits/", {"name": name, "limit": slots})


def _create(url: str, path: str, body: dict[str, Any]) -> None:
    """POST where 409 means that it exists."""
    try:
        call(url, "POST", path, body)
    except urllib.error.HTTPError as err:
        if err.code != 409:
            raise OtoloopError(
                f"Prefect refused to create {body['name']!r} ({err.code} {err.reason}).",
                "See .otoloop/logs/prefect.log.",
            ) from err


def _authorization() -> dict[str, str]:
    """Prefect Cloud's key or a server's shared basic-auth string."""
    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if pair := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}
