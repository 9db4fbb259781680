"""A cycle over a small real pipeline: git and DVC with a folder as remote, no server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from otoloop import cli, retrain
from otoloop.errors import OtoloopError
from otoloop.outs import write_json
from otoloop.pipeline import stage_names
from otoloop.store.s3 import ObjectStore
from otoloop.vcs import Repo
from otoloop.vcs import create as create_repo
from otoloop.vcs.run import dvc

PIPELINE = """
stages:
  encode:
    cmd: sh -c 'mkdir -p work && cp params.yaml work/features'
    deps: [params.yaml, inputs/cycle.yaml, inputs/champion]
    outs: [work/features]
  gate:
    cmd: sh -c 'mkdir -p gate && cp verdict.json gate/report.json'
    deps: [work/features, verdict.json]
    outs: [{gate/report.json: {cache: false}}]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "params.yaml").write_text("base: otoloop-mini\n")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / ".gitignore").write_text("/.otoloop/\n")
    write_json(folder / "verdict.json", {"verdict": "pass", "reason": "Every check passed."})
    write_json(folder / "release" / "manifest.json", {"release": "r0001"})
    repo = create_repo(folder)
    dvc(folder, "remote", "add", "--default", "storage", str(tmp_path / "remote"))
    repo.commit(["."], "Start")
    return folder


def cycle(workspace: Path, reason: str = "a test") -> retrain.Done:
    retrain.begin(workspace, reason=reason)
    names = stage_names(workspace)
    for name in names:
        retrain.reproduce(workspace, name)
    return retrain.finish(workspace, names)


def test_a_cycle_is_committed_pushed_and_tagged_and_runs_once(workspace: Path) -> None:
    done = cycle(workspace)
    repo = Repo(workspace)
    assert (done.cycle, done.tag, done.verdict, done.reason) == (1, "cycle/0001", "pass", "Every check passed.")
    assert repo.commit_of("cycle/0001") == done.commit == repo.head()
    assert repo.clean()
    assert "work/features" in repo.show("cycle/0001", "dvc.lock")
    assert json.loads(repo.show("cycle/0001", "gate/report.json"))["verdict"] == "pass"
    assert retrain.begin(workspace, reason="again") == retrain.Begun(1, "nothing new")
    assert repo.clean(), "looking for something new leaves nothing behind"


@pytest.mark.slow
def test_new_params_or_a_new_release_make_another_cycle(workspace: Path) -> None:
    cycle(workspace)
    (workspace / "params.yaml").write_text("base: otoloop-mini\ntrain: {steps: 3}\n")
    repo = Repo(workspace)
    repo.commit(["params.yaml"], "Fewer steps")
    assert cycle(workspace).tag == "cycle/0002"
    write_json(workspace / "release" / "manifest.json", {"release": "r0002"})
    repo.commit(["release"], "Another release")
    assert retrain.begin(workspace) == retrain.Begun(3, "new")


@pytest.mark.slow
def test_a_cycle_that_was_cut_off_goes_on(workspace: Path) -> None:
    retrain.begin(workspace, reason="first")
    retrain.reproduce(workspace, "encode")
    begun = retrain.begin(workspace, reason="once more")
    assert begun == retrain.Begun(1, "continued")
    assert "reason: first" in (workspace / retrain.PATH).read_text()
    assert cycle(workspace).tag == "cycle/0001"


@pytest.mark.slow
def test_a_part_of_the_stages_is_committed_but_not_tagged(workspace: Path) -> None:
    retrain.begin(workspace)
    names = stage_names(workspace, last="encode")
    retrain.reproduce(workspace, *names)
    assert retrain.finish(workspace, names).tag is None
    assert Repo(workspace).clean()
    assert retrain.take_over(workspace) == retrain.Begun(1, "continued")


def test_stages_come_in_the_order_of_the_pipeline(workspace: Path) -> None:
    assert stage_names(workspace) == ["encode", "gate"]
    assert stage_names(workspace, "gate") == ["gate"]
    with pytest.raises(OtoloopError, match="no stage 'tarin'"):
        stage_names(workspace, "tarin")
    with pytest.raises(OtoloopError, match="gate comes after encode"):
        stage_names(workspace, "gate", "encode")


def test_somebody_elses_edits_are_refused(workspace: Path) -> None:
    (workspace / "params.yaml").write_text("base: other\n")
    with pytest.raises(OtoloopError, match=r"Uncommitted changes .*params\.yaml"):
        retrain.begin(workspace)
    assert not (workspace / retrain.PATH).exists()


REPORT: dict[str, Any] = {
    "verdict": "not_enough_data", "reason": "One check is undecided.", "pilot": "eligible",
    "pilot_reason": "Better than the base by at least 9.0 points.", "headline": None, "reference": "base", "checks": [],
    "record_more": [
        {"recordings": 92, "suite": "site", "slice": "all", "gating": True},
        {"recordings": 40, "suite": "general", "slice": "all", "gating": True},
    ],
}  # fmt: skip


@pytest.fixture
def inside(workspace: Path, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace with a store, entered."""
    (workspace / "params.yaml").write_text(f"prefix: {object_store.prefix}\n")
    write_json(workspace / "verdict.json", REPORT)
    Repo(workspace).commit(["params.yaml", "verdict.json"], "Undecided")
    connection = object_store.connection
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", connection.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", connection.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", connection.secret_key or "")
    monkeypatch.chdir(workspace)
    cli._register()
    return workspace


@pytest.mark.slow
def test_the_command_runs_stages_and_tells_what_came_of_them(inside: Path) -> None:
    """The release that it freezes first is in tests/test_own_sounds.py."""
    retrain.begin(inside)
    part = CliRunner().invoke(cli.app, ["retrain", "--first", "encode", "--last", "encode", "--json"])
    assert json.loads(part.stdout) == {"cycle": 1, "start": "continued", "tag": None, "stages": ["encode"]}
    rest = CliRunner().invoke(cli.app, ["retrain", "--first", "encode"])
    assert rest.exit_code == 0, rest.output
    assert "cycle/0001 is committed.\nnot enough data: One check is undecided.\npilot: eligible." in rest.stdout
    assert "record 92 more: site, all\n  the suite general is too small by 40 recordings: all" in rest.stdout
    assert f"report: {inside}/gate/report.html" in rest.stdout
    assert "Not requested to go live: The catalogue knows of no review of release r0001" in rest.stdout
    assert "encode (1 of 2)" in rest.stderr and "gate (2 of 2)" in rest.stderr
    assert Repo(inside).tags("cycle/*") == ["cycle/0001"]


def test_the_command_refuses_an_unknown_stage(inside: Path) -> None:
    found = CliRunner().invoke(cli.app, ["retrain", "--first", "tarin"])
    assert isinstance(found.exception, OtoloopError) and "no stage 'tarin'" in str(found.exception)
