"""A batch of arrived sidecars: read, check, and give to their clips or let them wait for their audio."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from otoloop.catalog import Catalog, deliveries
from otoloop.catalog.tables import DeliveryRow
from otoloop.errors import OtoloopError
from otoloop.intake.keys import parse_key
from otoloop.intake.matching import attach_arrived
from otoloop.intake.report import IntakeReport, Refusal
from otoloop.intake.sidecars import MAX_NOTE_BYTES, MAX_SENSOR_BYTES, note_json, parse_note, parse_sensors
from otoloop.store.failures import NotFound, StoreError
from otoloop.store.s3 import ObjectStore

THREADS = 8


def receive(store: ObjectStore, book: Catalog, report: IntakeReport, rows: Sequence[DeliveryRow]) -> None:
    """Deal with a batch of claimed sidecar deliveries; afterwards each is matched, waiting, in quarantine or gone.

    Raises:
        StoreError: the store failed.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        read = list(pool.map(lambda row: _read(store, row), rows))
    with book.session() as session:
        for row, content in zip(rows, read, strict=True):
            current = session.merge(row, load=True)
            if content is None:
                deliveries.finish(session, row.id, "gone", message="The object was removed or replaced.")
                report.gone += 1
            elif isinstance(content, OtoloopError):
                _refuse(session, report, row, content)
            else:
                deliveries.finish(session, row.id, "waiting", measures=content)
                used = attach_arrived(session, current)
                if used:
                    clip = deliveries.clips_of_stem(session, row.bucket, row.stem)[-1]
                    deliveries.finish(session, row.id, "matched", clip=clip)
                report.sidecars["matched"] += used
        deliveries.acknowledge(session, [row.id for row in rows])


class BadKey(OtoloopError):
    """A sidecar under a key that tells neither site nor machine."""


def _read(store: ObjectStore, row: DeliveryRow) -> dict[str, Any] | OtoloopError | None:
    """What a sidecar says, why it cannot be used, or None when it is gone."""
    limit = MAX_NOTE_BYTES if row.kind == "note" else MAX_SENSOR_BYTES
    try:
        parse_key(row.key)
    except OtoloopError as err:
        return BadKey(err.message, err.remedy)
    try:
        if row.size > limit:
            raise OtoloopError(f"The file has {row.size} bytes; at most {limit} are taken.", "Send a smaller one.")
        data, info = store.read(row.bucket, row.key)
        if info.etag != row.version:
            return None
        if row.kind == "note":
            return {"note": note_json(parse_note(data))}
        return {"sensors": parse_sensors(data, row.key)}
    except NotFound:
        return None
    except StoreError:
        raise
    except OtoloopError as err:
        return err


def _refuse(session: Any, report: IntakeReport, row: DeliveryRow, err: OtoloopError) -> None:
    code = "bad_key" if isinstance(err, BadKey) else "note_invalid"
    deliveries.finish(session, row.id, "quarantined", reason_code=code, message=err.message, remedy=err.remedy)
    report.refused.append(
        Refusal(delivery=row.id, key=row.key, reason_code=code, message=err.message, remedy=err.remedy)
    )  # fmt: skip
