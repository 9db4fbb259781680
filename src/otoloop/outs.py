"""How stages write: to a temporary name beside the target, renamed when whole, so that existence means complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from otoloop.errors import room_for


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path that becomes ``target`` (file or folder) at the end of the block, and vanishes if it fails.

    Raises:
        OtoloopError: the disk is full.
    """
    draft = target.with_name(f".{target.name}.part")
    with room_for(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(draft)
        try:
            yield draft
            if target.is_dir():
                _remove(target)
            os.replace(draft, target)
        finally:
            _remove(draft)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(target: Path, data: Any) -> None:
    """One JSON document with sorted keys; the same data give the same bytes. Refuses NaN."""
    text = json.dumps(data, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    with replacing(target) as draft:
        draft.write_text(text + "\n", encoding="utf-8")


def write_jsonl(target: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line, in the order given."""
    with replacing(target) as draft, draft.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """A JSON document."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """All rows of a JSON lines file."""
    with path.open(encoding="utf-8") as stream:
        return [json.loads(line) for line in stream if line.strip()]


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def key_of(*parts: Any) -> str:
    """A memo key: the sha256 of the parts as canonical JSON; name everything that the value depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
