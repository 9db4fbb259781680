from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from otoloop.store.connection import Connection
from otoloop.store.failures import AlreadyExists, Conflict, NotFound, StoreError
from otoloop.store.s3 import ObjectStore


def test_what_was_put_can_be_read_with_its_facts(object_store: ObjectStore) -> None:
    put = object_store.put("audio", "a/b", b"hum", metadata={"x": "1"}, content_type="audio/flac")
    data, facts = object_store.read("audio", "a/b")
    assert (data, facts.size, facts.etag) == (b"hum", 3, put.etag)
    assert (facts.metadata, facts.content_type) == ({"x": "1"}, "audio/flac")
    head = object_store.head("audio", "a/b")
    assert head is not None and head.modified == facts.modified
    assert object_store.read_range("audio", "a/b", 1, 3) == b"um"
    assert b"".join(object_store.chunks("audio", "a/b")) == b"hum"


def test_a_missing_key_is_none_or_not_found(object_store: ObjectStore) -> None:
    assert object_store.head("audio", "nope") is None
    with pytest.raises(NotFound, match="audio/nope"):
        object_store.get("audio", "nope")
    object_store.delete("audio", "nope")


@pytest.mark.parametrize("key", ["ünï/ç ode 音.wav", "x" * 900, "quote'and\"percent%20.wav", "../../etc/passwd"])
def test_odd_keys_are_only_keys(object_store: ObjectStore, key: str) -> None:
    try:
        object_store.put("incoming", key, b"1")
    except StoreError:
        return  # a server may refuse a name, as long as nothing else happens
    assert object_store.get("incoming", key) == b"1"
    assert [one.key for one in object_store.list("incoming")] == [key]


def test_create_refuses_what_exists_unless_the_bytes_are_the_same(object_store: ObjectStore) -> None:
    object_store.create("registry", "1.json", b"one")
    with pytest.raises(AlreadyExists):
        object_store.create("registry", "1.json", b"two")
    with pytest.raises(AlreadyExists):
        object_store.create("registry", "1.json", b"one")
    object_store.create("registry", "1.json", b"one", same_ok=True)
    with pytest.raises(AlreadyExists):
        object_store.create("registry", "1.json", b"two", same_ok=True)
    assert object_store.get("registry", "1.json") == b"one"


def test_replace_needs_the_current_version(object_store: ObjectStore) -> None:
    first = object_store.put("registry", "pointer", b"1")
    second = object_store.replace("registry", "pointer", b"2", etag=first.etag)
    with pytest.raises(Conflict):
        object_store.replace("registry", "pointer", b"3", etag=first.etag)
    object_store.replace("registry", "pointer", b"3", etag=second.etag)
    with pytest.raises(Conflict):
        object_store.replace("registry", "absent", b"3", etag=first.etag)


def _wins(write: object, threads: int) -> int:
    barrier = Barrier(threads)

    def attempt(number: int) -> bool:
        barrier.wait()
        try:
            write(number)  # type: ignore[operator]
            return True
        except (AlreadyExists, Conflict):
            return False

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(attempt, range(threads)))


@pytest.mark.parametrize(("threads", "turns"), [(4, 3), pytest.param(16, 10, marks=pytest.mark.slow)])
def test_of_many_writers_at_once_exactly_one_wins(object_store: ObjectStore, threads: int, turns: int) -> None:
    for turn in range(turns):
        key = f"event/{turn}"
        assert _wins(lambda n, key=key: object_store.create("registry", key, b"%d" % n), threads) == 1
        etag = object_store.read("registry", key)[1].etag
        swap = lambda n, key=key, etag=etag: object_store.replace("registry", key, b"r%d" % n, etag=etag)  # noqa: E731
        assert _wins(swap, threads) == 1


def test_listing_goes_on_after_a_key_and_by_folder(object_store: ObjectStore) -> None:
    for key in ("hall/p1/2026-01-01/a.wav", "hall/p1/2026-01-02/b.wav", "hall/p2/2026-01-01/c.wav"):
        object_store.put("incoming", key, b"1")
    assert [one.key for one in object_store.list("incoming", "hall/p1/")] == [
        "hall/p1/2026-01-01/a.wav",
        "hall/p1/2026-01-02/b.wav",
    ]
    after = object_store.list("incoming", after="hall/p1/2026-01-01/a.wav")
    assert [one.key[-5:] for one in after] == ["b.wav", "c.wav"]
    assert list(object_store.folders("incoming", "hall/")) == ["hall/p1/", "hall/p2/"]


def test_versions_stay_until_erased(object_store: ObjectStore) -> None:
    object_store.keep_versions("landing")
    first = object_store.put("landing", "k", b"1")
    object_store.put("landing", "k", b"2")
    object_store.put("landing", "k2", b"other")
    object_store.delete("landing", "k")
    assert object_store.head("landing", "k") is None
    assert object_store.get("landing", "k", version=first.version) == b"1"
    assert object_store.erase("landing", "k") == 3
    assert [one.key for one in object_store.versions("landing", "")] == ["k2"]


def test_files_go_up_and_down(object_store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x" * 9_000_000)
    object_store.upload("dvc", "big", tmp_path / "in")
    object_store.download("dvc", "big", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()
    object_store.copy("dvc", "big", "landing", "copy")
    assert object_store.md5("landing", "copy") == hashlib.md5(b"x" * 9_000_000).hexdigest()


@pytest.mark.parametrize("action", ["get", "put", "head", "list", "create"])
def test_a_missing_bucket_is_named_with_the_command_that_makes_it(weed: Connection, action: str) -> None:
    store = ObjectStore(weed, "nobody")
    arguments = {"put": (b"1",), "create": (b"1",), "list": ()}.get(action, ())
    with pytest.raises(StoreError, match=r"no bucket nobody-audio.*otoloop up --only s3"):
        result = getattr(store, action)("audio", "k", *arguments)
        list(result)


def test_wrong_credentials_name_the_variables(weed: Connection) -> None:
    store = ObjectStore(replace(weed, secret_key="wrong"), "session")
    with pytest.raises(StoreError, match="AWS_SECRET_ACCESS_KEY"):
        store.get("registry", "k")


def test_an_endpoint_that_is_down_names_the_command_that_starts_it(weed: Connection) -> None:
    store = ObjectStore(replace(weed, endpoint="http://127.0.0.1:9"), "session", patient=False)
    with pytest.raises(StoreError, match=r"no answer from http://127.0.0.1:9.*otoloop up"):
        store.get("registry", "k")


def test_nobody_gets_in_without_credentials(weed: Connection) -> None:
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(weed.endpoint)
    assert refusal.value.code == 403
