"""A folder of recordings on this machine, with notes in a CSV, as uploads for the incoming bucket.

File names become parts of keys only after everything unsafe in them is replaced; nothing is ever written to a path.
"""

from __future__ import annotations

import csv
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.intake.keys import AUDIO_SUFFIX, NAME_CHARACTERS, SIDECARS, parse_time, stem_of
from otoloop.intake.sidecars import clean, decode_text, make_note, note_json

NO_MACHINE = "machine"
COLUMNS = ("file", "note", "machine", "time", "lang", "author", "state", "symptom", "fault", "severity")
REMEDY = "Give the CSV the columns file,note[,machine,time,lang,author], one row a recording."


@dataclass(frozen=True, slots=True)
class Upload:
    """One recording: its file, its key without ending, when it was recorded, its note and its sidecar files."""

    path: Path
    shown: str
    folder: str
    name: str
    time: datetime
    note: Mapping[str, Any] | None
    sidecars: Sequence[Path]

    def key(self, suffix: str = "") -> str:
        """The object's key; ``suffix`` goes before the ending."""
        stem, dot, ending = self.name.rpartition(".")
        return f"{self.folder}/{stem}{suffix}{dot}{ending}"

    def note_bytes(self) -> bytes | None:
        """The note as the JSON that goes beside the recording."""
        return json.dumps(self.note, ensure_ascii=False).encode() if self.note else None


def plan(root: Path, *, site: str, machine: str | None = None, notes: Path | None = None) -> list[Upload]:
    """What to upload from a folder (or of a single file), by path.

    Args:
        root: the folder; its subfolders are taken as machines.
        site: where the recordings were made.
        machine: machine of recordings for which neither the CSV nor a subfolder names one.
        notes: CSV with the columns file,note[,machine,time,lang,author].

    Raises:
        OtoloopError: there is no folder or no recording in it, the CSV is wrong, or a name cannot be used.
    """
    files = _recordings(root)
    rows = _rows_by_file(notes, root, files) if notes else {}
    place, beside = safe_name(site, "site"), _sidecars({path.parent for path in files})
    uploads = [
        _upload(root, path, place, machine, rows.get(path, {}), beside.get(path.parent / stem_of(path.name), []))
        for path in files
    ]
    return _apart(uploads)


def _recordings(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise OtoloopError(f"There is no folder {root}.", "Give the folder that holds the recordings.")
    files = sorted(path for path in _files(root) if AUDIO_SUFFIX.search(path.name))
    if not files:
        raise OtoloopError(f"There are no recordings in {root}.", "Put WAV or FLAC files there.")
    return files


def _files(root: Path) -> Iterator[Path]:
    """Files below a folder, hidden ones left out."""
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _apart(uploads: Sequence[Upload]) -> list[Upload]:
    """Give recordings of one name but different endings (a.wav, a.flac) names of their own: their notes go apart."""
    taken: set[str] = set()
    out = []
    for upload in uploads:
        number = 1
        while stem_of(upload.key()) in taken:
            number += 1
            stem, _, ending = upload.name.rpartition(".")
            upload = replace(upload, name=f"{stem.removesuffix(f'-{number - 1}')}-{number}.{ending}")
        taken.add(stem_of(upload.key()))
        out.append(upload)
    return out


def _sidecars(folders: Iterable[Path]) -> dict[Path, list[Path]]:
    """Sidecar files by the path, without ending, of the recording they lie beside."""
    found: dict[Path, list[Path]] = {}
    for path in sorted(path for folder in folders for path in folder.iterdir() if path.is_file()):
        if any(path.name.lower().endswith(suffix) for suffix, _ in SIDECARS):
            found.setdefault(path.parent / stem_of(path.name), []).append(path)
    return found


def _upload(
    root: Path, path: Path, site: str, machine: str | None, row: Mapping[str, str], sidecars: Sequence[Path]
) -> Upload:
    inner = path.relative_to(root).parts if root.is_dir() else (path.name,)
    own = row.get("machine") or machine or (inner[0] if len(inner) > 1 else NO_MACHINE)
    rest = inner[1:] if len(inner) > 1 else inner
    when = _time_of(path, row)
    folder = f"{site}/{safe_name(own, 'machine')}/{when.date().isoformat()}"
    note = note_json(make_note({**row, "text": row.get("note", "")})) if _says_something(row) else None
    return Upload(path, "/".join(inner), folder, safe_name("_".join(rest), "file"), when, note, sidecars)


def _says_something(row: Mapping[str, str]) -> bool:
    return any(value for name, value in row.items() if name not in ("file", "machine"))


def _time_of(path: Path, row: Mapping[str, str]) -> datetime:
    """Time of the CSV, else of the file."""
    if not row.get("time"):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    when = parse_time(row["time"])
    if when is None:
        raise OtoloopError(f"The time {row['time']!r} of {row['file']} is no time.", "Write it as 2026-05-01T08:30:00.")
    return when


def safe_name(text: str, what: str) -> str:
    """A part of a key: composed letters; slashes, control characters and leading dots replaced.

    Raises:
        OtoloopError: nothing is left of it, or it is too long.
    """
    composed = unicodedata.normalize("NFC", text).strip()
    spaced = "".join(" " if unicodedata.category(c)[0] == "Z" else c for c in composed)
    plain = "".join("_" if unicodedata.category(c)[0] == "C" or c in '/\\:*?"<>|' else c for c in spaced)
    name = re.sub(r"^\.+", "_", plain)
    limit = NAME_CHARACTERS if what != "file" else 200
    if not name.strip("_ ") or len(name) > limit or len(name.encode()) > 700:
        raise OtoloopError(f"{what} {text[:60]!r} cannot be used as a name.", f"Use 1 to {limit} letters and digits.")
    return name


def _rows_by_file(notes: Path, root: Path, files: Sequence[Path]) -> dict[Path, dict[str, str]]:
    """CSV rows by the recording they speak of."""
    found: dict[Path, dict[str, str]] = {}
    for number, row in _csv_rows(notes):
        path = _match(row["file"], root, files, f"{notes.name}, line {number}")
        if path in found:
            message = f"{notes.name}, line {number}: {row['file']!r} has a row already."
            raise OtoloopError(message, "Keep one row a recording.")
        found[path] = row
    return found


def _csv_rows(notes: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of the CSV with clean cells, unknown columns left out."""
    try:
        text = decode_text(notes.read_bytes())
    except OSError as err:
        raise OtoloopError(
            f"The notes {notes} cannot be read: {err.strerror}.", "Give the path of a CSV file."
        ) from None
    lines = text.replace("\0", "").splitlines(keepends=True)
    separator = max(",;\t", key=lines[0].count) if lines else ","
    reader = csv.reader(lines, delimiter=separator)
    try:
        header = [clean(name).lower() for name in next(reader, [])]
        _check_header(notes, header)
        for cells in reader:
            row = {name: clean(cell) for name, cell in zip(header, cells, strict=False) if name in COLUMNS}
            if any(row.values()):
                yield reader.line_num, {"file": "", **row}
    except csv.Error as err:
        raise OtoloopError(f"{notes.name}, line {reader.line_num}: {err}.", REMEDY) from None


def _check_header(notes: Path, header: Sequence[str]) -> None:
    missing = [name for name in ("file", "note") if name not in header]
    if missing:
        shown = ", ".join(name for name in header if name)[:200] or "none"
        raise OtoloopError(f"{notes.name} has no column {' and no column '.join(missing)} (it has: {shown}).", REMEDY)


def _match(name: str, root: Path, files: Sequence[Path], where: str) -> Path:
    """The recording that a cell names: by its path below the folder, or by its bare name where that is unique."""
    wanted = unicodedata.normalize("NFC", name).replace("\\", "/").removeprefix("./")
    base = root if root.is_dir() else root.parent
    shown = {path: unicodedata.normalize("NFC", path.relative_to(base).as_posix()) for path in files}
    exact = [path for path, text in shown.items() if text == wanted]
    near = exact or [path for path, text in shown.items() if text.rsplit("/", 1)[-1] == wanted]
    if len(near) == 1:
        return near[0]
    problem = "names several recordings" if near else "is not among the recordings"
    raise OtoloopError(f"{where}: {name!r} {problem}.", f"Write the path below {root}, like {min(shown.values())}.")
