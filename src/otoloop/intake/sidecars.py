"""What comes beside the audio: a note as JSON, sensor series as CSV or parquet. Lenient in form, strict in meaning."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.intake.keys import parse_time
from otoloop.reasoning.vocab import by_name, faults
from otoloop.records import Note

MAX_NOTE_BYTES = 256 * 1024
MAX_SENSOR_BYTES = 64 * 1024 * 1024
MAX_TEXT = 4000
SENSORS = ("speed_rpm", "vibration_rms_mm_s", "current_a", "temperature_c")
CLOSED = ("machine", "state", "symptom", "fault", "severity")
_JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
_JAPANESE_RUN = re.compile(r"[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff5e]{2}")


def decode_text(data: bytes) -> str:
    """Text in UTF-8, UTF-16 with a mark, Shift-JIS or Windows-1252: what recorders and spreadsheets on sites write."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "cp932"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        # nearly every byte sequence is some Shift-JIS: believe it only where Japanese letters stand together
        if encoding == "utf-8-sig" or _JAPANESE_RUN.search(text):
            return text
    return data.decode("cp1252", errors="replace")


def clean(text: str) -> str:
    """Composed characters, no control characters but line breaks, no blanks at the ends."""
    composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(c for c in composed if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs")).strip()


def language_of(text: str) -> str:
    """``ja`` when Japanese letters occur, else ``en``."""
    return "ja" if _JAPANESE.search(text) else "en"


def parse_note(data: bytes) -> Note:
    """The note in a JSON file.

    Raises:
        OtoloopError: it is no JSON object, says nothing, or a field has a wrong type or an unknown word.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise _bad_note(f"it has {len(data)} bytes, more than {MAX_NOTE_BYTES}")
    try:
        row = json.loads(decode_text(data))
    except (ValueError, RecursionError) as err:
        raise _bad_note(f"it is no JSON ({err})") from None
    if not isinstance(row, dict):
        raise _bad_note("it is no JSON object")
    return make_note(row)


def make_note(row: Mapping[str, Any]) -> Note:
    """A note from its fields, checked; unknown fields are ignored.

    Raises:
        OtoloopError: it says nothing, or a field has a wrong type or an unknown word.
    """
    values = {name: _field(row, name) for name in ("text", "lang", "author", "time", *CLOSED)}
    text = values["text"] or ""
    when = parse_time(values["time"]) if values["time"] else None
    if not text and when is None and not any(values[name] for name in CLOSED):
        raise _bad_note("it says nothing")
    fault = values["fault"]
    if fault and by_name(fault) is None:
        raise _bad_note(f"the fault {fault!r} is not in the vocabulary ({', '.join(faults())})")
    closed = {name: values[name] or None for name in CLOSED}
    return Note(
        text=text, lang=(values["lang"] or language_of(text)).lower()[:20], author=values["author"] or "",
        time=when.isoformat() if when else "", **closed,
    )  # fmt: skip


def _field(row: Mapping[str, Any], name: str) -> str:
    """One field as clean text; numbers are taken as they are written."""
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _bad_note(f"the field {name!r} is no text")
    text = clean(str(value))
    limit = MAX_TEXT if name == "text" else 200
    if len(text) > limit:
        raise _bad_note(f"the field {name!r} has {len(text)} characters, more than {limit}")
    return text


def _bad_note(why: str) -> OtoloopError:
    remedy = 'Send a JSON object like {"text": "hissing at the valve", "author": "...", "fault": "air_leak"}.'
    return OtoloopError(f"The note cannot be used: {why}.", remedy)


def note_json(note: Note) -> dict[str, Any]:
    """A note as the catalogue keeps it until its audio comes."""
    return {k: v for k, v in asdict(note).items() if v}


def parse_sensors(data: bytes, key: str) -> dict[str, float]:
    """Mean of each known sensor in a CSV (or, by the key's ending, parquet) file.

    Raises:
        OtoloopError: there is no time column ``t_s``, no known sensor, or no readable number.
    """
    if len(data) > MAX_SENSOR_BYTES:
        raise _bad_sensors(f"the file has {len(data)} bytes, more than {MAX_SENSOR_BYTES}")
    columns = _parquet_columns(data) if key.lower().endswith(".parquet") else _csv_columns(decode_text(data))
    if "t_s" not in columns:
        raise _bad_sensors(f"there is no column t_s (columns: {', '.join(list(columns)[:8]) or 'none'})")
    means = {name: _mean(columns[name]) for name in SENSORS if name in columns}
    known = {name: mean for name, mean in means.items() if mean is not None}
    if not known:
        raise _bad_sensors("no column of a known sensor has a number")
    return known


def _csv_columns(text: str) -> dict[str, list[str]]:
    """Columns by header; the separator is what the first line uses, and a decimal comma goes with a semicolon."""
    lines = [line for line in text.replace("\0", "").splitlines() if line.strip()]
    if not lines:
        raise _bad_sensors("the file is empty")
    separator = max(",;\t", key=lines[0].count)
    rows = list(_csv_rows(lines, separator))
    header = [clean(name).lower() for name in rows[0]]
    body = [row + [""] * (len(header) - len(row)) for row in rows[1:]]
    decimal = separator != ","
    cells = [[cell.replace(",", ".") if decimal else cell for cell in row] for row in body]
    return {name: [row[i] for row in cells] for i, name in enumerate(header)}


def _csv_rows(lines: Sequence[str], separator: str) -> Iterable[list[str]]:
    try:
        yield from csv.reader(lines, delimiter=separator)
    except csv.Error as err:
        raise _bad_sensors(f"it is no CSV ({err})") from None


def _parquet_columns(data: bytes) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data), columns=None)
        return {str(name).lower(): table.column(name).to_pylist() for name in table.column_names}
    except (pa.ArrowException, OSError, ValueError) as err:
        raise _bad_sensors(f"it is no parquet file ({str(err).splitlines()[0]})") from None


def _mean(cells: Sequence[Any]) -> float | None:
    """Mean of the cells that are finite numbers."""
    numbers = [n for n in map(_number, cells) if n is not None]
    mean = math.fsum(numbers) / len(numbers) if numbers else None
    return mean if mean is not None and math.isfinite(mean) else None


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _bad_sensors(why: str) -> OtoloopError:
    remedy = f"Send a CSV with the columns t_s and any of {', '.join(SENSORS)}."
    return OtoloopError(f"The sensor file cannot be used: {why}.", remedy)
