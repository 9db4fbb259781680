"""The whole of `otoloop up` with a real Prefect server, real workers and a run that is under way when `down` comes."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otoloop import vcs
from otoloop.notify import notify
from otoloop.workspace.doctor import doctor
from otoloop.workspace.init import init
from otoloop.workspace.prefect_api import call
from otoloop.workspace.processes import marked
from otoloop.workspace.state import load
from otoloop.workspace.up import PARTS, down, up

FLOW = """
import subprocess, sys, time
from pathlib import Path
from prefect import flow

@flow
def hang(seconds: int):
    child = "import time; time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
    Path("seconds").write_text(repr(seconds))
    time.sleep(seconds)
"""
DEPLOYMENTS = """
name: otoloop
pull: [{otoloop.workspace.env.enter: {}}]
deployments:
- name: hang
  entrypoint: flows/hang.py:hang
  work_pool: {name: cpu}
  schedules: [{cron: "0 0 1 1 *", active: true, slug: yearly}]
  triggers:
  - type: event
    enabled: true
    name: on-test
    expect: [otoloop.test]
    match: {prefect.resource.id: "otoloop.*"}
    parameters:
      seconds:
        __prefect_kind: json
        value: {__prefect_kind: jinja, template: "{{ event.payload.n | tojson }}"}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    folder = init(tmp_path / "site")
    (folder / "flows").mkdir(exist_ok=True)
    (folder / "flows" / "hang.py").write_text(FLOW, encoding="utf-8")
    (folder / "prefect.yaml").write_text(DEPLOYMENTS, encoding="utf-8")
    vcs.Repo(folder).commit(["flows/hang.py", "prefect.yaml"], "One flow that hangs")
    yield folder
    down(folder)


def _until(happened: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


@pytest.mark.flow
def test_an_event_starts_a_run_and_down_leaves_no_process(site: Path) -> None:
    parts = {part.name: part for part in up(site)}
    assert set(parts) - {"web"} == set(PARTS) - {"web"}
    assert all(c.level != "error" for c in doctor(site)), doctor(site)
    url = parts["prefect"].url
    assert url and urllib.request.urlopen(url.removesuffix("/api")).status == 200
    assert [limit["name"] for limit in call(url, "POST", "/v2/concurrency_limits/filter", {})] == ["gpu"]
    _until(
        lambda: bool(
            call(url, "POST", "/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})
        )
    )

    assert notify(site, "otoloop.test", "otoloop.thing", {"n": 600})
    _until((site / "seconds").is_file)
    assert (site / "seconds").read_text(encoding="utf-8") == "600"
    assert len(marked(site)) >= len(parts) + 2

    again = {part.name: part for part in up(site)}
    assert again == parts
    assert set(down(site)) == set(parts)
    assert marked(site) == [] and load(site).parts == {}
