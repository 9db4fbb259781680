"""What runs in a workspace now, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from otoloop.settings import Settings
from otoloop.workspace import prefect_api
from otoloop.workspace.state import Part, load

PartState = Literal["running", "died"]


def status(workspace: Path) -> dict[str, Any]:
    """The parts that were started and not ended, with the endpoint and API that commands would use now."""
    parts = load(workspace).parts
    running = parts.get("s3")
    return {
        "workspace": str(workspace),
        "s3": Settings().s3_endpoint or (running.url if running and running.alive() else None),
        "prefect": prefect_api.api_url(workspace),
        "parts": [_row(part) for part in parts.values()],
    }


def _row(part: Part) -> dict[str, Any]:
    """One part as JSON."""
    state: PartState = "running" if part.alive() else "died"
    return {
        "name": part.name,
        "state": state,
        "host": part.host,
        "port": part.port,
        "pid": part.pid,
        "url": part.url,
        "log": part.log,
    }


def in_words(data: dict[str, Any]) -> str:
    """The same for people."""
    if not data["parts"] and not data["s3"]:
        return f"Nothing runs in {data['workspace']}. Start with `otoloop up`."
    lines = [f"{row['name']:<12} {row['state']:<8} {_where(row)}" for row in data["parts"]]
    if data["s3"] and not any(row["name"] == "s3" for row in data["parts"]):
        lines.append(f"{'s3':<12} {'yours':<8} {data['s3']}")
    return "\n".join(lines)


def _where(row: dict[str, Any]) -> str:
    """A link to open, or where to read what happened."""
    if row["state"] == "died":
        return f"see {row['log']}; `otoloop up` starts it again"
    url = str(row["url"] or f"pid {row['pid']}")
    return url.removesuffix("/api") if row["name"] == "prefect" else url
