from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import typer
from typer.testing import CliRunner

from otoloop import catalog
from otoloop.commands import workspace as commands
from otoloop.errors import OtoloopError
from otoloop.promote.registry import open_registry
from otoloop.store.s3 import ObjectStore
from otoloop.workspace import doctor as examination
from otoloop.workspace.doctor import Check
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
    names = ("params.yaml", "packages", "git", "s3", "dvc remote", "catalogue", "registry", "parts")
    assert {name: checks[name] for name in names} == dict.fromkeys(names, "ok")


def test_doctor_looks_at_the_catalogue_and_changes_nothing(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    file = workspace / ".otoloop" / "catalog.db"
    assert "none yet" in _look(examination._catalogue).message and not file.exists()
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.executescript(
            "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('0000');"
        )
    found = _look(examination._catalogue)
    assert found.level == "warning" and "revision 0000" in found.message
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    assert _look(examination._catalogue).remedy == "Install the newer otoloop that wrote it."
    file.write_bytes(b"no database at all" * 100)
    assert "is no SQLite database" in _look(examination._catalogue).message
    file.unlink()
    catalog.open_workspace(workspace).close()
    assert _look(examination._catalogue).level == "ok" and "answers" in _look(examination._catalogue).message


def test_doctor_looks_at_the_registrys_chain(
    workspace: Path, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    assert _look(examination._registry).message.startswith("0 events")
    for version in ("v1", "v2"):
        open_registry(workspace).append("register", "kim", version)
    assert open_registry(workspace).head()[0] == 2 and _look(examination._registry).message.startswith("2 events")
    key = open_registry(workspace).key("events/0000000002.json")
    whole = object_store.get("registry", key)
    object_store.erase("registry", key)
    assert "tail was cut off" in _look(examination._registry).message
    object_store.put("registry", key, whole.replace(b"v2", b"v3"))
    assert "event 2" in _look(examination._registry).message and "audit verify" in _look(examination._registry).remedy


def _look(check: Callable[[Path], Check]) -> Check:
    """What one check of doctor finds."""
    return examination._guarded("it", check, Path.cwd())


def test_an_unknown_part_and_workers_without_prefect_are_refused(site: Path) -> None:
    with pytest.raises(OtoloopError, match="no part called 'web2'"):
        up(site, only=["web2"])
    with pytest.raises(OtoloopError, match="Workers need Prefect"):
        up(site, only=["worker-cpu"])


def test_outside_of_a_workspace_init_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["status"])
    assert isinstance(result.exception, OtoloopError) and "otoloop init" in result.exception.remedy
