"""What a drafter once wrote for a question, kept under all that it depends on, so that it is never asked twice."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Memo:
    """Texts by key in a folder; safe for several processes, since files appear whole or not at all."""

    folder: Path
    hits: int = 0

    def get(self, key: str) -> str | None:
        """The text under ``key``, or None."""
        try:
            text = self._path(key).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        self.hits += 1
        return text

    def put(self, key: str, text: str) -> None:
        """Keep ``text``; a crash leaves no half file."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.txt"


def memo_key(*, clip: str, item: str, prompt: str, drafter: str, model: str) -> str:
    """The key of one drafted text."""
    row = json.dumps([clip, item, prompt, drafter, model], ensure_ascii=False)
    return hashlib.sha256(row.encode()).hexdigest()
