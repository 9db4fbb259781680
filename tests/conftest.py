"""Fixtures that start the real things: an S3 server for the session, a store and a workspace for each test."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from otoloop.store.connection import Connection, resolve
from otoloop.store.s3 import BUCKETS, ObjectStore

ROOT = Path(__file__).resolve().parents[1]

for _name in [name for name in os.environ if name.startswith(("OTOLOOP_", "AWS_", "PREFECT_"))]:
    del os.environ[_name]  # a developer's own servers and credentials are none of the tests' business
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # test workers share the cores: see otoloop.settings


settings.register_profile("default", deadline=None, derandomize=True)  # the same cases on every machine
settings.register_profile("nightly", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("default")


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """The connection to a real embedded S3 server that lives as long as the test session."""
    from otoloop.store.weed import start_weed, stop_weed

    home = tmp_path_factory.mktemp("weed")
    (home / "params.yaml").write_text("prefix: session\n", encoding="utf-8")
    start_weed(home)
    yield resolve(home)
    stop_weed(home)


@pytest.fixture
def prefix() -> str:
    """A bucket prefix of this test's own."""
    return f"t{secrets.token_hex(5)}"


@pytest.fixture
def object_store(weed: Connection, prefix: str) -> Iterator[ObjectStore]:
    """A real store with the five buckets of `prefix`, emptied and removed afterwards."""
    store = ObjectStore(weed, prefix)
    store.ensure_buckets()
    yield store
    for bucket in BUCKETS:
        for one in [*store.versions(bucket, ""), *store.list(bucket)]:
            store.erase(bucket, one.key)
        store.remove_bucket(bucket)


@pytest.fixture(scope="session")
def made_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One `otoloop init`; tests get copies of it."""
    from otoloop.workspace.init import init

    return init(tmp_path_factory.mktemp("made") / "site", prefix="made")


@pytest.fixture
def workspace(made_workspace: Path, object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace made by `otoloop init` whose S3 is `object_store`, by the environment as a user's own would be."""
    from otoloop.vcs import Repo

    folder = tmp_path / "site"
    shutil.copytree(made_workspace, folder, symlinks=True)
    names = ["params.yaml", ".dvc/config"]
    for name in names:
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("made", object_store.prefix), encoding="utf-8")
    connection = object_store.connection
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", connection.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", connection.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", connection.secret_key or "")
    Repo(folder).commit(names, "Use this test's buckets")
    return folder


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository as it stands, uncommitted work included, after what a newcomer types; all committed."""
    from otoloop import codelock
    from otoloop.vcs import Repo
    from otoloop.vcs.run import git

    folder = tmp_path_factory.mktemp("sample") / "otoloop"
    git(ROOT, "clone", "--no-hardlinks", str(ROOT), str(folder))
    for name in Repo(ROOT).changed():
        (folder / name).unlink(missing_ok=True)
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    codelock.write(folder)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["bash", "-ec", "dvc pull; dvc repro; dvc push"], cwd=folder, env=env, check=True)
    Repo(folder).commit(["."], "The sample as of now")
    return folder
