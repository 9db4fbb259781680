"""Is a release what it says it is? Digests, columns, one place per clip, no leak between splits, no answer in test."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from otoloop.errors import OtoloopError
from otoloop.outs import file_sha256, read_json
from otoloop.release import layout
from otoloop.release.shards import audio_files
from otoloop.release.splits import SPLITS

_TOGETHER = ("clip", "session", "group")


def problems(root: Path) -> list[str]:
    """Everything wrong with the release in ``root``, in words; an empty list means that it is sound."""
    if not (root / layout.MANIFEST).is_file():
        return [f"{layout.MANIFEST} is missing"]
    try:
        damaged = [*_digests(root, read_json(root / layout.MANIFEST)), *_columns(root)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return [f"{layout.MANIFEST} is damaged"]
    return damaged or [*_places(root), *_leaks(root), *_sealing(root)]


def require_sound(root: Path) -> None:
    """Refuse a release that is not what it says.

    Raises:
        OtoloopError: names up to three problems.
    """
    found = problems(root)
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        message = f"The release in {root} is not sound: {'; '.join(found[:3])}{more}."
        raise OtoloopError(message, "Restore it with `dvc checkout release.dvc`, or make it again.")


def _digests(root: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Files against the manifest, both ways."""
    present = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()} - {layout.MANIFEST}
    for name, told in manifest["files"].items():
        if name not in present:
            yield f"{name} is missing"
        elif file_sha256(root / name) != told["sha256"]:
            yield f"{name} has another sha256 than the manifest says"
    yield from (f"{name} is not in the manifest" for name in sorted(present - set(manifest["files"])))


def _columns(root: Path) -> Iterator[str]:
    files = [(path, layout.AUDIO) for path in audio_files(root)]
    files += [(_items(root, s), layout.QUESTIONS if s == "test" else layout.LESSONS) for s in SPLITS]
    for path, schema in [*files, (root / layout.SEALED_FILE, layout.SEALED)]:
        if not path.is_file():
            yield f"{path.relative_to(root)} is missing"
        elif (found := _schema(path)) is None:
            yield f"{path.relative_to(root)} is no parquet file"
        elif not found.equals(schema, check_metadata=False):
            yield f"{path.relative_to(root)} has other columns than a release of this version"


def _schema(path: Path) -> Any:
    """The columns of a parquet file, None for anything else."""
    try:
        return pq.read_schema(path)
    except (OSError, ValueError):  # pyarrow's own errors are kinds of these
        return None


def _items(root: Path, split: str) -> Path:
    return root / layout.ITEMS_FILE.format(split=split)


def _places(root: Path) -> Iterator[str]:
    """Each clip in exactly one shard, each item's clip in some shard."""
    count = Counter(r["clip"] for path in audio_files(root) for r in layout.read_rows(path, ["clip"]))
    yield from (f"clip {clip} lies in {n} shards" for clip, n in sorted(count.items()) if n > 1)
    for split in SPLITS:
        lost = sorted({r["clip"] for r in layout.read_rows(_items(root, split), ["clip"])} - set(count))
        yield from (f"{split} asks about clip {clip}, which has no audio" for clip in lost)


def _leaks(root: Path) -> Iterator[str]:
    """Nothing that belongs together in two splits, no item twice."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    ids: list[str] = []
    for split in SPLITS:
        rows = layout.read_rows(_items(root, split), ["id", *_TOGETHER])
        ids += [r["id"] for r in rows]
        for what in _TOGETHER:
            for row in rows:
                found[what, row[what]].add(split)
    for (what, name), splits in sorted(found.items()):
        if len(splits) > 1:
            yield f"{what} {name} lies in {' and '.join(sorted(splits))}"
    yield from _twice("item", ids)


def _twice(what: str, ids: Iterable[str]) -> Iterator[str]:
    yield from (f"{what} {one} stands {n} times" for one, n in sorted(Counter(ids).items()) if n > 1)


def _sealing(root: Path) -> Iterator[str]:
    """Every question of test has its answer in the sealed file, and nowhere else."""
    asked = layout.read_rows(_items(root, "test"), ["id", "slice"])
    answered = [r["id"] for r in layout.read_rows(root / layout.SEALED_FILE, ["id"])]
    if sorted(r["id"] for r in asked) != sorted(answered):
        yield "the sealed answers are not those of the test items"
    yield from (f"test item {r['id']} tells its fault" for r in asked if '"fault"' in r["slice"])
