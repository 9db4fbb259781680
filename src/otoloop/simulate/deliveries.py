"""What arrives at the incoming bucket: objects in their order of arrival, each with what should become of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from otoloop.errors import OtoloopError

if TYPE_CHECKING:
    from otoloop.store.s3 import ObjectStore

EARLY, MAIN, LATE, AGAIN = range(4)
"""Waves of arrival: sidecars before their audio, most objects, late sidecars and audio, repetitions and corrections."""
Kind = Literal["audio", "note", "sensors"]


@dataclass(frozen=True)
class Delivery:
    """One object put at ``key``.

    Attributes:
        key: where in the bucket.
        kind: what it is.
        data: its bytes.
        wave: when it arrives.
        expected: admit, duplicate, or a quarantine code.
        accept: outcomes that are right as well (a broken file may be caught at more than one step).
        clip: name of the recording it belongs to.
        why: one sentence for people.
        sparse: total size of a file of which ``data`` is only the start (the rest is zeros).
    """

    key: str
    kind: Kind
    data: bytes = field(repr=False)
    wave: int = MAIN
    expected: str = "admit"
    accept: tuple[str, ...] = ()
    clip: str = ""
    why: str = ""
    sparse: int = 0

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return max(len(self.data), self.sparse)

    def row(self, seq: int, file: str) -> dict[str, Any]:
        """Its line in deliveries.jsonl."""
        return {
            "seq": seq, "wave": self.wave, "key": self.key, "file": file, "kind": self.kind, "bytes": self.size,
            "expected": self.expected, "accept": sorted({self.expected, *self.accept}), "clip": self.clip,
            "why": self.why,
        }  # fmt: skip


def write_deliveries(out: Path, deliveries: Iterable[Delivery]) -> list[dict[str, Any]]:
    """Write every object under its key and ``deliveries.jsonl`` in order of arrival.

    Where a key is put twice with other bytes, the earlier bytes lie under ``superseded/``.
    """
    rows: list[dict[str, Any]] = []
    held: dict[str, Delivery] = {}
    for seq, delivery in enumerate(sorted(deliveries, key=lambda d: d.wave)):
        before = held.get(delivery.key)
        if before is not None and before.data != delivery.data:
            _supersede(out, rows, delivery.key)
        if before is None or before.data != delivery.data:
            _write(out / delivery.key, delivery)
        held[delivery.key] = delivery
        rows.append(delivery.row(seq, delivery.key))
    write_jsonl(out / "deliveries.jsonl", rows)
    return rows


def _supersede(out: Path, rows: list[dict[str, Any]], key: str) -> None:
    """Move what lies at ``key`` aside and let the earlier rows point there."""
    aside = f"superseded/{key}"
    (out / aside).parent.mkdir(parents=True, exist_ok=True)
    (out / key).replace(out / aside)
    for row in rows:
        if row["file"] == key:
            row["file"] = aside


def _write(path: Path, delivery: Delivery) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(delivery.data)
        file.truncate(delivery.size)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line, UTF-8."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that `write_jsonl` wrote."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def upload(out: Path, store: ObjectStore, waves: Iterable[int] | None = None) -> int:
    """Put what ``deliveries.jsonl`` lists into the incoming bucket, wave by wave; returns the number of objects.

    Args:
        out: a folder that `otoloop simulate` wrote.
        store: where to.
        waves: only these waves (0 early, 1 main, 2 late, 3 again); all by default.

    Raises:
        OtoloopError: ``out`` holds no deliveries.
    """
    from otoloop.store.bulk import put_many

    try:
        rows = read_jsonl(out / "deliveries.jsonl")
    except FileNotFoundError:
        raise OtoloopError(f"{out} holds no deliveries.jsonl.", "Run `otoloop simulate` into it first.") from None
    count = 0
    for wave in sorted({r["wave"] for r in rows} if waves is None else set(waves)):
        chosen = {r["key"]: r["file"] for r in rows if r["wave"] == wave}
        count += put_many(store, "incoming", ((key, (out / file).read_bytes()) for key, file in chosen.items()))
    return count
