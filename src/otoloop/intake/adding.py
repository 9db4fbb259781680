"""`otoloop add`: from a folder on this machine to clips, with what became of every file."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoloop.catalog import deliveries, notes, open_workspace
from otoloop.catalog.notes import Label
from otoloop.catalog.tables import DeliveryRow
from otoloop.intake import pull
from otoloop.intake.discover import BUCKET
from otoloop.intake.folder import Upload, plan
from otoloop.intake.report import IntakeReport, Refusal, refusal_lines
from otoloop.intake.upload import Put, put_all
from otoloop.params import load_params
from otoloop.reasoning.vocab import faults

KNOWN, TAKEN = "known", ("admitted", "known")
FEW_SESSIONS = 15
"""Below, the share held back for the examination has too few sessions to show anything."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one file: ``admitted``, ``known`` (its sound was here before), ``quarantined`` or ``waiting``.

    ``fault`` is what the clip is taken to show, by its note or a reviewer; None when nobody said.
    """

    file: str
    key: str
    outcome: str
    clip: str | None = None
    fault: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class AddReport:
    """The fates of all files, the report of the intake that decided them, and what a person should know besides."""

    fates: Sequence[Fate]
    intake: IntakeReport
    warnings: Sequence[str] = ()

    @property
    def nothing_taken(self) -> bool:
        """Whether every single file was refused."""
        return not any(fate.outcome in TAKEN for fate in self.fates)

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            **Counter(fate.outcome for fate in self.fates), "recordings": [_fate_json(fate) for fate in self.fates],
            "warnings": list(self.warnings), "intake": self.intake.to_json(),
        }  # fmt: skip

    def human(self) -> str:
        """In words: how many of each, every refusal with its remedy, how the notes were understood, what comes next."""
        counts = Counter(fate.outcome for fate in self.fates)
        refused = [fate.refusal for fate in self.fates if fate.refusal]
        shown = {fate.key: fate.file for fate in self.fates}
        head = ", ".join(
            f"{counts[outcome]} {outcome}" for outcome in (*TAKEN, "quarantined", "waiting") if counts[outcome]
        )
        lines = [f"{len(self.fates)} recordings: {head}.", *refusal_lines(refused, 50, shown)]
        lines += [f"Note: {warning}" for warning in self.warnings]
        return "\n".join([*lines, *self._understood()])

    def _understood(self) -> list[str]:
        """What the notes say, and what to do about those that say nothing."""
        taken = {fate.clip: fate.fault for fate in self.fates if fate.outcome in TAKEN}
        named = Counter(fault for fault in taken.values() if fault)
        lines = []
        if named:
            words = ", ".join(f"{n} {faults()[fault].en}" for fault, n in named.most_common())
            lines = [f"Understood from the notes: {words}."]
        if missing := len(taken) - named.total():
            lines.append(
                f"{missing} {'names' if missing == 1 else 'name'} no fault and {'waits' if missing == 1 else 'wait'} for "
                "a person: `otoloop clips --unlabelled`, then `otoloop review label CLIP --fault NAME`; or add them "
                "again with a note."
            )
        return [*lines, "Next: otoloop draft"] if named else lines


def _fate_json(fate: Fate) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(fate, name) for name in ("file", "key", "outcome", "clip", "fault")}
    if fate.refusal:
        row |= {name: getattr(fate.refusal, name) for name in ("reason_code", "message", "remedy")}
    return row


def add(
    workspace: Path, folder: Path, *, site: str, machine: str | None = None, notes: Path | None = None,
    uploading: pull.Progress = lambda done, total: None, progress: pull.Progress | None = None,
) -> AddReport:  # fmt: skip
    """Upload recordings with their notes and take them in. Adding the same folder again changes nothing.

    Raises:
        OtoloopError: the folder, the CSV or a name is wrong (then nothing was uploaded), or the store failed.
    """
    from otoloop import store
    from otoloop.workspace import ensure_store

    told: list[str] = []
    uploads = plan(folder, site=site, machine=machine, notes=_beside(folder, notes, told), tell=told.append)
    told += _of_sessions(uploads)
    ensure_store(workspace)
    client = store.connect(workspace)
    count = itertools.count(1)
    puts = put_all(
        client, uploads, load_params(workspace / "params.yaml").intake.max_mb,
        done=lambda: uploading(next(count), len(uploads)),
    )  # fmt: skip
    report = pull.run(workspace, progress=progress)
    return AddReport(_fates(workspace, client.bucket(BUCKET), puts, report), report, told)


def _beside(folder: Path, table: Path | None, told: list[str]) -> Path | None:
    """The CSV as given, or of that name in the folder; a table in the folder that nobody gave is spoken of."""
    if table is not None:
        inside = folder / table
        return inside if not table.exists() and inside.is_file() else table
    found = sorted(p.name for p in folder.glob("*.csv") if not p.name.endswith(".sensors.csv"))
    if found:
        told.append(f"{', '.join(found)} was not read; give the notes with --notes.")
    return None


def _of_sessions(uploads: Sequence[Upload]) -> Iterator[str]:
    """What to say of when the recordings were made: a session is never divided between training and examination."""
    untold = sum(upload.made.teller == "nothing" for upload in uploads)
    if untold:
        yield (
            f"Nothing tells when {untold} of the recordings were made (their files were copied), so each counts as a "
            "session of its own. If several were made in one go, say so in a column `session` (or `time`) of the CSV: "
            "else the model is examined on sounds that it has all but learnt."
        )
    sessions = {(upload.folder, upload.made.session) for upload in uploads}
    if FEW_SESSIONS > len(sessions) < len(uploads):
        yield (
            f"{len(uploads)} recordings come from {len(sessions)} session{'s' * (len(sessions) > 1)} (a machine on a "
            "day). A session is never divided between training and examination: record on more days before you expect a verdict."
        )


def _fates(workspace: Path, bucket: str, puts: Sequence[Put], report: IntakeReport) -> list[Fate]:
    """What the catalogue says of every upload."""
    from otoloop.settings import Settings

    book = open_workspace(workspace, Settings().database_url)
    try:
        with book.reading() as session:
            rows = deliveries.by_keys(session, bucket, [put.key for put in puts])
            labels = notes.labels(session, [row.clip for row in rows.values() if row.clip])
            return [_fate(put, rows.get(put.key), report, labels) for put in puts]
    finally:
        book.close()


def _fate(put: Put, row: DeliveryRow | None, report: IntakeReport, labels: Mapping[str, Label]) -> Fate:
    """What the catalogue says of an uploaded file."""
    shown = put.upload.shown
    if put.refusal:
        return Fate(shown, put.key, "quarantined", refusal=put.refusal)
    if row is None or row.state == "claimed":
        return Fate(shown, put.key, "waiting")
    if row.state == "admitted" and row.clip:
        label = labels.get(row.clip)
        outcome = "admitted" if row.clip in report.admitted else KNOWN
        return Fate(shown, put.key, outcome, clip=row.clip, fault=label.fault if label else None)
    refusal = Refusal(
        delivery=row.id, key=row.key, reason_code=row.reason_code or row.state, message=row.message, remedy=row.remedy
    )  # fmt: skip
    return Fate(shown, put.key, "quarantined", refusal=refusal)
