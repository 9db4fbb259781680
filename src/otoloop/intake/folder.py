"""A folder of recordings on this machine, with notes in a CSV, as uploads for the incoming bucket.

File names become parts of keys only after everything unsafe in them is replaced; nothing is ever written to a path.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from otoloop.errors import OtoloopError
from otoloop.intake import times
from otoloop.intake.keys import AUDIO_SUFFIX, NAME_CHARACTERS, SIDECARS, stem_of
from otoloop.intake.noted import Row, Tell, rows_by_file
from otoloop.intake.sidecars import make_note, note_json

NO_MACHINE = "machine"
FILE_CHARACTERS, KEPT_CHARACTERS = 200, 60
"""A longer name is cut to the second and gets a digest of the whole."""
NO_ROW = Row("", {})


@dataclass(frozen=True, slots=True)
class Upload:
    """One recording: its file, its key without ending, when it was recorded, its note and its sidecar files."""

    path: Path
    shown: str
    folder: str
    name: str
    made: times.Made
    note: Mapping[str, Any] | None
    sidecars: Sequence[Path]

    @property
    def time(self) -> datetime:
        """When it was recorded."""
        return self.made.time

    def key(self, suffix: str = "") -> str:
        """The object's key; ``suffix`` goes before the ending."""
        stem, dot, ending = self.name.rpartition(".")
        return f"{self.folder}/{stem}{suffix}{dot}{ending}"

    def note_bytes(self) -> bytes | None:
        """The note as the JSON that goes beside the recording."""
        return json.dumps(self.note, ensure_ascii=False).encode() if self.note else None


def plan(
    root: Path, *, site: str, machine: str | None = None, notes: Path | None = None, tell: Tell = lambda _: None
) -> list[Upload]:
    """What to upload from a folder (or of a single file), by path.

    Args:
        root: the folder; its subfolders are taken as machines.
        site: where the recordings were made.
        machine: machine of recordings for which neither the CSV nor a subfolder names one.
        notes: CSV with the columns file,note[,machine,time,session,lang,author].
        tell: hears what a person should know of: rows of the CSV without a recording, files left alone.

    Raises:
        OtoloopError: there is no folder or no recording in it, the CSV is wrong, or a name cannot be used.
    """
    files = _recordings(root, tell)
    rows = rows_by_file(notes, root, files, tell) if notes else {}
    place, beside = safe_name(site, "site"), _sidecars({path.parent for path in files})
    uploads = [
        _upload(root, path, place, machine, rows.get(path, NO_ROW), beside.get(path.parent / stem_of(path.name), []))
        for path in files
    ]
    return _apart(_sessions(uploads))


def _recordings(root: Path, tell: Tell) -> list[Path]:
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise OtoloopError(f"There is no folder {root}.", "Give the folder that holds the recordings.")
    every = sorted(_files(root))
    files = [path for path in every if AUDIO_SUFFIX.search(path.name)]
    if not files:
        raise OtoloopError(f"There are no recordings in {root}.", "Put WAV or FLAC files there.")
    if left := _strangers(every):
        tell(f"Left alone, for their names are not those of recordings: {', '.join(left)}.")
    return files


def _strangers(files: Sequence[Path]) -> list[str]:
    """Endings, with their number, of files that are neither recordings nor sidecars nor tables."""
    known = (*(suffix for suffix, _ in SIDECARS), ".csv", ".tsv")
    count: defaultdict[str, int] = defaultdict(int)
    for path in files:
        if not AUDIO_SUFFIX.search(path.name) and not path.name.lower().endswith(known):
            count[path.suffix.lower() or path.name] += 1
    return [f"{number} {ending}" for ending, number in sorted(count.items())]


def _sessions(uploads: Sequence[Upload]) -> list[Upload]:
    """Recordings whose time nothing tells (their files were copied) become sessions of their own, machine by machine."""
    by_machine: defaultdict[str, list[Upload]] = defaultdict(list)
    for upload in uploads:
        if upload.made.teller == "file":
            by_machine[upload.folder.split("/")[1]].append(upload)
    lost = {
        one.path for group in by_machine.values() if times.copied([(u.path, u.time) for u in group]) for one in group
    }
    return [replace(one, made=_untold(one.made, one.shown)) if one.path in lost else one for one in uploads]


def _untold(made: times.Made, shown: str) -> times.Made:
    return replace(made, teller="nothing", session=made.session or stem_of(shown))


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


def _upload(root: Path, path: Path, site: str, machine: str | None, row: Row, sidecars: Sequence[Path]) -> Upload:
    inner = path.relative_to(root).parts if root.is_dir() else (path.name,)
    own = row.cells.get("machine") or machine or (inner[0] if len(inner) > 1 else NO_MACHINE)
    rest = inner[1:] if len(inner) > 1 else inner
    shown = "/".join(inner)
    made = times.made(path, shown, row.cells)
    folder = f"{site}/{safe_name(own, 'machine')}/{made.time.date().isoformat()}"
    return Upload(path, shown, folder, _file_name("_".join(rest)), made, _note(row), sidecars)


def _note(row: Row) -> Mapping[str, Any] | None:
    """The note in a row; None where it says nothing.

    Raises:
        OtoloopError: a closed field has an unknown word; names the line.
    """
    if not any(value for name, value in row.cells.items() if name not in ("file", "machine", "session")):
        return None
    try:
        return note_json(make_note({**row.cells, "text": row.cells.get("note", "")}))
    except OtoloopError as err:
        raise OtoloopError(f"{row.where}: {err.message}", "Correct that cell, or leave it empty.") from None


def _file_name(text: str) -> str:
    """A recording's name as a part of a key; one that is too long is cut and gets a digest of the whole."""
    if len(text) > FILE_CHARACTERS or len(text.encode()) > 3 * FILE_CHARACTERS:
        stem, ending = text.rsplit(".", 1)
        text = f"{stem[:KEPT_CHARACTERS]}~{hashlib.sha256(text.encode()).hexdigest()[:10]}.{ending}"
    return safe_name(text, "file")


def safe_name(text: str, what: str) -> str:
    """A part of a key: composed letters; slashes, control characters and leading dots replaced.

    Raises:
        OtoloopError: nothing is left of it, or it is too long.
    """
    composed = unicodedata.normalize("NFC", text).strip()
    spaced = "".join(" " if unicodedata.category(c)[0] == "Z" else c for c in composed)
    plain = "".join("_" if unicodedata.category(c)[0] == "C" or c in '/\\:*?"<>|' else c for c in spaced)
    name = re.sub(r"^\.+", "_", plain)
    limit = NAME_CHARACTERS if what != "file" else FILE_CHARACTERS
    if not name.strip("_ ") or len(name) > limit or len(name.encode()) > 700:
        raise OtoloopError(f"{what} {text[:60]!r} cannot be used as a name.", f"Use 1 to {limit} letters and digits.")
    return name
