"""What one model did on one item, as a row that is written, compared and judged later.

Rows hold ids, shares and fault names only. Outputs stay in the answers, sound in the store: erasing a clip never has
to chase copies of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.evaluate.suites import read_rows, refuse_duplicates
from otoloop.outs import write_jsonl

HEALTHY = ("normal",)
NOT_A_FAULT = ("normal", "silence", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One model's answer to one item, judged.

    Attributes:
        item_sha256: digest of the item as it was scored.
        cluster: recording session; items of one cluster are not independent.
        gold: fault id (or option text) that is right; ``said``: what was answered, None if unread.
        correct: right by the strict rule; ``official``: by the published one, None where that leaves the item out.
        reading: ``read`` or why no answer was read.
        consistent: the summary names what the response names; None without a summary.
        claims: statements in the trace that could be compared with the sound; ``claims_right``: those confirmed.
        think_chars: length of the chain of thought.
    """

    id: str
    item_sha256: str
    clip: str
    suite: str
    cluster: str
    kind: str
    style: str
    slice: Mapping[str, str] = field(default_factory=dict)
    gold: str
    said: str | None
    correct: bool
    official: bool | None
    format_valid: bool
    reading: str
    consistent: bool | None = None
    claims: int = 0
    claims_right: int = 0
    think_chars: int = 0

    @property
    def faulty(self) -> bool:
        """Whether the sound shows a fault."""
        return "fault" in self.slice and self.slice["fault"] not in NOT_A_FAULT

    @property
    def missed(self) -> bool:
        """A faulty machine that was called normal."""
        return self.faulty and self.said in HEALTHY

    @property
    def false_alarm(self) -> bool:
        """A normal machine that was called faulty."""
        healthy = self.slice.get("fault") in HEALTHY
        return healthy and self.said is not None and self.said not in NOT_A_FAULT


def write_results(results: Iterable[Result], path: Path) -> None:
    """Write rows as JSON lines, sorted by suite and id, so that equal results are equal files."""
    write_jsonl(path, (asdict(r) for r in sorted(results, key=lambda r: (r.suite, r.id))))


def read_results(path: Path) -> list[Result]:
    """Read rows written by `write_results`.

    Raises:
        OtoloopError: missing or unreadable file, a row that is no result, or a doubled id.
    """
    rows = []
    for number, row in enumerate(read_rows(path), 1):
        try:
            rows.append(Result(**{k: row[k] for k in Result.__dataclass_fields__ if k in row}))
        except TypeError as err:
            raise OtoloopError(
                f"{path}, line {number} is no result: {err}.", "Write it with `otoloop stage score`."
            ) from None
    refuse_duplicates([r.id for r in rows], path)
    return rows


def read_all(folder: Path) -> dict[str, list[Result]]:
    """Results of every answerer in a folder: ``{answerer: rows}`` from ``<answerer>.jsonl``.

    Raises:
        OtoloopError: the folder is missing or empty.
    """
    files = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
    if not files:
        raise OtoloopError(f"There are no results in {folder}.", "Run `otoloop stage score` first.")
    return {f.stem: read_results(f) for f in files}


def where(results: Sequence[Result], **slices: str) -> list[Result]:
    """Rows whose slice has these values."""
    return [r for r in results if all(r.slice.get(k) == v for k, v in slices.items())]
