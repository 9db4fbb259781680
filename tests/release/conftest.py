"""A small release made of real sound."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from otoloop.release.shards import Content
from otoloop.release.splits import SPLITS, Recording, Splits, assign
from otoloop.store.connection import Connection
from otoloop.store.s3 import ObjectStore
from otoloop.workspace.init import init

from .plant import Plant, Releases


def flac(seed: int, seconds: float = 0.2) -> bytes:
    wave = np.random.default_rng(seed).normal(size=int(16000 * seconds)) * 0.1
    out = io.BytesIO()
    soundfile.write(out, wave, 16000, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def fetch(clips: Sequence[str]) -> list[tuple[str, bytes]]:
    return [(c, flac(int(c[1:]))) for c in clips]


def clip_row(i: int) -> dict[str, Any]:
    return {
        "clip": f"c{i:03d}", "seconds": 0.2, "rate": 16000, "channels": 1, "site": "osaka", "machine": f"m{i % 2}",
        "session": f"m{i % 2}-{i // 2}", "group": f"c{i:03d}", "time": f"2026-01-{1 + i // 2:02d}T00:00:00+00:00",
    }  # fmt: skip


def item_row(i: int) -> dict[str, Any]:
    place = {k: v for k, v in clip_row(i).items() if k in ("site", "machine", "session", "group", "time")}
    return {
        "id": f"i{i:03d}", "clip": f"c{i:03d}", "question": "What is this noise?",
        "choices": ["rotor rub", "normal running"], "kind": "audio_only", "style": "direct",
        "lang": "en", "evidence": None, "slice": json.dumps({"fault": "rub", "site": "osaka"}), "answer": "rotor rub",
        "answer_letter": "a", "fault": "rub", "trace": "<THINK></THINK><RESPONSE>rotor rub (a)</RESPONSE>",
        "measured": "{}", **place,
    }  # fmt: skip


def content(n: int, known: Splits | None = None, base_shards: int = 0) -> Content:
    recordings = [
        Recording(clip=c["clip"], machine=f"osaka/{c['machine']}", kind="fan", session=c["session"], group=c["group"],
                  time=c["time"], label="rub")
        for c in map(clip_row, range(n))
    ]  # fmt: skip
    splits = assign(recordings, known or Splits(), test_share=0.3, valid_share=0.1)
    placed = {r.clip: splits.of(r) for r in recordings}
    items = {s: [row for row in map(item_row, range(n)) if placed[row["clip"]] == s] for s in SPLITS}
    return Content(
        release=f"r{n:04d}", cutoff="2026-02-01T00:00:00+00:00", clips=[clip_row(i) for i in range(n)], items=items,
        splits=splits, base_shards=base_shards,
    )  # fmt: skip


@pytest.fixture
def make_content():
    return content


@pytest.fixture
def fetch_audio():
    return fetch


@pytest.fixture
def plant(workspace: Path, object_store: ObjectStore) -> Plant:
    """A plant of this test's own; nothing is approved yet."""
    return Plant(workspace, object_store)


@pytest.fixture(scope="session")
def _releases(weed: Connection, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    folder, store = tmp_path_factory.mktemp("plant"), ObjectStore(weed, "plant")
    store.ensure_buckets()
    with pytest.MonkeyPatch.context() as patch:
        use(store, patch)
        return Releases.of(Plant(init(folder / "site", prefix="plant"), store), folder)


@pytest.fixture
def made(_releases: Releases, monkeypatch: pytest.MonkeyPatch) -> Releases:
    """A plant with two releases, shared by all tests: for looking only."""
    use(_releases.plant.store, monkeypatch)
    return _releases


@pytest.fixture
def spoilt(made: Releases) -> Iterator[Releases]:
    """The same to do with whatever you like: the next test finds it whole."""
    yield made
    made.whole.restore()


def use(store: ObjectStore, patch: pytest.MonkeyPatch) -> None:
    """Name the store in the environment, as a user's own would be."""
    patch.setenv("OTOLOOP_S3_ENDPOINT", store.connection.endpoint)
    patch.setenv("AWS_ACCESS_KEY_ID", store.connection.access_key or "")
    patch.setenv("AWS_SECRET_ACCESS_KEY", store.connection.secret_key or "")
