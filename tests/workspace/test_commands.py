from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import typer
from typer.testing import CliRunner

from otoloop.commands import workspace as commands
from otoloop.errors import OtoloopError
from otoloop.workspace.processes import marked
from otoloop.workspace.state import load
from otoloop.workspace.up import down, up

app = typer.Typer()
commands.register(app)


def _run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace with an embedded server of its own, made and entered as a user would."""
    assert json.loads(_run("init", str(tmp_path / "site"), "--json"))["prefix"] == "otoloop"
    monkeypatch.chdir(tmp_path / "site")
    yield tmp_path / "site"
    down(tmp_path / "site")


def test_s3_goes_up_and_down_and_a_killed_one_is_seen(site: Path) -> None:
    assert "Nothing runs" in _run("status")
    data = json.loads(_run("up", "--only", "s3", "--json"))
    assert [(row["name"], row["state"]) for row in data["parts"]] == [("s3", "running")]
    assert data["s3"] == data["parts"][0]["url"]
    pid = data["parts"][0]["pid"]
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    died = json.loads(_run("status", "--json"))
    assert (died["s3"], died["parts"][0]["state"]) == (None, "died")
    assert "died" in _run("status")
    assert "otoloop up" in _run("doctor", code=1)
    assert json.loads(_run("up", "--only", "s3", "--json"))["s3"] == data["s3"]
    assert json.loads(_run("down", "--json")) == {"ended": ["s3"]}
    assert marked(site) == [] and load(site).parts == {}
    assert json.loads(_run("down", "--json")) == {"ended": []}


def test_doctor_names_each_problem_with_its_remedy(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    (workspace / "params.yaml").write_text("prefix: a\nnonsense: 1\n", encoding="utf-8")
    checks = {row["name"]: row for row in json.loads(_run("doctor", "--json", code=1))}
    assert (checks["params.yaml"]["level"], checks["git"]["level"]) == ("error", "warning")
    assert "nonsense" in checks["params.yaml"]["message"]
    assert checks["dvc remote"]["level"] == "error"  # its store cannot be opened without valid parameters
    assert all(row["remedy"] for row in checks.values() if row["level"] != "ok")


def test_doctor_is_content_with_a_store_of_ones_own(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    checks = {row["name"]: row["level"] for row in json.loads(_run("doctor", "--json"))}
    assert {
        name: checks[name] for name in ("params.yaml", "packages", "git", "s3", "dvc remote", "parts")
    } == dict.fromkeys(("params.yaml", "packages", "git", "s3", "dvc remote", "parts"), "ok")


def test_an_unknown_part_and_workers_without_prefect_are_refused(site: Path) -> None:
    with pytest.raises(OtoloopError, match="no part called 'web2'"):
        up(site, only=["web2"])
    with pytest.raises(OtoloopError, match="Workers need Prefect"):
        up(site, only=["worker-cpu"])


def test_outside_of_a_workspace_init_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["status"])
    assert isinstance(result.exception, OtoloopError) and "otoloop init" in result.exception.remedy
