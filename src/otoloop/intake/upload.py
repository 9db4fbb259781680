"""Put planned uploads into the incoming bucket. A key that holds other bytes is never overwritten."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

from otoloop.errors import OtoloopError
from otoloop.intake.discover import BUCKET
from otoloop.intake.folder import Upload
from otoloop.intake.keys import SIDECARS, stem_of
from otoloop.intake.report import Refusal
from otoloop.store.failures import AlreadyExists
from otoloop.store.s3 import ObjectStore

THREADS = 8
SESSION_CHARACTERS = 120
RECORDED_AT, SESSION = "recorded-at", "recording-session"
"""Metadata of an object: when it was recorded, ISO 8601; which session of its machine, percent-encoded, if not its day."""


@dataclass(frozen=True, slots=True)
class Put:
    """Where a recording was put, or why it was not."""

    upload: Upload
    key: str
    refusal: Refusal | None = None


def put_all(
    store: ObjectStore, uploads: Sequence[Upload], max_mb: float, done: Callable[[], None] = lambda: None
) -> list[Put]:
    """Upload sidecars and recordings, several at a time; a file over ``max_mb`` is refused here.

    Uploading the same folder again changes nothing.

    Raises:
        OtoloopError: a file cannot be read, or the store failed.
    """

    def one(upload: Upload) -> Put:
        put = _put(store, upload, max_mb)
        done()
        return put

    with ThreadPoolExecutor(THREADS, thread_name_prefix="otoloop-add") as pool:
        return list(pool.map(one, uploads))


def _put(store: ObjectStore, upload: Upload, max_mb: float) -> Put:
    try:
        size = upload.path.stat().st_size
        if size > max_mb * 1e6:
            return Put(upload, upload.key(), _too_large(upload, size, max_mb))
        data = upload.path.read_bytes()
        sidecars = {_ending(path.name): path.read_bytes() for path in upload.sidecars}
    except OSError as err:
        raise OtoloopError(f"{upload.path} cannot be read: {err.strerror}.", "Check the file and its rights.") from None
    note = upload.note_bytes()
    if note is not None:
        sidecars[".json"] = note
    key = _create(store, upload, data)
    for ending, content in sidecars.items():
        store.put(BUCKET, stem_of(key) + ending, content)
    return Put(upload, key)


def _create(store: ObjectStore, upload: Upload, data: bytes) -> str:
    """Write the recording under its key; under a key with its hash where the plain one holds another recording."""
    metadata = {RECORDED_AT: upload.time.isoformat()}
    if upload.made.session:
        metadata[SESSION] = quote(upload.made.session[:SESSION_CHARACTERS])
    key = upload.key()
    try:
        store.create(BUCKET, key, data, metadata=metadata, same_ok=True)
    except AlreadyExists:
        key = upload.key("-" + hashlib.sha256(data).hexdigest()[:10])
        store.create(BUCKET, key, data, metadata=metadata, same_ok=True)
    return key


def _ending(name: str) -> str:
    return next(suffix for suffix, _ in SIDECARS if name.lower().endswith(suffix))


def _too_large(upload: Upload, size: int, max_mb: float) -> Refusal:
    return Refusal(
        delivery=0, key=upload.key(), reason_code="too_large",
        message=f"The file has {size / 1e6:.1f} MB; at most {max_mb:g} MB are taken.",
        remedy="Cut it into pieces, or raise intake.max_mb.",
    )  # fmt: skip
