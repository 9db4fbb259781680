"""The flow on a real Prefect server: approved while it was away, decided in its form by a code, started by the event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from otoloop.promote import audit, decisions, requests
from otoloop.promote.keys import Signer
from otoloop.promote.ledger import Request
from otoloop.promote.registry import open_registry
from otoloop.vcs import Repo
from otoloop.workspace.prefect_api import api_url, insist
from otoloop.workspace.up import down, up

from .conftest import finish_cycle


@pytest.fixture
def stack(site: Path) -> Iterator[Path]:
    """The deployments of `promote` alone; nothing is started yet."""
    path = site / "prefect.yaml"
    plan = yaml.safe_load(path.read_text(encoding="utf-8"))
    plan["deployments"] = [d for d in plan["deployments"] if d["name"].startswith("promote")]
    path.write_text(yaml.safe_dump(plan, sort_keys=False), encoding="utf-8")
    Repo(site).commit(["prefect.yaml"], "One flow")
    yield site
    down(site)


def until(happened: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.5)


def serves(site: Path, channel: str, version: str) -> bool:
    found = open_registry(site).ledger().live(channel)
    return found is not None and found.version == version


@pytest.mark.flow
def test_decisions_are_carried_out_however_they_are_made(
    stack: Path, asked: Request, kim: Signer, adapter: Path, template: Path
) -> None:
    decisions.approve(stack, asked.id, kim)
    up(stack, only=["prefect", "worker-cpu"])
    until(lambda: serves(stack, "prod", "v1"))
    url = api_url(stack)
    assert url
    every_minute = insist(url, "GET", "/deployments/name/promote/promote-every-minute")
    insist(url, "PATCH", f"/deployments/{every_minute['id']}", {"paused": True})

    finish_cycle(stack, adapter, template.parent / "remote", 2, champion="v1")
    second = requests.request(stack)
    form = insist(url, "GET", "/deployments/name/promote/promote")
    assert form["parameter_openapi_schema"]["properties"]["decision"]["enum"] == ["approve", "reject"]
    filled = {"code": decisions.new_code(stack, second.id, kim), "decision": "approve", "request": second.id}
    insist(url, "POST", f"/deployments/{form['id']}/create_flow_run", {"parameters": filled})
    until(lambda: serves(stack, "prod", "v2"))

    third = requests.request(stack, channel="pilot")
    decisions.approve(stack, third.id, kim)
    until(lambda: serves(stack, "pilot", "v2"))
    assert audit.verify(stack) == []
