"""A batch of audio deliveries, from claimed rows to clips or quarantine.

    fetch -> decode, content id, speech, measures, evidence -> judge the batch -> store the bytes and read them back
          -> ONE transaction: clips, notes, sensors, labels, deliveries -> acknowledge

Killed anywhere it is run again from the claimed rows: the bytes are content-addressed, the rows come all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from otoloop import crash
from otoloop.audio.refusals import REMEDIES
from otoloop.catalog import Catalog, clips, deliveries, machines
from otoloop.catalog.tables import DeliveryRow
from otoloop.intake.keys import parse_key, parse_time, session_of, time_of
from otoloop.intake.landing import Landed, Landing
from otoloop.intake.listen import Heard, Listeners
from otoloop.intake.matching import attach_waiting
from otoloop.intake.neighbours import Neighbours
from otoloop.intake.report import IntakeReport, Refusal
from otoloop.records import Clip, Verdict
from otoloop.store.content import put_audio
from otoloop.store.s3 import ObjectStore

if TYPE_CHECKING:
    from otoloop.quality.clips import BatchVerdict, ClipsChecker
    from otoloop.quality.rules import Outcome

THREADS = 8
_ERASED = "This recording was erased on request and is not taken again."


@dataclass(slots=True)
class Desk:
    """What admitting needs: the places, the ears, the judge, and the report it fills."""

    store: ObjectStore
    book: Catalog
    landing: Landing
    listeners: Listeners
    checker: Future[ClipsChecker]
    report: IntakeReport
    outcomes: list[Sequence[Outcome]] = field(default_factory=list)
    step: Callable[[int], None] = lambda n: None


@dataclass(frozen=True, slots=True)
class Ready:
    """A recording that was heard and waits for its verdict."""

    landed: Landed
    heard: Heard
    time: datetime

    @property
    def row(self) -> DeliveryRow:
        """Its delivery."""
        return self.landed.delivery


Refused = tuple[DeliveryRow, Verdict]


def admit(desk: Desk, rows: Sequence[DeliveryRow]) -> None:
    """Deal with a batch of claimed audio deliveries; afterwards each is admitted, in quarantine or gone, for good."""
    ready, refused, gone = _listen(desk, rows)
    kept, judged = _judge(desk, ready)
    refused += judged
    with ThreadPoolExecutor(THREADS) as pool:
        list(
            pool.map(
                lambda r: put_audio(desk.store, r.heard.clip, r.heard.data, content_type=r.heard.content_type), kept
            )
        )
    crash.here("intake: bytes")
    with desk.book.session() as session:
        neighbours = Neighbours(session)
        for one in kept:
            _write_clip(session, desk.report, one, neighbours)
        for row, verdict in refused:
            _write_refusal(session, desk.report, row, verdict)
        for row in gone:
            deliveries.finish(session, row.id, "gone", message="The object was removed or replaced before it was read.")
    crash.here("intake: row")
    desk.report.gone += len(gone)
    _acknowledge(desk, rows)
    crash.here("intake: acknowledge")


def _acknowledge(desk: Desk, rows: Sequence[DeliveryRow]) -> None:
    """The batch is done: its landed bytes go, its rows say so."""
    desk.landing.clear()
    with desk.book.session() as session:
        deliveries.acknowledge(session, [row.id for row in rows])


def _listen(desk: Desk, rows: Sequence[DeliveryRow]) -> tuple[list[Ready], list[Refused], list[DeliveryRow]]:
    """Fetch and hear a batch: what was heard, what was refused, what is gone."""
    refused: list[Refused] = []
    placed = [row for row in rows if _placed(row, refused)]
    with ThreadPoolExecutor(THREADS) as pool:
        fetched = list(zip(placed, pool.map(desk.landing.fetch, placed), strict=True))
    landed = [f for _, f in fetched if isinstance(f, Landed)]
    refused += [(row, f) for row, f in fetched if isinstance(f, Verdict)]
    gone = [row for row, f in fetched if f is None]
    files = [(one.path, _policy(desk, one.delivery)) for one in landed]
    ready: list[Ready] = []
    for one, heard in zip(landed, desk.listeners.hear_all(files), strict=True):
        desk.landing.drop(one)
        desk.step(1)
        if isinstance(heard, Verdict):
            refused.append((one.delivery, heard))
        else:
            ready.append(Ready(one, heard, _time(one)))
    return ready, refused, gone


def _placed(row: DeliveryRow, refused: list[Refused]) -> bool:
    """Whether the key says where the recording was made; else it is refused."""
    from otoloop.errors import OtoloopError

    try:
        parse_key(row.key)
    except OtoloopError as err:
        refused.append((row, Verdict(admitted=False, reason_code="bad_key", message=err.message, remedy=err.remedy)))
        return False
    return True


def _policy(desk: Desk, row: DeliveryRow) -> str:
    """The speech policy of the machine, or of the site."""
    with desk.book.reading() as session:
        known = machines.machine(session, row.site, row.machine)
    return (known.speech_policy if known else None) or desk.listeners.params.speech_policy


def _time(landed: Landed) -> datetime:
    """When it was recorded: as told with the object, else by its key."""
    return parse_time(landed.recorded_at) or time_of(parse_key(landed.delivery.key))


def _judge(desk: Desk, ready: Sequence[Ready]) -> tuple[list[Ready], list[Refused]]:
    """Judge the batch: exactly the rows that break a rule are refused."""
    checker = desk.checker.result()
    if not ready:
        return [], []
    at = datetime.now(UTC)
    rows = [(r.row.id, {**r.heard.measures, "time_ahead_s": (r.time - at).total_seconds()}) for r in ready]
    verdict = checker.judge(rows)
    desk.outcomes.append(verdict.outcomes)
    kept = [one for one in ready if one.row.id not in verdict.refused]
    return kept, [(one.row, _verdict_of(verdict, one)) for one in ready if one.row.id in verdict.refused]


def _verdict_of(verdict: BatchVerdict, one: Ready) -> Verdict:
    code = verdict.refused[one.row.id][0]
    message, remedy = verdict.said[one.row.id, code]
    return Verdict(admitted=False, reason_code=code, message=message, remedy=remedy, measures=one.heard.measures)


def _write_clip(session: Session, report: IntakeReport, one: Ready, neighbours: Neighbours) -> None:
    """A clip with everything that belongs to it, or one more delivery of a clip that is known."""
    clip = one.heard.clip
    if clips.was_erased(session, one.heard.raw, clip):
        refusal = Verdict(admitted=False, reason_code="duplicate_content", message=_ERASED, remedy="Nothing to do.")
        _write_refusal(session, report, one.row, refusal)
        return
    if clips.has_clip(session, clip):
        report.duplicates += 1
    else:
        _add(session, report, one, neighbours)
        report.admitted.append(clip)
    deliveries.finish(session, one.row.id, "admitted", clip=clip, measures=one.heard.measures)
    report.sidecars["matched"] += attach_waiting(session, one.row.bucket, one.row.stem, clip)


def _add(session: Session, report: IntakeReport, one: Ready, neighbours: Neighbours) -> None:
    place, heard = parse_key(one.row.key), one.heard
    group = neighbours.group_of(place.site, place.machine, heard.fingerprint)
    neighbours.add(place.site, place.machine, heard.fingerprint, group or heard.clip)
    report.near_duplicates += group is not None
    clip = Clip(
        id=heard.clip, site=place.site, machine=place.machine, time=one.time.isoformat(), seconds=heard.seconds,
        rate=heard.rate, channels=heard.channels,
    )  # fmt: skip
    clips.add_clip(
        session, clip, time=one.time, recording_session=session_of(place, one.landed.session), measures=heard.measures,
        evidence=heard.evidence, speech_s=heard.speech_s, fingerprint=heard.fingerprint or None, group=group,
        parent=heard.parent,
    )  # fmt: skip


def _write_refusal(session: Session, report: IntakeReport, row: DeliveryRow, verdict: Verdict) -> None:
    code = verdict.reason_code or "decode_failed"
    remedy = verdict.remedy or REMEDIES.get(code, "")  # type: ignore[call-overload]
    deliveries.finish(
        session, row.id, "quarantined", reason_code=code, message=verdict.message, remedy=remedy,
        measures=verdict.measures,
    )  # fmt: skip
    report.refused.append(
        Refusal(delivery=row.id, key=row.key, reason_code=code, message=verdict.message, remedy=remedy)
    )  # fmt: skip
