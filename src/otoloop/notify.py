"""Tell Prefect that something happened, so that what waits for it starts now instead of at its next turn.

Best effort by design: a lost event costs minutes, never work, since every flow also runs on a schedule.
"""

from __future__ import annotations

import urllib.error
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError


def notify(workspace: Path, event: str, resource: str, payload: Mapping[str, Any] | None = None) -> bool:
    """Post an event to Prefect's API.

    Args:
        workspace: whose Prefect to tell.
        event: what happened, e.g. ``otoloop.request.approved``.
        resource: to what, e.g. ``otoloop.version.v12``.
        payload: small JSON values for the flow that it starts.

    Returns:
        Whether Prefect took it; False (never an exception) if it is not there.
    """
    from otoloop.workspace.prefect_api import api_url, call

    body = {
        "id": str(uuid.uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": event,
        "resource": {"prefect.resource.id": resource},
        "payload": dict(payload or {}),
    }
    try:
        url = api_url(workspace)
        if url is None:
            return False
        call(url, "POST", "/events", [body], timeout_s=2)
        return True
    except (OtoloopError, urllib.error.HTTPError):
        return False
