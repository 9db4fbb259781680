"""Write the files of a release: audio shards by clip, appended and never rewritten; items anew for every release."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoloop.outs import file_sha256, read_json, write_json
from otoloop.release import layout
from otoloop.release.splits import SPLITS, Split, Splits

Fetch = Callable[[Sequence[str]], Iterable[tuple[str, bytes]]]
"""Bytes of clips in the order asked for."""
_ROW_GROUP = 64
_CHUNK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an intent says a release holds.

    ``clips`` are rows of `layout.AUDIO` without ``audio``, ``items`` rows of `layout.LESSONS` with ``measured`` beside.
    Both are sorted by the writer, so their order does not matter. ``base_shards`` is the number of audio shards
    of the release before, which stay as they are.
    """

    release: str
    cutoff: str
    clips: Sequence[Mapping[str, Any]]
    items: Mapping[Split, Sequence[Mapping[str, Any]]]
    splits: Splits
    base_shards: int = 0
    withheld: int = 0


def write(root: Path, content: Content, fetch: Fetch, shard_mb: float) -> dict[str, Any]:
    """Bring ``root`` to exactly what ``content`` says and return its manifest; half-written earlier tries are replaced.

    The same content over the same earlier shards gives the same bytes.
    """
    _drop_unfinished(root, content.base_shards)
    held = {row["clip"] for path in audio_files(root) for row in layout.read_rows(path, ["clip"])}
    fresh = sorted((c for c in content.clips if c["clip"] not in held), key=lambda c: c["clip"])
    for number, rows in enumerate(_shards(fresh, fetch, shard_mb * 2**20), content.base_shards):
        layout.write_table(root / "audio" / f"{number:04d}.parquet", layout.AUDIO, rows, row_group=_ROW_GROUP)
    _write_items(root, content)
    write_json(root / layout.SPLITS_FILE, splits_json(content.splits))
    manifest = make_manifest(root, content)
    write_json(root / layout.MANIFEST, manifest)
    return manifest


def audio_files(root: Path) -> list[Path]:
    """The audio shards of a release, oldest first."""
    return sorted((root / "audio").glob("[0-9][0-9][0-9][0-9].parquet"))


def _drop_unfinished(root: Path, base_shards: int) -> None:
    """Remove what an unfinished try of this release left behind."""
    for path in (*audio_files(root)[base_shards:], *(root / "audio").glob(".*.part")):
        path.unlink()


def _shards(clips: Sequence[Mapping[str, Any]], fetch: Fetch, limit: float) -> Iterator[list[dict[str, Any]]]:
    """Rows with their bytes, cut after the clip that fills a shard."""
    rows: list[dict[str, Any]] = []
    size = 0
    for row in _with_audio(clips, fetch):
        rows.append(row)
        size += len(row["audio"]["bytes"])
        if size >= limit:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _with_audio(clips: Sequence[Mapping[str, Any]], fetch: Fetch) -> Iterator[dict[str, Any]]:
    for start in range(0, len(clips), _CHUNK):
        part = clips[start : start + _CHUNK]
        for row, (clip, data) in zip(part, fetch([c["clip"] for c in part]), strict=True):
            assert clip == row["clip"], "bytes come in the order asked for"
            yield {**row, "audio": {"bytes": as_flac(data), "path": f"{clip}.flac"}}


def as_flac(data: bytes) -> bytes:
    """FLAC bytes as they are; anything else encoded as FLAC: integer PCM losslessly, other samples at 24 bit."""
    import soundfile

    if data[:4] == b"fLaC":
        return data
    with soundfile.SoundFile(io.BytesIO(data)) as source:
        subtype = source.subtype if source.subtype in ("PCM_S8", "PCM_16", "PCM_24") else "PCM_24"
        samples, rate = source.read(dtype="int32" if subtype == source.subtype else "float64"), source.samplerate
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format="FLAC", subtype=subtype)
    return out.getvalue()


def _write_items(root: Path, content: Content) -> None:
    """Items by split; test is divided into questions that all may read and answers that only `score` reads."""
    rows = {split: sorted(content.items.get(split, ()), key=lambda r: r["id"]) for split in SPLITS}
    for split in SPLITS:
        schema = layout.QUESTIONS if split == "test" else layout.LESSONS
        shown = [question_only(r) for r in rows[split]] if split == "test" else rows[split]
        path = root / layout.ITEMS_FILE.format(split=split)
        layout.write_table(path, schema, [_only(schema, r) for r in shown])
    layout.write_table(root / layout.SEALED_FILE, layout.SEALED, [_only(layout.SEALED, r) for r in rows["test"]])


def _only(schema: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in schema.names}


def question_only(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row without anything that tells the answer; its slice loses the fault."""
    import json

    shown = {k: v for k, v in json.loads(row["slice"]).items() if k != "fault"}
    return {**{k: row[k] for k in layout.QUESTIONS.names}, "slice": layout.compact(shown)}


def splits_json(splits: Splits) -> dict[str, Any]:
    """`Splits` as splits.json holds them."""
    return {"sessions": dict(splits.sessions), "groups": dict(splits.groups), "held_out": dict(splits.held_out)}


def read_splits(root: Path) -> Splits:
    """The splits of a release; empty when there is none yet."""
    path = root / layout.SPLITS_FILE
    return Splits(**read_json(path)) if path.is_file() else Splits()


def make_manifest(root: Path, content: Content) -> dict[str, Any]:
    """Digests and counts of what lies in ``root``; tombstones are carried over from the manifest before."""
    before = read_json(root / layout.MANIFEST) if (root / layout.MANIFEST).is_file() else {}
    files = [*audio_files(root), root / layout.SEALED_FILE, root / layout.SPLITS_FILE]
    files += [root / layout.ITEMS_FILE.format(split=split) for split in SPLITS]
    return {
        "release": content.release,
        "cutoff": content.cutoff,
        "files": {p.relative_to(root).as_posix(): {"sha256": file_sha256(p), "bytes": p.stat().st_size} for p in files},
        "counts": {split: _count(content.items.get(split, ())) for split in SPLITS},
        "withheld": content.withheld,
        "tombstones": before.get("tombstones", []),
    }


def _count(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    distinct = {plural: len({r[name] for r in rows}) for plural, name in (("clips", "clip"), ("sessions", "session"))}
    return {"items": len(rows), **distinct}
