"""Content-addressed audio: one object per clip, keyed by the clip's id, trusted only after its bytes were read back."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator

from otoloop.errors import OtoloopError
from otoloop.store import bulk
from otoloop.store.client import ObjectInfo
from otoloop.store.failures import AlreadyExists, StoreError
from otoloop.store.s3 import ObjectStore

BUCKET = "audio"
_CLIP_ID = re.compile(r"[0-9a-f]{64}")


def audio_key(clip: str) -> str:
    """The key of a clip's bytes.

    Raises:
        OtoloopError: the id is not 64 lower-case hex digits.
    """
    if not _CLIP_ID.fullmatch(clip):
        raise OtoloopError(f"{clip!r} is no clip id.", "A clip id is 64 hex digits; `otoloop clips` lists them.")
    return f"clips/{clip[:2]}/{clip}"


def put_audio(store: ObjectStore, clip: str, data: bytes, *, content_type: str = "audio/flac") -> ObjectInfo:
    """Store a clip once and read it back. The first encoding stays: another file with the same samples changes nothing.

    Raises:
        StoreError: what is stored is damaged, or the store failed.
    """
    key = audio_key(clip)
    digest = hashlib.sha256(data).hexdigest()
    with contextlib.suppress(AlreadyExists):
        store.create(BUCKET, key, data, metadata={"sha256": digest}, content_type=content_type)
    stored, info = store.read(BUCKET, key)
    if hashlib.sha256(stored).hexdigest() != info.metadata.get("sha256"):
        raise _damaged(store, key)
    return info


def get_audio(store: ObjectStore, clip: str) -> bytes:
    """A clip's bytes, checked against the digest kept with them.

    Raises:
        NotFound: the clip is not in the store (never kept, or erased).
        StoreError: its bytes are damaged.
    """
    data, info = store.read(BUCKET, audio_key(clip))
    if hashlib.sha256(data).hexdigest() != info.metadata.get("sha256"):
        raise _damaged(store, audio_key(clip))
    return data


def get_audio_many(store: ObjectStore, clips: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Many clips' bytes in order and unchecked, for bulk work: the reader has to compare their content with their ids."""
    ids = list(clips)
    for clip, (_, data) in zip(ids, bulk.get_many(store, BUCKET, map(audio_key, ids)), strict=True):
        yield clip, data


def has_audio(store: ObjectStore, clip: str) -> bool:
    """Whether the clip's bytes are there."""
    return store.head(BUCKET, audio_key(clip)) is not None


def erase_audio(store: ObjectStore, clip: str) -> int:
    """Remove every version of a clip's bytes; returns how many there were."""
    return store.erase(BUCKET, audio_key(clip))


def _damaged(store: ObjectStore, key: str) -> StoreError:
    """The refusal."""
    return StoreError(
        f"s3://{store.bucket(BUCKET)}/{key} is damaged: its checksum differs.",
        "Restore it from the source or a backup.",
    )
