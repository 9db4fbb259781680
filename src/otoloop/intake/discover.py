"""What is new in the bucket. A row per (key, version or etag) tells new from known; ``LastModified`` is never believed.

`everything` lists the whole bucket: it finds late, back-dated and missed keys. `open_days` lists, for each machine, the
keys from the first open day on: one request a machine and thousand keys, whatever lies in closed days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from otoloop.catalog import Catalog, deliveries, machines
from otoloop.catalog.deliveries import Arrival
from otoloop.errors import OtoloopError
from otoloop.intake.keys import kind_of, parse_key, stem_of
from otoloop.store.client import ObjectInfo
from otoloop.store.s3 import ObjectStore

BUCKET = "incoming"
OPEN_DAYS = 2
"""Days before today that still get new recordings as a matter of course; later ones are found by the reconcile."""
RECONCILE_EVERY = timedelta(days=1)
RECONCILED = "intake reconcile"
CLAIM_CHUNK = 1000
UNPLACED = "-"
"""Site and machine of an object whose key tells neither."""


def discover(store: ObjectStore, book: Catalog, *, whole: bool, today: date | None = None) -> int:
    """Claim every object not seen before; returns how many are new.

    Args:
        store: the workspace's object store.
        book: the catalogue.
        whole: list everything (``intake --once`` and the daily reconcile) instead of the open days.
        today: the day that open days are counted from (default: now in UTC).
    """
    found = everything(store) if whole else open_days(store, today or datetime.now(UTC).date())
    new = 0
    for chunk in _chunks(found):
        with book.session() as session:
            fresh = deliveries.claim(session, chunk)
            places = [(row.site, row.machine) for row in fresh if row.site != UNPLACED]
            machines.see_machines(session, places, datetime.now(UTC))
        new += len(fresh)
    if whole:
        with book.session() as session:
            machines.set_mark(session, RECONCILED, datetime.now(UTC))
    return new


def reconcile_due(book: Catalog) -> bool:
    """Whether the last listing of everything is a day old, or never was."""
    with book.reading() as session:
        last = machines.mark(session, RECONCILED)
    return last is None or datetime.now(UTC) - last >= RECONCILE_EVERY


def everything(store: ObjectStore) -> Iterator[Arrival]:
    """Every object in the bucket."""
    for info in store.list(BUCKET):
        yield from _arrival(store, info)


def open_days(store: ObjectStore, today: date) -> Iterator[Arrival]:
    """Objects of the open days of every machine, new machines included."""
    first = (today - timedelta(days=OPEN_DAYS)).isoformat()
    for site in store.folders(BUCKET):
        for machine in store.folders(BUCKET, site):
            for info in store.list(BUCKET, machine, after=f"{machine}{first}"):
                yield from _arrival(store, info)


def _arrival(store: ObjectStore, info: ObjectInfo) -> Iterator[Arrival]:
    """One object as an arrival; folder marks are no objects."""
    if info.key.endswith("/"):
        return
    try:
        place = parse_key(info.key)
        site, machine = place.site, place.machine
    except OtoloopError:
        site = machine = UNPLACED
    version = info.version or info.etag
    kind, stem = kind_of(info.key), stem_of(info.key)
    yield Arrival(store.bucket(BUCKET), info.key, version, info.size, kind, stem, site, machine)


def _chunks(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    chunk: list[Arrival] = []
    for arrival in arrivals:
        chunk.append(arrival)
        if len(chunk) == CLAIM_CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
