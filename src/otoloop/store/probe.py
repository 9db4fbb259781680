"""Does this store honour conditional writes? Without them two writers can both believe they won."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable

from otoloop.store.failures import AlreadyExists, Conflict, StoreError
from otoloop.store.s3 import ObjectStore


def probe_conditional_writes(store: ObjectStore, bucket: str = "registry") -> None:
    """Try a create-only write twice and a compare-and-swap with an old etag.

    Leaves nothing behind, or one byte below ``.probe/`` where these credentials may not delete.

    Raises:
        StoreError: the store ignores a condition (rclone and juicefs gateways do), or failed.
    """
    key = f".probe/{secrets.token_hex(8)}"
    try:
        first = store.create(bucket, key, b"1")
        if not _refused(lambda: store.create(bucket, key, b"2"), AlreadyExists):
            raise _unfit(store, "If-None-Match")
        store.replace(bucket, key, b"3", etag=first.etag)
        if not _refused(lambda: store.replace(bucket, key, b"4", etag=first.etag), Conflict):
            raise _unfit(store, "If-Match")
    finally:
        with contextlib.suppress(StoreError):
            store.delete(bucket, key)


def _refused(write: Callable[[], object], kind: type[StoreError]) -> bool:
    """Whether the write failed in the expected way."""
    try:
        write()
    except kind:
        return True
    return False


def _unfit(store: ObjectStore, header: str) -> StoreError:
    """The refusal."""
    return StoreError(
        f"The S3 store at {store.endpoint} ignores {header}: two promotions at once could overwrite each other.",
        "Use a store with conditional writes: AWS S3, a current MinIO, SeaweedFS 4.40 or newer.",
    )
