"""The CSV with notes: its rows by the recording they speak of. Lenient with spreadsheets, strict with contradictions."""

from __future__ import annotations

import csv
import difflib
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.intake.keys import stem_of
from otoloop.intake.sidecars import clean, decode_text

COLUMNS = (
    "file", "note", "machine", "time", "session", "lang", "author", "state", "symptom", "fault", "severity",
)  # fmt: skip
REMEDY = "Give the CSV the columns file,note[,machine,time,session,lang,author], one row a recording."
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands, and its cells by column."""

    where: str
    cells: Mapping[str, str]


def rows_by_file(notes: Path, root: Path, files: Sequence[Path], tell: Tell) -> dict[Path, Row]:
    """CSV rows by the recording they speak of; ``tell`` hears of rows that speak of none.

    Raises:
        OtoloopError: the CSV cannot be read, no row fits any recording, or two speak of the same.
    """
    names, found = _Names(root, files), dict[Path, Row]()
    loose: list[str] = []
    for row in _rows(notes):
        path, problem = names.find(row.cells["file"])
        if path is None:
            loose.append(f"{row.where}: {row.cells['file']!r} {problem}.")
        elif path in found:
            raise OtoloopError(f"{row.where}: {row.cells['file']!r} has a row already.", "Keep one row a recording.")
        else:
            found[path] = row
    if loose and not found:
        raise OtoloopError(loose[0], f"Write the path below {root}, like {min(names.shown.values())}.")
    for sentence in loose:
        tell(sentence)
    return found


class _Names:
    """What the recordings may be called in a cell."""

    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        base = root if root.is_dir() else root.parent
        self.shown = {path: unicodedata.normalize("NFC", path.relative_to(base).as_posix()) for path in files}

    def find(self, cell: str) -> tuple[Path | None, str]:
        """The recording that a cell names: by its path, by its bare name, or without regard to case and ending.

        None and the reason where no single one fits.
        """
        wanted = unicodedata.normalize("NFC", cell).replace("\\", "/").removeprefix("./")
        bare = wanted.rsplit("/", 1)[-1]
        tries: tuple[tuple[str, Callable[[str], str]], ...] = (
            (wanted, str), (bare, _last), (bare.casefold(), lambda s: _last(s).casefold()),
            (bare.casefold(), lambda s: stem_of(_last(s)).casefold()),
        )  # fmt: skip
        for key, form in tries:
            fits = [path for path, text in self.shown.items() if wanted and form(text) == key]
            if fits:
                return (fits[0], "") if len(fits) == 1 else (None, "names several recordings")
        near = difflib.get_close_matches(wanted, self.shown.values(), 1, 0.8)
        return None, "is not among the recordings" + (f" (is it {near[0]!r}?)" if near else "")


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _rows(notes: Path) -> Iterator[Row]:
    """Rows of the CSV with clean cells; empty ones and unknown columns are left out."""
    try:
        text = decode_text(notes.read_bytes())
    except OSError as err:
        remedy = "Give the path of a CSV file."
        raise OtoloopError(f"The notes {notes} cannot be read: {err.strerror}.", remedy) from None
    lines = text.replace("\0", "").splitlines(keepends=True)
    separator = max(",;\t", key=lines[0].count) if lines else ","
    reader = csv.reader(lines, delimiter=separator)
    try:
        header = [clean(name).lower() for name in next(reader, [])]
        _check_header(notes, header)
        for cells in reader:
            row = {name: clean(cell) for name, cell in zip(header, cells, strict=False) if name in COLUMNS}
            if any(row.values()):
                yield Row(f"{notes.name}, line {reader.line_num}", {"file": "", **row})
    except csv.Error as err:
        raise OtoloopError(f"{notes.name}, line {reader.line_num}: {err}.", REMEDY) from None


def _check_header(notes: Path, header: Sequence[str]) -> None:
    missing = [name for name in ("file", "note") if name not in header]
    if missing:
        shown = ", ".join(name for name in header if name)[:200] or "none"
        raise OtoloopError(f"{notes.name} has no column {' and no column '.join(missing)} (it has: {shown}).", REMEDY)
