"""Workspaces: making one, starting and ending its background parts, and the environment its child processes get.

The functions here are the package's face; they import their modules late so that `otoloop --help` stays quick and so
that `store` may read the state of a workspace without a circle.
"""

from __future__ import annotations

from pathlib import Path


def environment(workspace: Path) -> dict[str, str]:
    """The whole environment for a child process of this workspace (pass it as ``env=``): S3, Prefect, telemetry off."""
    from otoloop.workspace.env import child_environment

    return child_environment(workspace)


def ensure_store(workspace: Path) -> None:
    """Make sure that the workspace's S3 answers, starting the embedded server and making buckets when needed.

    Raises:
        OtoloopError: an external store does not answer, or the embedded one cannot start.
    """
    from otoloop.workspace.up import ensure_store as ensure

    ensure(workspace)
