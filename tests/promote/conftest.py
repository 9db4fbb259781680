"""A registry on a real S3 server, and shorthands for what happens in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from otoloop.promote.registry import Registry
from otoloop.store.s3 import ObjectStore


@pytest.fixture
def registry(object_store: ObjectStore) -> Registry:
    """Nobody's decisions are checked: the chain alone."""
    return Registry(object_store)


@pytest.fixture(autouse=True)
def own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Private keys of this test's people."""
    folder = tmp_path / "keys"
    monkeypatch.setenv("OTOLOOP_KEYS", str(folder))
    return folder
