from __future__ import annotations

from typing import Any

import pytest

from otoloop.store.client import ObjectInfo
from otoloop.store.failures import StoreError
from otoloop.store.probe import probe_conditional_writes
from otoloop.store.s3 import ObjectStore


class IgnoresCreate(ObjectStore):
    """What an rclone or juicefs gateway does: the condition is not looked at."""

    def create(self, bucket: str, key: str, data: bytes, **_: Any) -> ObjectInfo:
        return self.put(bucket, key, data)


class IgnoresReplace(ObjectStore):
    def replace(self, bucket: str, key: str, data: bytes, **_: Any) -> ObjectInfo:
        return self.put(bucket, key, data)


class MayNotDelete(ObjectStore):
    def delete(self, bucket: str, key: str) -> None:
        raise StoreError("The S3 credentials may not delete.")


def test_writers_need_no_right_to_delete(object_store: ObjectStore) -> None:
    probe_conditional_writes(MayNotDelete(object_store.connection, object_store.prefix))
    assert [one.key.split("/")[0] for one in object_store.list("registry")] == [".probe"]


def test_the_embedded_server_passes_and_keeps_nothing(object_store: ObjectStore) -> None:
    probe_conditional_writes(object_store)
    assert list(object_store.list("registry")) == []


@pytest.mark.parametrize(("kind", "header"), [(IgnoresCreate, "If-None-Match"), (IgnoresReplace, "If-Match")])
def test_a_store_that_ignores_conditions_is_refused(
    object_store: ObjectStore, kind: type[ObjectStore], header: str
) -> None:
    careless = kind(object_store.connection, object_store.prefix)
    with pytest.raises(StoreError, match=f"ignores {header}"):
        probe_conditional_writes(careless)
    assert list(object_store.list("registry")) == []
