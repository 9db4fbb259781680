"""The files of a release and their columns.

    release/manifest.json            sha256, rows and bytes of every file; counts; tombstones
    release/splits.json              the split of every session and group for ever (see `splits`)
    release/audio/NNNN.parquet       clips in the layout of the Hugging Face Audio feature, append-only
    release/items/<split>.parquet    questions; train and valid with answers and traces, test without
    release/sealed/test.parquet      answers, traces and measured evidence of test; only `score` reads them

A suite is one parquet file with the columns of all three (audio, item, sealed), one item a row.
JSON columns (``slice``, ``measured``) hold objects with sorted keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from otoloop.outs import replacing
from otoloop.records import Item

_TEXT = pa.string()
AUDIO_TYPE = pa.struct([("bytes", pa.binary()), ("path", _TEXT)])
_PLACE = [("site", _TEXT), ("machine", _TEXT), ("session", _TEXT), ("group", _TEXT), ("time", _TEXT)]
_SOUND = [("audio", AUDIO_TYPE), ("seconds", pa.float64()), ("rate", pa.int32()), ("channels", pa.int32())]
_QUESTION = [
    ("id", _TEXT), ("clip", _TEXT), ("question", _TEXT), ("choices", pa.list_(_TEXT)), ("kind", _TEXT),
    ("style", _TEXT), ("lang", _TEXT), ("evidence", _TEXT), ("slice", _TEXT),
]  # fmt: skip
_ANSWER = [("answer", _TEXT), ("answer_letter", _TEXT), ("fault", _TEXT), ("trace", _TEXT)]

AUDIO = pa.schema([("clip", _TEXT), *_SOUND, *_PLACE])
QUESTIONS = pa.schema(_QUESTION + _PLACE)
LESSONS = pa.schema(_QUESTION + _PLACE + _ANSWER)
SEALED = pa.schema([("id", _TEXT), ("clip", _TEXT), *_ANSWER, ("slice", _TEXT), ("measured", _TEXT)])
SUITE = pa.schema(_QUESTION + _PLACE + _SOUND + _ANSWER + [("measured", _TEXT)])

ITEMS_FILE = "items/{split}.parquet"
SEALED_FILE = "sealed/test.parquet"
MANIFEST = "manifest.json"
SPLITS_FILE = "splits.json"


def write_table(path: Path, schema: pa.Schema, rows: Iterable[Mapping[str, Any]], *, row_group: int = 4096) -> None:
    """Write rows as parquet, a row group at a time; the same rows give the same bytes under the same pyarrow."""
    tagged = schema.with_metadata(_hugging_face(schema))
    waiting = iter(rows)
    with replacing(path) as draft, pq.ParquetWriter(draft, tagged, compression=_compression(schema)) as writer:
        while group := [dict(r) for r in islice(waiting, row_group)]:
            writer.write_table(pa.Table.from_pylist(group, schema=tagged))


def read_rows(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Rows of a parquet file as dicts, all columns or the named ones."""
    return list(pq.read_table(path, columns=list(columns) if columns else None).to_pylist())


def read_batches(path: Path, columns: Sequence[str], size: int) -> Iterable[list[dict[str, Any]]]:
    """Rows in batches of ``size``, for files too large for memory."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=size, columns=list(columns)):
            yield batch.to_pylist()


def item_of(row: Mapping[str, Any]) -> Item:
    """The item of a row; a row of test has no answer, its item an empty one."""
    given = {k: v for k, v in row.items() if v is not None}
    return Item.from_json({"answer": "", **given, "slice": json.loads(row["slice"])})


def compact(data: Mapping[str, Any]) -> str:
    """A JSON column's text."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _compression(schema: pa.Schema) -> dict[str, str]:
    """FLAC is not compressed again."""
    return {f.name: "NONE" if f.name == "audio" else "ZSTD" for f in schema}


def _hugging_face(schema: pa.Schema) -> dict[bytes, bytes]:
    """What `datasets` reads to know the features, the audio column above all."""
    info = {"features": {f.name: _feature(f.type) for f in schema}}
    return {b"huggingface": json.dumps({"info": info}, sort_keys=True).encode()}


def _feature(kind: pa.DataType) -> Any:
    if kind == AUDIO_TYPE:
        return {"_type": "Audio"}
    if pa.types.is_list(kind):
        return {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
    return {"dtype": "float64" if pa.types.is_floating(kind) else str(kind), "_type": "Value"}
