"""Whatever is wrong with a release is told, and nothing makes the check itself fall over."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otoloop.errors import OtoloopError
from otoloop.outs import file_sha256, read_json, write_json
from otoloop.release import layout, shards
from otoloop.release.verify import problems, require_sound


@pytest.fixture
def root(tmp_path, make_content, fetch_audio) -> Path:
    shards.write(tmp_path / "release", make_content(20), fetch_audio, 0.02)
    assert problems(tmp_path / "release") == []
    return tmp_path / "release"


def signed(root: Path) -> None:
    """Bring the manifest up to what lies there, as somebody would who hides an edit."""
    manifest = read_json(root / layout.MANIFEST)
    manifest["files"] = {
        p.relative_to(root).as_posix(): {"sha256": file_sha256(p), "bytes": p.stat().st_size}
        for p in sorted(root.rglob("*"))
        if p.is_file() and p.name != layout.MANIFEST
    }
    write_json(root / layout.MANIFEST, manifest)


def edit(path: Path, schema: Any, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    layout.write_table(path, schema, change(layout.read_rows(path)))


def test_a_changed_byte_is_found_wherever_it_is(root):
    rng, whole = random.Random(3), {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    for _ in range(60):
        path = rng.choice(sorted(whole))
        data = bytearray(whole[path])
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        found = problems(root)
        assert found or path.name == layout.MANIFEST, "dates and counts of the manifest are kept by DVC"
        path.write_bytes(whole[path])
    assert problems(root) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": {"splits.json": 3}}', "\x00"])
def test_a_damaged_manifest_is_one_problem(root, text):
    (root / layout.MANIFEST).write_text(text, encoding="utf-8")
    assert problems(root) == ["manifest.json is damaged"]


def test_what_is_missing_or_too_much_is_named(root):
    (root / "audio/0000.parquet").unlink()
    (root / "notes.txt").write_text("mine", encoding="utf-8")
    found = problems(root)
    assert "audio/0000.parquet is missing" in found and "notes.txt is not in the manifest" in found
    shutil.rmtree(root)
    assert problems(root) == ["manifest.json is missing"]


LIES: dict[str, Callable[[Path], None]] = {
    "clip c001 lies in 2 shards": lambda root: shutil.copyfile(root / "audio/0000.parquet", root / "audio/0009.parquet"),
    "which has no audio": lambda root: (root / "audio/0000.parquet").unlink(),
    "is no parquet file": lambda root: (root / "items/train.parquet").write_bytes(b"PAR1"),
    "items/test.parquet has other columns": lambda root: edit(
        root / "items/test.parquet", layout.LESSONS, lambda rows: rows
    ),
    "stands 2 times": lambda root: edit(
        root / "items/train.parquet", layout.LESSONS, lambda rows: [*rows, rows[0]]
    ),
    "lies in test and train": lambda root: edit(
        root / "items/train.parquet", layout.LESSONS,
        lambda rows: [{**rows[0], "session": layout.read_rows(root / "items/test.parquet")[0]["session"]}, *rows[1:]],
    ),
    "the sealed answers are not those of the test items": lambda root: edit(
        root / layout.SEALED_FILE, layout.SEALED, lambda rows: rows[1:]
    ),
    "tells its fault": lambda root: edit(
        root / "items/test.parquet", layout.QUESTIONS,
        lambda rows: [{**rows[0], "slice": json.dumps({"fault": "rub"})}, *rows[1:]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("problem", LIES)
def test_a_manifest_that_fits_hides_nothing(root, problem):
    LIES[problem](root)
    signed(root)
    assert any(problem in one for one in problems(root)), problems(root)
    with pytest.raises(OtoloopError, match="is not sound"):
        require_sound(root)
