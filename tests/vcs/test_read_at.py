"""A file that DVC keeps, as it was at a revision: from the cache here, from the remote, or a refusal."""

import hashlib
import json
import shutil

import pytest
import yaml

from otoloop.errors import OtoloopError
from otoloop.vcs import Repo
from otoloop.vcs.run import git


def lay(root, data, ending=""):
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest() + ending
    path = root / "files" / "md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return md5


@pytest.fixture
def repo(tmp_path):
    """A stage's file and folder, in the cache alone; the remote is an empty folder."""
    site, cache = tmp_path / "site", tmp_path / "site" / ".dvc" / "cache"
    (site / ".dvc").mkdir(parents=True)
    (tmp_path / "remote").mkdir()
    (site / ".dvc" / "config").write_text("[core]\n    remote = r\n['remote \"r\"']\n    url = ../../remote\n")
    (site / "params.yaml").write_text("{}")
    rows = [{"md5": lay(cache, b"one"), "relpath": "a.txt"}]
    outs = [
        {"path": "answers", "md5": lay(cache, json.dumps(rows).encode(), ".dir")},
        {"path": "one", "md5": lay(cache, b"1")},
    ]
    (site / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"answer": {"outs": outs}}}))
    git(site, "init", "--initial-branch", "main")
    made = Repo(site)
    made.commit(["dvc.lock"], "A stage ran")
    return made


def test_from_the_cache_and_from_the_remote(repo, tmp_path):
    assert repo.read_at("HEAD", "answers/a.txt") == b"one" and repo.read_at("HEAD", "one") == b"1"
    shutil.rmtree(tmp_path / "remote")
    shutil.move(repo.workspace / ".dvc" / "cache", tmp_path / "remote")
    assert repo.read_at("HEAD", "answers/a.txt") == b"one"
    assert repo.time_of("HEAD").tzinfo is not None


@pytest.mark.parametrize("path", ["answers/b.txt", "answers", "../params.yaml", "params.yaml"])
def test_what_no_stage_made_is_refused(repo, path):
    with pytest.raises(OtoloopError, match="There was no"):
        repo.read_at("HEAD", path)


def test_data_that_are_gone_are_told(repo):
    shutil.rmtree(repo.workspace / ".dvc" / "cache")
    with pytest.raises(OtoloopError, match="not there any more"):
        repo.read_at("HEAD", "answers/a.txt")
