"""`otoloop add`: from a folder on this machine to clips, with what became of every file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoloop.catalog import deliveries, open_workspace
from otoloop.catalog.tables import DeliveryRow
from otoloop.intake import pull
from otoloop.intake.discover import BUCKET
from otoloop.intake.folder import plan
from otoloop.intake.report import IntakeReport, Refusal, refusal_lines
from otoloop.intake.upload import Put, put_all
from otoloop.params import load_params

KNOWN, TAKEN = "known", ("admitted", "known")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one file: ``admitted``, ``known`` (its sound was here before), ``quarantined`` or ``waiting``."""

    file: str
    key: str
    outcome: str
    clip: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class AddReport:
    """The fates of all files, and the report of the intake that decided them."""

    fates: Sequence[Fate]
    intake: IntakeReport

    @property
    def nothing_taken(self) -> bool:
        """Whether every single file was refused."""
        return not any(fate.outcome in TAKEN for fate in self.fates)

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            **Counter(fate.outcome for fate in self.fates), "recordings": [_fate_json(fate) for fate in self.fates],
            "intake": self.intake.to_json(),
        }  # fmt: skip

    def human(self) -> str:
        """In words: how many of each, then every refusal with its remedy."""
        counts = Counter(fate.outcome for fate in self.fates)
        refused = [fate.refusal for fate in self.fates if fate.refusal]
        shown = {fate.key: fate.file for fate in self.fates}
        head = ", ".join(
            f"{counts[outcome]} {outcome}" for outcome in (*TAKEN, "quarantined", "waiting") if counts[outcome]
        )
        lines = [f"{len(self.fates)} recordings: {head}.", *refusal_lines(refused, 50, shown)]
        if self.intake.unlabelled:
            lines.append(f"{self.intake.unlabelled} of them name no fault and wait for a reviewer.")
        return "\n".join(lines)


def _fate_json(fate: Fate) -> dict[str, Any]:
    row: dict[str, Any] = {"file": fate.file, "key": fate.key, "outcome": fate.outcome, "clip": fate.clip}
    if fate.refusal:
        row |= {name: getattr(fate.refusal, name) for name in ("reason_code", "message", "remedy")}
    return row


def add(
    workspace: Path, folder: Path, *, site: str, machine: str | None = None, notes: Path | None = None,
    progress: pull.Progress | None = None,
) -> AddReport:  # fmt: skip
    """Upload recordings with their notes and take them in. Adding the same folder again changes nothing.

    Raises:
        OtoloopError: the folder, the CSV or a name is wrong (then nothing was uploaded), or the store failed.
    """
    from otoloop import store
    from otoloop.settings import Settings
    from otoloop.workspace import ensure_store

    uploads = plan(folder, site=site, machine=machine, notes=notes)
    ensure_store(workspace)
    client = store.connect(workspace)
    puts = put_all(client, uploads, load_params(workspace / "params.yaml").intake.max_mb)
    report = pull.run(workspace, progress=progress)
    book = open_workspace(workspace, Settings().database_url)
    try:
        with book.reading() as session:
            rows = deliveries.by_keys(session, client.bucket(BUCKET), [put.key for put in puts])
            return AddReport([_fate(put, rows.get(put.key), report) for put in puts], report)
    finally:
        book.close()


def _fate(put: Put, row: DeliveryRow | None, report: IntakeReport) -> Fate:
    """What the catalogue says of an uploaded file."""
    shown = put.upload.shown
    if put.refusal:
        return Fate(shown, put.key, "quarantined", refusal=put.refusal)
    if row is None or row.state == "claimed":
        return Fate(shown, put.key, "waiting")
    if row.state == "admitted":
        return Fate(shown, put.key, "admitted" if row.clip in report.admitted else KNOWN, clip=row.clip)
    refusal = Refusal(
        delivery=row.id, key=row.key, reason_code=row.reason_code or row.state, message=row.message, remedy=row.remedy
    )  # fmt: skip
    return Fate(shown, put.key, "quarantined", refusal=refusal)
