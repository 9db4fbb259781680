from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from otoloop.errors import OtoloopError
from otoloop.store.s3 import ObjectStore
from otoloop.vcs import Repo, create
from otoloop.vcs.run import git


@pytest.fixture
def local(made_workspace: Path, tmp_path: Path) -> Repo:
    """A workspace whose DVC remote is a folder: no server at all."""
    folder = tmp_path / "site"
    shutil.copytree(made_workspace, folder, symlinks=True)
    config = folder / ".dvc" / "config"
    config.write_text(
        config.read_text(encoding="utf-8").replace("s3://made-dvc/data", "../../remote"), encoding="utf-8"
    )
    (tmp_path / "remote").mkdir()
    repo = Repo(folder)
    repo.commit([".dvc/config"], "Keep data in a folder")
    return repo


def _folder_of_data(repo: Repo) -> Path:
    folder = repo.workspace / "release"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(name * 10, encoding="utf-8")
    return folder


def test_data_goes_to_the_remote_is_verified_and_comes_back_in_a_clone(local: Repo, tmp_path: Path) -> None:
    files = local.dvc_add(_folder_of_data(local))
    local.dvc_push("release")
    local.verify_pushed("release")
    commit = local.commit(files, "Add the release")
    local.tag("release/1", "first")
    clone = local.clone("release/1", tmp_path / "clone")
    assert clone.head() == commit and clone.clean()
    clone.dvc_pull("release")
    assert (clone.workspace / "release" / "b").read_text(encoding="utf-8") == "b" * 10


def test_a_remote_inside_the_repository_travels_with_its_clones_as_it_was(local: Repo, tmp_path: Path) -> None:
    config = local.workspace / ".dvc" / "config"
    config.write_text(config.read_text(encoding="utf-8").replace("../../remote", "../kept"), encoding="utf-8")
    files = local.dvc_add(_folder_of_data(local))
    local.dvc_push("release")
    local.commit([".dvc/config", "kept", *files], "Data in the repository itself")
    shutil.rmtree(local.workspace / "kept")
    clone = local.clone("HEAD", tmp_path / "clone")
    clone.dvc_pull("release")
    assert (clone.workspace / "release" / "a").read_text(encoding="utf-8") == "a" * 10


def _objects(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "remote").rglob("*") if path.is_file())


def test_what_is_missing_or_damaged_in_the_remote_is_found(local: Repo, tmp_path: Path) -> None:
    local.dvc_add(_folder_of_data(local))
    with pytest.raises(OtoloopError, match="release is missing"):
        local.verify_pushed("release")
    local.dvc_push("release")
    for path in _objects(tmp_path):
        whole = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(whole[:-1] + b"?")
        with pytest.raises(OtoloopError, match="instead of"):
            local.verify_pushed("release")
        path.unlink()
        with pytest.raises(OtoloopError, match="is missing"):
            local.verify_pushed("release")
        path.write_bytes(whole)
    local.verify_pushed("release")


def test_the_same_with_s3(workspace: Path, object_store: ObjectStore) -> None:
    repo = Repo(workspace)
    repo.dvc_add(_folder_of_data(repo))
    repo.dvc_push()
    repo.verify_pushed("release")
    keys = [one.key for one in object_store.list("dvc")]
    assert len(keys) == 3 and all(key.startswith("data/files/md5/") for key in keys)
    for key in keys:
        data = object_store.get("dvc", key)
        object_store.put("dvc", key, data[:-1] + b"?")
        with pytest.raises(OtoloopError, match="instead of"):
            repo.verify_pushed("release")
        object_store.delete("dvc", key)
        with pytest.raises(OtoloopError, match="is missing"):
            repo.verify_pushed("release")
        object_store.put("dvc", key, data)
    shutil.rmtree(repo.workspace / "release")
    shutil.rmtree(repo.workspace / ".dvc" / "cache")
    repo.dvc_pull("release")
    assert (repo.workspace / "release" / "a").read_text(encoding="utf-8") == "a" * 10


@pytest.mark.slow
def test_a_dead_s3_server_is_one_sentence(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(workspace)
    repo.dvc_add(_folder_of_data(repo))
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OtoloopError, match=r"`dvc push` failed: .*otoloop up --only s3"):
        repo.dvc_push()


def test_stage_results_are_verified_by_dvc_lock_but_those_in_git_are_not_asked_for(local: Repo) -> None:
    (local.workspace / "dvc.yaml").write_text(
        "stages:\n  make:\n    cmd: echo 1 > data.txt && echo '{}' > m.json\n    outs: [data.txt]\n"
        "    metrics: [{m.json: {cache: false}}]\n",
        encoding="utf-8",
    )
    lines: list[str] = []
    local.dvc_repro("make", on_line=lines.append)
    assert any("Running stage" in line for line in lines)
    with pytest.raises(OtoloopError, match=r"data\.txt is missing"):
        local.verify_pushed("dvc.lock")
    local.dvc_push()
    local.verify_pushed("dvc.lock")


def test_a_failing_stage_carries_its_last_words(local: Repo) -> None:
    (local.workspace / "dvc.yaml").write_text("stages:\n  bad:\n    cmd: exit 7\n", encoding="utf-8")
    with pytest.raises(OtoloopError, match=r"bad.*exited with 7"):
        local.dvc_repro("bad", pull=False)


def test_a_commit_takes_exactly_its_paths(local: Repo) -> None:
    (local.workspace / "one").write_text("1", encoding="utf-8")
    (local.workspace / "two").write_text("2", encoding="utf-8")
    git(local.workspace, "add", "two")
    before = local.head()
    commit = local.commit(["one"], "Add one")
    assert commit != before and local.changed() == ["two"]
    assert local.commit([local.workspace / "one"], "Again") == commit
    assert local.show(commit, "one") == "1"


def test_unfinished_edits_are_refused_where_they_matter(local: Repo) -> None:
    local.require_clean()
    (local.workspace / "params.yaml").write_text("prefix: other\n", encoding="utf-8")
    assert not local.clean() and local.clean(["dvc.yaml", "machines.yaml"])
    with pytest.raises(OtoloopError, match=r"Uncommitted changes.*: params\.yaml\."):
        local.require_clean(["params.yaml"])


def test_a_tag_names_one_commit_for_ever(local: Repo) -> None:
    local.tag("cycle/0001", "first")
    local.tag("cycle/0001", "the same commit again is fine")
    assert local.has_tag("cycle/0001") and local.tags("cycle/*") == ["cycle/0001"]
    (local.workspace / "one").write_text("1", encoding="utf-8")
    local.commit(["one"], "Move on")
    with pytest.raises(OtoloopError, match="cycle/0001 exists"):
        local.tag("cycle/0001", "moved")
    assert not local.has_tag("cycle")


def test_without_a_git_identity_commits_are_made_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    (tmp_path / "site").mkdir()
    repo = create(tmp_path / "site")
    (repo.workspace / "one").write_text("1", encoding="utf-8")
    repo.commit(["one"], "Start")
    repo.tag("t", "tagged")
    assert git(repo.workspace, "log", "-1", "--format=%ae").stdout.strip() == "otoloop@localhost"


def test_commits_and_tags_reach_origin(local: Repo, tmp_path: Path) -> None:
    assert local.push_commits() is False
    git(tmp_path, "init", "--bare", "origin.git")
    git(local.workspace, "remote", "add", "origin", str(tmp_path / "origin.git"))
    local.tag("t", "tagged")
    assert local.push_commits() is True
    assert git(tmp_path / "origin.git", "tag", "--list").stdout.strip() == "t"


def test_the_lock_of_a_killed_git_is_removed_but_not_a_fresh_one(local: Repo) -> None:
    lock = local.workspace / ".git" / "index.lock"
    lock.touch()
    (local.workspace / "one").write_text("1", encoding="utf-8")
    with pytest.raises(OtoloopError, match=r"index\.lock"):
        local.commit(["one"], "Add one")
    os.utime(lock, (time.time() - 60,) * 2)
    local.commit(["one"], "Add one")
    assert not lock.exists()


def test_the_lease_is_one_process_at_a_time_and_ends_with_it(local: Repo) -> None:
    code = (
        "import sys, time; from pathlib import Path; from otoloop.vcs import Repo\n"
        "with Repo(Path(sys.argv[1])).lease(purpose='hold it'):\n  print('held', flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, local.workspace], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(OtoloopError, match=rf"held by process {other.pid} \(hold it\)"), local.lease(wait_s=0):
            pass
        other.kill()
        other.wait()
        with local.lease(wait_s=30), local.lease(wait_s=0):
            pass


def test_a_missing_dvc_file_is_named(local: Repo) -> None:
    with pytest.raises(OtoloopError, match=r"nothing\.dvc"):
        local.verify_pushed("nothing")
    (local.workspace / "bad.dvc").write_text("outs: 3", encoding="utf-8")
    with pytest.raises(OtoloopError, match="damaged"):
        local.verify_pushed("bad")


def test_a_tag_may_name_an_earlier_commit_and_says_what_was_written_into_it(local: Repo) -> None:
    first = local.head()
    (local.workspace / "one").write_text("1", encoding="utf-8")
    local.commit(["one"], "Move on")
    for _ in range(2):
        local.tag("otoloop#prod#3", '{"seq":3}', at=first)
    assert local.commit_of("otoloop#prod#3") == first != local.head()
    assert local.tag_message("otoloop#prod#3") == '{"seq":3}' and local.tag_message("none") == ""
    assert local.has_commit(first) and not local.has_commit("0" * 40)


def test_what_a_stage_made_comes_from_the_remote_as_it_was(local: Repo, tmp_path: Path) -> None:
    (local.workspace / "dvc.yaml").write_text(
        "stages:\n  make:\n    cmd: mkdir -p made/sub && echo 1 > made/a && echo 2 > made/sub/b\n    outs: [made]\n",
        encoding="utf-8",
    )
    local.dvc_repro("make")
    local.dvc_push()
    commit = local.commit(["dvc.yaml", "dvc.lock", ".gitignore"], "Made")
    (local.workspace / "made" / "a").write_text("another", encoding="utf-8")
    folder = local.fetch_out(commit, "made", tmp_path / "out")
    assert {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()} == {
        "a": "1\n", "sub/b": "2\n"
    }  # fmt: skip
    with pytest.raises(OtoloopError, match="made other"):
        local.fetch_out(commit, "other", tmp_path / "out")
    for path in _objects(tmp_path):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(OtoloopError, match="In the DVC remote"):
        local.fetch_out(commit, "made", tmp_path / "again")
