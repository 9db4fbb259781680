from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otoloop.errors import OtoloopError
from otoloop.store.content import audio_key, erase_audio, get_audio, get_audio_many, has_audio, put_audio
from otoloop.store.failures import NotFound, StoreError
from otoloop.store.s3 import ObjectStore

CLIP = hashlib.sha256(b"samples").hexdigest()


def test_a_clip_is_kept_once_under_its_id(object_store: ObjectStore) -> None:
    first = put_audio(object_store, CLIP, b"flac bytes")
    again = put_audio(object_store, CLIP, b"the same samples in a wav")
    assert again.etag == first.etag
    assert get_audio(object_store, CLIP) == b"flac bytes"
    assert list(get_audio_many(object_store, [CLIP, CLIP])) == [(CLIP, b"flac bytes")] * 2
    assert has_audio(object_store, CLIP)


def test_damaged_bytes_are_never_returned(object_store: ObjectStore) -> None:
    put_audio(object_store, CLIP, b"flac bytes")
    object_store.put(
        "audio", audio_key(CLIP), b"flac bytez", metadata={"sha256": hashlib.sha256(b"flac bytes").hexdigest()}
    )
    with pytest.raises(StoreError, match="damaged"):
        get_audio(object_store, CLIP)
    with pytest.raises(StoreError, match="damaged"):
        put_audio(object_store, CLIP, b"flac bytes")


def test_an_erased_clip_is_gone(object_store: ObjectStore) -> None:
    put_audio(object_store, CLIP, b"flac bytes")
    assert erase_audio(object_store, CLIP) == 1
    assert not has_audio(object_store, CLIP)
    with pytest.raises(NotFound):
        get_audio(object_store, CLIP)
    assert erase_audio(object_store, CLIP) == 0


@given(st.text(max_size=70))
def test_only_a_digest_is_a_clip_id(text: str) -> None:
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    if is_digest:
        assert audio_key(text).endswith(text)
    else:
        with pytest.raises(OtoloopError, match="no clip id"):
            audio_key(text)
