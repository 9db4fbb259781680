"""Export a release for others: items joined with their audio, one parquet file a split, for `datasets.load_dataset`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from otoloop.errors import OtoloopError
from otoloop.outs import read_json, replacing
from otoloop.release import layout
from otoloop.release.shards import audio_files
from otoloop.release.splits import SPLITS

_GROUP = 64


def export_hf(root: Path, target: Path) -> dict[str, int]:
    """Write ``data/<split>-00000-of-00001.parquet`` and a README.md that names them into ``target``.

    Test comes without answers: those stay sealed. Returns the number of rows by split.

    Raises:
        OtoloopError: ``target`` is not empty, or there is no release in ``root``.
    """
    if not (root / layout.MANIFEST).is_file():
        raise OtoloopError(f"There is no release in {root}.", "Run `dvc pull release.dvc`.")
    if target.is_dir() and any(target.iterdir()):
        raise OtoloopError(f"{target} is not empty.", "Give a new folder.")
    where = _places(root)
    counts: dict[str, int] = {}
    with replacing(target) as out:
        for split in SPLITS:
            rows = sorted(_rows(root, split), key=lambda r: (where[r["clip"]], r["id"]))
            schema = _joined(layout.QUESTIONS if split == "test" else layout.LESSONS)
            path = out / "data" / f"{split}-00000-of-00001.parquet"
            layout.write_table(path, schema, _with_audio(root, rows, where), row_group=_GROUP)
            counts[split] = len(rows)
        (out / "README.md").write_text(_card(read_json(root / layout.MANIFEST), counts), encoding="utf-8")
    return counts


def _rows(root: Path, split: str) -> list[dict[str, Any]]:
    return layout.read_rows(root / layout.ITEMS_FILE.format(split=split))


def _joined(items: pa.Schema) -> pa.Schema:
    """Columns of items with the audio's own put in."""
    sound = [f for f in layout.AUDIO if f.name in ("audio", "seconds", "rate", "channels")]
    return pa.schema([*items, *sound])


def _places(root: Path) -> dict[str, str]:
    """The shard of each clip."""
    return {r["clip"]: p.name for p in audio_files(root) for r in layout.read_rows(p, ["clip"])}


def _with_audio(root: Path, rows: list[dict[str, Any]], where: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Rows in the order of the shards, so that one shard at a time is open."""
    name, sounds = "", dict[str, dict[str, Any]]()
    for row in rows:
        if where[row["clip"]] != name:
            name = where[row["clip"]]
            columns = ["clip", "audio", "seconds", "rate", "channels"]
            sounds = {r["clip"]: r for r in layout.read_rows(root / "audio" / name, columns)}
        yield {**row, **sounds[row["clip"]]}


def _card(manifest: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """The head that `datasets` reads, and a few words."""
    files = "\n".join(f"  - split: {s}\n    path: data/{s}-*.parquet" for s in counts)
    shown = ", ".join(f"{n} {split}" for split, n in counts.items())
    return (
        f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}\n---\n"
        f"# Release {manifest['release']}\n\nQuestions about machine sounds with checked chains of thought: "
        f"{shown} items.\nTest has no answers; they are sealed.\n"
    )
