from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from otoloop.promote.events import BrokenChain, Event
from otoloop.promote.registry import BUCKET, Draft, Pointer, Registry
from otoloop.store.client import ObjectInfo
from otoloop.store.failures import StoreError
from otoloop.store.s3 import ObjectStore


def promote(registry: Registry, version: str, channel: str = "prod") -> Event:
    return registry.append("promote", "loop", version, channel=channel, adapter_sha256=version * 4)


def key(registry: Registry, seq: int) -> str:
    return registry.key("events", f"{seq:010d}.json")


def test_events_are_chained_and_read_by_anybody(registry: Registry) -> None:
    assert registry.head() == (0, "")
    one = registry.append("look", "mika", suite="site")
    two = registry.append("look", "mika", None, suite="general", reason="é音")
    assert (one.seq, two.seq, two.prev_hash) == (1, 2, one.hash)
    assert Registry(registry.store).events() == [one, two]
    assert registry.head() == (2, two.hash)
    stored = json.loads(registry.store.get(BUCKET, key(registry, 2)))
    assert stored["suite"] == "general" and stored["prev_hash"] == one.hash and "signature" not in stored


@pytest.mark.parametrize("count", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_many_writers_at_once_one_winner_a_number_none_lost(object_store: ObjectStore, count: int) -> None:
    registries = [Registry(object_store) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        written = list(pool.map(lambda i: registries[i].append("look", f"writer-{i}"), range(count)))
    chain = Registry(object_store).events()
    assert [e.seq for e in chain] == list(range(1, count + 1))
    assert chain == sorted(written, key=lambda e: e.seq)
    assert {e.actor for e in chain} == {f"writer-{i}" for i in range(count)}


def test_what_a_writer_checked_still_holds_when_its_event_exists(object_store: ObjectStore) -> None:
    def first_only(events: Any) -> Draft | Event:
        return events[0] if events else Draft("look", "me")

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _: Registry(object_store).propose(first_only), range(20)))
    assert len({e.id for e in made}) == 1 and len(Registry(object_store).events()) == 1


def test_a_lost_answer_does_not_write_twice(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    put = registry.store._put
    sent = []

    def twice(bucket: str, key: str, data: bytes, *rest: Any) -> ObjectInfo:
        if "/events/" in key:
            sent.append(put(bucket, key, data, *rest))
        return put(bucket, key, data, *rest)

    monkeypatch.setattr(registry.store, "_put", twice)
    assert registry.append("look", "mika").seq == 1 and len(sent) == 1
    assert len(Registry(registry.store).events()) == 1


class Careless(ObjectStore):
    def create(self, bucket: str, key: str, data: bytes, **_: Any) -> ObjectInfo:
        return self.put(bucket, key, data)


def test_a_store_that_ignores_conditions_is_refused(object_store: ObjectStore) -> None:
    registry = Registry(Careless(object_store.connection, object_store.prefix))
    with pytest.raises(StoreError, match="ignores If-None-Match"):
        registry.append("look", "mika")
    assert Registry(object_store).events() == []


@pytest.mark.parametrize("cut", [lambda r: r[:-2], lambda r: r.replace(b"mika", b"miko"), lambda r: b" " + r])
def test_a_changed_event_is_named(registry: Registry, cut: Any) -> None:
    for _ in range(3):
        registry.append("look", "mika")
    registry.store.put(BUCKET, key(registry, 2), cut(registry.store.get(BUCKET, key(registry, 2))))
    with pytest.raises(BrokenChain, match="event 2 ") as caught:
        Registry(registry.store).events()
    assert caught.value.seq == 2


@pytest.mark.parametrize("count", [3, 20])
def test_a_missing_event_is_named(registry: Registry, count: int) -> None:
    for _ in range(count):
        registry.append("look", "mika")
    registry.store.delete(BUCKET, key(registry, 2))
    with pytest.raises(BrokenChain, match="event 2 is missing"):
        Registry(registry.store).events()


def test_an_event_of_another_chain_is_named(registry: Registry, object_store: ObjectStore) -> None:
    other = Registry(object_store, "other")
    for one in (registry, other):
        one.append("look", "mika")
        one.append("look", "mika")
    registry.store.put(BUCKET, key(registry, 2), registry.store.get(BUCKET, key(other, 2)))
    with pytest.raises(BrokenChain, match="event 2 does not continue"):
        Registry(registry.store).events()


def test_the_pointer_follows_the_chain_and_any_reader_repairs_it(registry: Registry) -> None:
    assert registry.pointer("prod") is None and registry.stored_pointer("prod") is None
    one = promote(registry, "v1")
    assert registry.stored_pointer("prod") is None, "cut off between event and pointer"
    assert Registry(registry.store).pointer("prod") == Pointer("prod", "v1", "v1v1v1v1", 1, one.hash)
    stored = {"channel": "prod", "version": "v1", "adapter_sha256": "v1v1v1v1", "seq": 1, "hash": one.hash}
    assert registry.stored_pointer("prod") == stored
    promote(registry, "v2")
    found = registry.pointer("prod")
    assert found and found.version == "v2" and (registry.stored_pointer("prod") or {})["version"] == "v2"
    assert registry.pointer("pilot") is None


@pytest.mark.parametrize(
    "lie", [b"", b"[]", b'{"seq":99,"hash":"x","version":"v9"}', b'{"seq":2,"hash":"x","version":"v9"}']
)
def test_a_pointer_that_lies_is_put_right(registry: Registry, lie: bytes) -> None:
    promote(registry, "v1")
    promote(registry, "v2", "pilot")
    registry.pointer("prod")
    registry.store.put(BUCKET, registry.key("channels/prod.json"), lie)
    assert (registry.pointer("prod") or Pointer("", "", "", 0, "")).version == "v1"
    assert (registry.stored_pointer("prod") or {})["version"] == "v1"


def test_a_reader_behind_the_times_does_not_move_the_pointer_back(registry: Registry) -> None:
    promote(registry, "v1")
    late = Registry(registry.store)
    seen = late.events()
    promote(registry, "v2")
    registry.pointer("prod")
    moved = late.meaning(seen).moved["prod"]
    late._repair("prod", Pointer("prod", "v1", "", moved.seq, moved.hash), moved)
    assert (registry.stored_pointer("prod") or {})["version"] == "v2"


def test_a_reader_without_the_right_to_write_still_knows(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    promote(registry, "v1")

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("no")

    monkeypatch.setattr(registry.store, "create", refuse)
    assert (registry.pointer("prod") or Pointer("", "", "", 0, "")).version == "v1"
    assert registry.stored_pointer("prod") is None


@pytest.mark.parametrize("writers", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_promotions_by_many_writers_leave_the_pointer_at_the_last(object_store: ObjectStore, writers: int) -> None:
    def work(i: int) -> None:
        mine = Registry(object_store)
        for n in range(3):
            promote(mine, f"v{i}-{n}")
            mine.pointer("prod")

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(work, range(writers)))
    registry = Registry(object_store)
    last = registry.events()[-1]
    assert last.seq == 3 * writers
    assert registry.stored_pointer("prod") == {
        "channel": "prod", "version": last.version, "adapter_sha256": last.fields["adapter_sha256"], "seq": last.seq,
        "hash": last.hash,
    }  # fmt: skip


def test_events_do_not_take_fields_that_are_theirs(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seq"):
        registry.append("look", "mika", None, seq=3)
