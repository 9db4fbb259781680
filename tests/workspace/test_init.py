from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from otoloop.errors import OtoloopError
from otoloop.params import load_params
from otoloop.vcs import Repo
from otoloop.workspace.init import init


def test_a_new_workspace_is_committed_and_valid(made_workspace: Path) -> None:
    repo = Repo(made_workspace)
    assert repo.clean() and repo.head()
    assert load_params(made_workspace / "params.yaml").prefix == "made"
    assert yaml.safe_load((made_workspace / "machines.yaml").read_text(encoding="utf-8")) == []
    assert "s3://made-dvc/" in (made_workspace / ".dvc" / "config").read_text(encoding="utf-8")


def test_what_a_machine_keeps_for_itself_is_its_owners_alone(made_workspace: Path) -> None:
    assert (made_workspace / ".otoloop").stat().st_mode & 0o777 == 0o700


def test_no_address_and_no_secret_is_in_git(made_workspace: Path) -> None:
    text = (made_workspace / ".dvc" / "config").read_text(encoding="utf-8")
    assert not any(word in text for word in ("endpointurl", "127.0.0.1", "access_key_id ="))
    assert "/.otoloop/" in (made_workspace / ".gitignore").read_text(encoding="utf-8")


def test_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(OtoloopError, match=r"params\.yaml exists already"):
        init(tmp_path)
    assert (tmp_path / "params.yaml").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / ".git").exists()
    with pytest.raises(OtoloopError, match="is a file"):
        init(tmp_path / "params.yaml")


def test_files_of_the_users_own_stay_and_are_not_committed(tmp_path: Path) -> None:
    (tmp_path / "recording.wav").write_bytes(b"x")
    init(tmp_path)
    assert Repo(tmp_path).changed() == ["recording.wav"]


@pytest.mark.parametrize("prefix", ["", "Upper", "under_score", "-dash", "dash-", "a--b", "x" * 55, "ü", "a.b", "a b"])
def test_a_prefix_that_no_bucket_can_have_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(OtoloopError, match="prefix"):
        init(tmp_path / "site", prefix=prefix)
    assert not (tmp_path / "site").exists()
