from __future__ import annotations

from pathlib import Path

import pytest

from otoloop.errors import OtoloopError
from otoloop.store import connect, environment
from otoloop.store.connection import resolve


def test_without_a_server_the_command_that_starts_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(OtoloopError, match="otoloop up --only s3"):
        resolve(tmp_path)


@pytest.mark.parametrize("endpoint", ["localhost:9000", "ftp://x", "http://", "nonsense"])
def test_an_endpoint_that_is_no_url_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", endpoint)
    with pytest.raises(OtoloopError, match="is no URL"):
        resolve(tmp_path)


def test_a_store_of_ones_own_gets_path_style_addresses_unless_it_is_amazons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", "https://minio.plant:9000/")
    env = environment(tmp_path)
    assert env["AWS_ENDPOINT_URL_S3"] == "https://minio.plant:9000"
    assert "addressing_style = path" in Path(env["AWS_CONFIG_FILE"]).read_text(encoding="utf-8")
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", "https://s3.eu-central-1.amazonaws.com")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    env = environment(tmp_path)
    assert "AWS_CONFIG_FILE" not in env and env["AWS_DEFAULT_REGION"] == "eu-central-1"


def test_a_workspace_reaches_the_store_of_the_environment(workspace: Path, prefix: str) -> None:
    store = connect(workspace)
    assert store.bucket("audio") == f"{prefix}-audio"
    store.put("audio", "k", b"1")
    assert store.get(f"{prefix}-audio", "k") == b"1"
