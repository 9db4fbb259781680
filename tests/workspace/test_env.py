from __future__ import annotations

import sys
from pathlib import Path

import pytest

from otoloop.errors import OtoloopError
from otoloop.workspace import ensure_store, environment
from otoloop.workspace.env import enter


def test_children_get_the_store_and_no_telemetry(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody-elses")
    env = environment(workspace)
    assert env["AWS_ENDPOINT_URL_S3"].startswith("http://127.0.0.1:")
    assert "AWS_PROFILE" not in env
    assert (env["PREFECT_SERVER_ANALYTICS_ENABLED"], env["DO_NOT_TRACK"], env["DVC_NO_ANALYTICS"]) == (
        "false",
        "1",
        "1",
    )
    assert env["OTOLOOP_WORKSPACE"] == str(workspace)
    assert env["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert env["PREFECT_HOME"] == str(workspace / ".otoloop" / "prefect")


def test_without_a_store_the_users_own_aws_settings_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    env = environment(tmp_path)
    assert env["AWS_PROFILE"] == "mine" and "AWS_ENDPOINT_URL_S3" not in env


def test_an_own_prefect_keeps_its_own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.plant/api")
    env = environment(tmp_path)
    assert env["PREFECT_API_URL"] == "https://prefect.plant/api" and "PREFECT_HOME" not in env


def test_a_store_of_ones_own_gets_its_buckets_once(workspace: Path) -> None:
    ensure_store(workspace)
    assert (workspace / ".otoloop" / "store.json").is_file()
    ensure_store(workspace)


def test_a_flow_run_enters_the_workspace_of_its_workers_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OtoloopError, match="OTOLOOP_WORKSPACE"):
        enter()
    (tmp_path / "site").mkdir()
    monkeypatch.setenv("OTOLOOP_WORKSPACE", str(tmp_path / "site"))
    assert enter() == {"directory": str(tmp_path / "site")}
    assert Path.cwd() == tmp_path / "site"
