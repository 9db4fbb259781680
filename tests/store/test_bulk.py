from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from otoloop.store.bulk import WINDOW, get_many, put_many
from otoloop.store.failures import NotFound, StoreError
from otoloop.store.s3 import ObjectStore


def test_many_objects_come_back_in_the_order_asked_for(object_store: ObjectStore) -> None:
    keys = [f"k/{n:03}" for n in range(150)]
    assert put_many(object_store, "incoming", ((key, key.encode()) for key in keys)) == 150
    wanted = keys[::-2]
    assert list(get_many(object_store, "incoming", wanted)) == [(key, key.encode()) for key in wanted]


def test_a_slow_reader_makes_us_hold_a_bounded_number(object_store: ObjectStore) -> None:
    object_store.put("incoming", "k", b"1")
    asked = 0

    def keys() -> Iterator[str]:
        nonlocal asked
        for _ in range(1000):
            asked += 1
            yield "k"

    stream = get_many(object_store, "incoming", keys())
    next(stream)
    assert asked <= WINDOW + 1
    stream.close()  # type: ignore[attr-defined]


def test_a_missing_key_is_named(object_store: ObjectStore) -> None:
    with pytest.raises(NotFound, match="incoming/nope"):
        list(get_many(object_store, "incoming", ["nope"]))


def test_wrong_credentials_are_one_sentence(object_store: ObjectStore) -> None:
    store = ObjectStore(replace(object_store.connection, secret_key="wrong"), object_store.prefix)
    with pytest.raises(StoreError) as failure:
        put_many(store, "incoming", [("k", b"1")])
    assert "\n" not in failure.value.message
    with pytest.raises(StoreError):
        list(get_many(store, "incoming", ["k"]))
