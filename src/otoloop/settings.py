"""Endpoints and credentials from the environment, and where the workspace lies. Nothing here ever goes into git."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from otoloop.errors import OtoloopError


class Settings(BaseSettings):
    """Environment of one run (prefix ``OTOLOOP_``)."""

    model_config = SettingsConfigDict(env_prefix="OTOLOOP_", frozen=True, extra="ignore")

    s3_endpoint: str | None = None
    database_url: str | None = None
    actor: str = Field(default_factory=getpass.getuser)
    cache: Path | None = None
    api_key: str | None = None
    """What clients of the gateway must send as their bearer token; needed when it listens beyond this machine."""
    web_hosts: str = ""
    """Names beside this machine's own under which a reverse proxy offers the pages, separated by commas."""

    @property
    def workspace(self) -> Path:
        """The workspace of the current directory; see `find_workspace`."""
        return find_workspace(Path.cwd())


def find_workspace(start: Path) -> Path:
    """The nearest of ``start`` and its parents with a params.yaml, else the only workspace right below ``start``.

    Raises:
        OtoloopError: there is none, or there are several below.
    """
    for folder in (start, *start.parents):
        if (folder / "params.yaml").is_file():
            return folder
    below = [path.parent for path in sorted(start.glob("*/params.yaml")) if (path.parent / ".dvc").is_dir()]
    if len(below) == 1:
        return below[0]
    remedy = f"Change into one of: {', '.join(path.name for path in below)}." if below else "Run `otoloop init DIR`."
    raise OtoloopError(f"{start} is not inside an otoloop workspace (no params.yaml found).", remedy)


def state_dir(workspace: Path) -> Path:
    """``.otoloop`` of a workspace, made on demand for its owner alone: run state, embedded data, memos, checkpoints."""
    folder = workspace / ".otoloop"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def calm_threads() -> None:
    """Let waiting threads of parallel loops sleep soon; call it before torch is loaded, children inherit it.

    By default they spin. Where others compute too (a page, a second stage, tests) the spinning starves the thread that is
    waited for: 4 to 8 times slower on two shared cores. After a thousand turns of the loop sleeping costs next to nothing.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def quiet_environment() -> dict[str, str]:
    """Variables for child processes that switch telemetry of Prefect, DVC and Great Expectations off."""
    return {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "RAY_USAGE_STATS_ENABLED": "0",
        **{k: v for k, v in os.environ.items() if k.startswith("AWS_")},
    }
