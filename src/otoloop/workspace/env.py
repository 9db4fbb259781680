"""The environment of child processes: the workspace's S3 and Prefect, our Python first on the path, telemetry off."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.settings import quiet_environment, state_dir
from otoloop.store.connection import CLASHING, resolve
from otoloop.workspace.prefect_api import api_url
from otoloop.workspace.state import running

PREFECT_DEFAULTS = {
    # slots of a concurrency limit survive a server restart only in the file system (memory is the default)
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_CLI_COLORS": "false",
}


def child_environment(workspace: Path) -> dict[str, str]:
    """Everything a child needs, read anew at each call: servers may have moved to other ports since the last.

    Without a reachable S3 store the AWS variables of the user's shell stay as they are.
    """
    s3 = _s3(workspace)
    env = {name: value for name, value in os.environ.items() if not (s3 and name in CLASHING)}
    env |= {name: value for name, value in quiet_environment().items() if not name.startswith("AWS_")}
    env |= {name: value for name, value in PREFECT_DEFAULTS.items() if name not in os.environ}
    env["OTOLOOP_WORKSPACE"] = str(workspace.resolve())
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    return env | s3 | _prefect(workspace)


def enter() -> dict[str, str]:
    """Where a flow run works: the pull step of prefect.yaml, run on the worker's machine.

    (A path in a deployment would be that of the machine that deployed.)

    Raises:
        OtoloopError: the worker was started without a workspace.
    """
    folder = os.environ.get("OTOLOOP_WORKSPACE")
    if not folder:
        raise OtoloopError(
            "This worker knows no workspace.", "Start workers by `otoloop up`, or set OTOLOOP_WORKSPACE."
        )
    os.chdir(folder)
    return {"directory": folder}


def _s3(workspace: Path) -> dict[str, str]:
    """The variables of the store, none if there is no store."""
    try:
        return resolve(workspace).environment()
    except OtoloopError:
        return {}


def _prefect(workspace: Path) -> dict[str, str]:
    """Which API to talk to; a home of our own keeps the user's Prefect profile out of the embedded server's way."""
    url = api_url(workspace)
    own = url is None or running(workspace, "prefect") is not None
    home = {"PREFECT_HOME": str((state_dir(workspace) / "prefect").resolve())} if own else {}
    return home | ({"PREFECT_API_URL": url} if url else {})
