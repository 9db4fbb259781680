"""One intake: find what is new, receive sidecars, admit audio in batches, write the page. Safe to kill and repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from otoloop.catalog import Catalog, deliveries, machines, notes
from otoloop.catalog.tables import DeliveryRow
from otoloop.intake.admit import Desk, admit
from otoloop.intake.discover import discover, reconcile_due
from otoloop.intake.landing import Landing
from otoloop.intake.listen import Listeners
from otoloop.intake.machines import load_machines
from otoloop.intake.receive import receive
from otoloop.intake.report import IntakeReport
from otoloop.outs import replacing
from otoloop.params import IntakeParams, load_params
from otoloop.settings import state_dir
from otoloop.store.s3 import ObjectStore

if TYPE_CHECKING:
    from otoloop.quality.clips import ClipsChecker

BATCH_FILES, BATCH_BYTES = 128, 256 * 2**20
LOCK_WAIT_S = 600.0
KEEP_PAGES = 50
Progress = Callable[[int, int], None]


def run(workspace: Path, *, whole: bool = True, progress: Progress | None = None) -> IntakeReport:
    """Take in everything that is new.

    Args:
        workspace: the workspace; its S3 store must run.
        whole: list the whole bucket; False lists the open days only, and everything once a day.
        progress: called with (done, total) audio files.

    Raises:
        OtoloopError: the store or the catalogue does not answer, machines.yaml or params.yaml is wrong, another intake
            holds the workspace, or a data check crashed (then nothing of its batch was let through).
    """
    from otoloop import store
    from otoloop.catalog import open_workspace
    from otoloop.settings import Settings
    from otoloop.workspace.lock import hold

    params = load_params(workspace / "params.yaml").intake
    known = load_machines(workspace / "machines.yaml")
    book = open_workspace(workspace, Settings().database_url)
    try:
        with hold(state_dir(workspace) / "intake.lock", purpose="otoloop intake", wait_s=LOCK_WAIT_S):
            with book.session() as session:
                machines.save_machines(session, known)
            return take_in(workspace, store.connect(workspace), book, params, whole=whole, progress=progress)
    finally:
        book.close()


def take_in(
    workspace: Path, store: ObjectStore, book: Catalog, params: IntakeParams, *, whole: bool, progress: Progress | None
) -> IntakeReport:
    """`run` with its parts given; the caller sees to it that nobody else does the same."""
    start = time.monotonic()
    report = IntakeReport()
    report.discovered = discover(store, book, whole=whole or reconcile_due(book))
    with book.reading() as session:
        todo = deliveries.unfinished(session)
    with book.session() as session:
        deliveries.acknowledge(session, [row.id for row in todo if row.state != "claimed"])
    claimed = [row for row in todo if row.state == "claimed"]
    for batch in _batches([row for row in claimed if row.kind != "audio"]):
        receive(store, book, report, batch)
    audio = [row for row in claimed if row.kind == "audio"]
    if audio:
        _admit_all(workspace, store, book, params, report, audio, progress)
    report.unlabelled, report.sidecars["waiting"] = _waiting(book, report.admitted)
    report.seconds = time.monotonic() - start
    return report


def _admit_all(
    workspace: Path, store: ObjectStore, book: Catalog, params: IntakeParams, report: IntakeReport,
    audio: Sequence[DeliveryRow], progress: Progress | None,
) -> None:  # fmt: skip
    """Admit batch by batch; the data checks load in the background meanwhile."""
    landing = Landing(workspace, store, params)
    landing.clear()
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, len(audio))

    try:
        with ThreadPoolExecutor(1) as loader, Listeners(params, len(audio)) as listeners:
            desk = Desk(store, book, landing, listeners, _load_checker(loader, params), report, step=step)
            for batch in _batches(audio):
                admit(desk, batch)
    finally:
        landing.clear()  # whatever went wrong, no sound of unknown origin stays here
    report.page = _write_page(workspace, desk)


def _load_checker(loader: ThreadPoolExecutor, params: IntakeParams) -> Future[ClipsChecker]:
    def load() -> ClipsChecker:
        from otoloop.quality.clips import clips_checker

        return clips_checker(params)

    return loader.submit(load)


def _batches(rows: Sequence[DeliveryRow]) -> Iterator[list[DeliveryRow]]:
    """Rows in batches of bounded number and size."""
    batch: list[DeliveryRow] = []
    size = 0
    for row in rows:
        if batch and (len(batch) == BATCH_FILES or size + row.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.size
    if batch:
        yield batch


def _waiting(book: Catalog, admitted: Sequence[str]) -> tuple[int, int]:
    """How many of the clips wait for a person to name their fault, and how many sidecars for their audio."""
    with book.reading() as session:
        known = notes.labels(session, admitted)
        sidecars = len(deliveries.waiting_sidecars(session))
    return sum(1 for clip in admitted if clip not in known or known[clip].fault is None), sidecars


def _write_page(workspace: Path, desk: Desk) -> str | None:
    """The data checks of this run as a page under ``.otoloop/reports``; the oldest pages go."""
    from otoloop.quality.report import FailingRow, failing_rows, merge, render

    if not desk.outcomes and not desk.report.refused:
        return None
    lines = [
        FailingRow(place=r.key, code=r.reason_code, sentence=r.message, remedy=r.remedy) for r in desk.report.refused
    ]
    merged = merge(desk.outcomes) if desk.outcomes else []
    lines += [line for line in failing_rows(merged, _keys(desk)) if line.warning]
    title = f"Intake {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    page = render(title, merged, summary=desk.report.summary(), rows=lines)
    folder = state_dir(workspace) / "reports"
    folder.mkdir(exist_ok=True)
    path = folder / f"intake-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.html"
    with replacing(path) as draft:
        draft.write_text(page, encoding="utf-8")
    for old in sorted(folder.glob("intake-*.html"))[:-KEEP_PAGES]:
        old.unlink()
    return str(path)


def _keys(desk: Desk) -> dict[int, str]:
    """Keys by delivery, for rows of the page that only know their number."""
    wanted = {failure.key for batch in desk.outcomes for outcome in batch for failure in outcome.failures}
    with desk.book.reading() as session:
        rows = (deliveries.delivery(session, number) for number in sorted(wanted))
        return {row.id: row.key for row in rows if row is not None}
