"""One S3 store as typed calls: objects, conditional writes, versions. boto3 does the talking.

Buckets are named by their short name (``incoming``, ``audio``, ...), which stands for ``<prefix>-<name>``; any other
name is taken as it is. A key is only ever a key, never a path on a disk.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from otoloop.store.client import ObjectInfo, info, make_client
from otoloop.store.connection import Connection
from otoloop.store.failures import AlreadyExists, Conflict, NotFound, explained, no_bucket

BUCKETS = ("incoming", "landing", "audio", "dvc", "registry")
CONFLICT_RETRIES = 6
CHUNK = 2**20


class ObjectStore:
    """A client that may be shared by threads; every method raises `StoreError` (or a kind of it) on failure."""

    def __init__(self, connection: Connection, prefix: str, *, patient: bool = True) -> None:
        """``patient=False`` gives up at once instead of retrying (for start-up probes)."""
        self.connection, self.prefix = connection, prefix
        with self._explained("connect to", "", ""):
            self._client: Any = make_client(connection, patient)

    @property
    def endpoint(self) -> str:
        """The store's URL."""
        return self.connection.endpoint

    def bucket(self, name: str) -> str:
        """The full name of a bucket."""
        return f"{self.prefix}-{name}" if name in BUCKETS else name

    def _explained(self, action: str, bucket: str, key: str) -> AbstractContextManager[None]:
        return explained(action, bucket, key, self.connection)

    # ---- buckets -------------------------------------------------------------------------------------------------

    def make_bucket(self, name: str) -> None:
        """Create a bucket unless it is there."""
        full = self.bucket(name)
        extra = {}
        if self.connection.is_aws and self.connection.region != "us-east-1":
            extra = {"CreateBucketConfiguration": {"LocationConstraint": self.connection.region}}
        with self._explained("create", full, ""):
            try:
                self._client.create_bucket(Bucket=full, **extra)
            except (self._client.exceptions.BucketAlreadyOwnedByYou, self._client.exceptions.BucketAlreadyExists):
                self._client.head_bucket(Bucket=full)  # fails if it is somebody else's

    def ensure_buckets(self) -> None:
        """Create the five buckets of this prefix where they are missing."""
        for name in sorted(set(BUCKETS) - {n for n in BUCKETS if self.bucket_exists(n)}):
            self.make_bucket(name)

    def bucket_exists(self, name: str) -> bool:
        """Whether the bucket is there; asked by a listing, since an answer to HEAD cannot say why it is a refusal."""
        try:
            with self._explained("look at", self.bucket(name), ""):
                self._client.list_objects_v2(Bucket=self.bucket(name), MaxKeys=1)
            return True
        except NotFound:
            return False

    def require_bucket(self, bucket: str) -> None:
        """Refuse to go on without a bucket: a missing key in a missing bucket is reported as the bucket's absence.

        Raises:
            NotFound: it is not there.
        """
        if not self.bucket_exists(bucket):
            raise no_bucket(self.bucket(bucket), self.endpoint)

    def remove_bucket(self, name: str) -> None:
        """Remove an empty bucket."""
        with self._explained("remove", self.bucket(name), ""):
            self._client.delete_bucket(Bucket=self.bucket(name))

    def keep_versions(self, bucket: str) -> None:
        """Turn versioning on: overwritten and deleted objects stay reachable by version."""
        with self._explained("set versioning of", self.bucket(bucket), ""):
            self._client.put_bucket_versioning(
                Bucket=self.bucket(bucket), VersioningConfiguration={"Status": "Enabled"}
            )

    # ---- reading -------------------------------------------------------------------------------------------------

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """Facts about one object, None if there is none."""
        try:
            with self._explained("look at", self.bucket(bucket), key):
                return info(key, self._client.head_object(Bucket=self.bucket(bucket), Key=key), "ContentLength")
        except NotFound:
            self.require_bucket(bucket)
            return None

    def get(self, bucket: str, key: str, *, version: str | None = None) -> bytes:
        """The whole object; raises `NotFound`."""
        return self.read(bucket, key, version=version)[0]

    def read(self, bucket: str, key: str, *, version: str | None = None) -> tuple[bytes, ObjectInfo]:
        """The whole object and its facts as of the same moment (what a compare-and-swap starts from)."""
        extra = {"VersionId": version} if version else {}
        with self._explained("read", self.bucket(bucket), key):
            answer = self._client.get_object(Bucket=self.bucket(bucket), Key=key, **extra)
            return answer["Body"].read(), info(key, answer, "ContentLength")

    def read_range(self, bucket: str, key: str, start: int, end: int) -> bytes:
        """Bytes ``start`` to ``end`` (exclusive)."""
        with self._explained("read", self.bucket(bucket), key):
            answer = self._client.get_object(Bucket=self.bucket(bucket), Key=key, Range=f"bytes={start}-{end - 1}")
            return bytes(answer["Body"].read())

    def chunks(self, bucket: str, key: str) -> Iterator[bytes]:
        """The object piece by piece, for files too large to hold."""
        with self._explained("read", self.bucket(bucket), key):
            yield from self._client.get_object(Bucket=self.bucket(bucket), Key=key)["Body"].iter_chunks(CHUNK)

    def md5(self, bucket: str, key: str) -> str:
        """The md5 of the stored bytes, computed by reading them back."""
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self.chunks(bucket, key):
            digest.update(chunk)
        return digest.hexdigest()

    def list(self, bucket: str, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """Objects under ``prefix`` in key order, those after the key ``after``; 1,000 a request."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._explained("list", self.bucket(bucket), prefix):
            for page in pages.paginate(Bucket=self.bucket(bucket), Prefix=prefix, StartAfter=after):
                for row in page.get("Contents", ()):
                    yield info(row["Key"], row, "Size")

    def folders(self, bucket: str, prefix: str = "") -> Iterator[str]:
        """The next level of keys below ``prefix``, each with its trailing slash."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._explained("list", self.bucket(bucket), prefix):
            for page in pages.paginate(Bucket=self.bucket(bucket), Prefix=prefix, Delimiter="/"):
                yield from (row["Prefix"] for row in page.get("CommonPrefixes", ()))

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """Every kept version of the objects under ``prefix``, delete markers included (size 0, no etag)."""
        pages = self._client.get_paginator("list_object_versions")
        with self._explained("list versions of", self.bucket(bucket), prefix):
            for page in pages.paginate(Bucket=self.bucket(bucket), Prefix=prefix):
                for row in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    yield info(row["Key"], row, "Size")

    def presigned(self, bucket: str, key: str, *, seconds: int) -> str:
        """A link that reads one object without credentials for a while."""
        with self._explained("sign a link to", self.bucket(bucket), key):
            where = {"Bucket": self.bucket(bucket), "Key": key}
            return str(self._client.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds))

    # ---- writing -------------------------------------------------------------------------------------------------

    def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> ObjectInfo:
        """Write or overwrite an object; the server checks what it received."""
        return self._put(bucket, key, data, metadata, content_type, {})

    def create(
        self, bucket: str, key: str, data: bytes, *, metadata: Mapping[str, str] | None = None,
        content_type: str | None = None, same_ok: bool = False,
    ) -> ObjectInfo:  # fmt: skip
        """Write an object that must not exist yet.

        Args:
            bucket: short or full bucket name.
            key: the object's key.
            data: its bytes.
            metadata: strings to keep with it.
            content_type: MIME type.
            same_ok: finding exactly these bytes there is success too. A lost answer makes the client send the write
                again and meet its own object, so content-addressed callers want this.

        Raises:
            AlreadyExists: it is there (for ``same_ok``: with other bytes).
        """
        try:
            return self._put(bucket, key, data, metadata, content_type, {"IfNoneMatch": "*"})
        except Conflict:
            if same_ok:
                found, facts = self.read(bucket, key)
                if found == data:
                    return facts
            raise AlreadyExists(
                f"s3://{self.bucket(bucket)}/{key} exists already.", "Read it, then decide again."
            ) from None

    def replace(
        self, bucket: str, key: str, data: bytes, *, etag: str, metadata: Mapping[str, str] | None = None
    ) -> ObjectInfo:
        """Overwrite the version with this etag and no other; raises `Conflict` if it is not the current one.

        An etag stands for bytes: let every version differ (a counter will do), or an old one may look current again.
        """
        try:
            return self._put(bucket, key, data, metadata, None, {"IfMatch": f'"{etag}"'})
        except (Conflict, NotFound):
            self.require_bucket(bucket)
            raise Conflict(
                f"s3://{self.bucket(bucket)}/{key} was changed by somebody else.", "Read it, then decide again."
            ) from None

    def _put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        metadata: Mapping[str, str] | None,
        content_type: str | None,
        condition: dict[str, str],
    ) -> ObjectInfo:
        """One PUT; `Conflict` when its condition does not hold. AWS answers 409 to a race it wants repeated."""
        extra: dict[str, Any] = {**condition, **({"ContentType": content_type} if content_type else {})}
        for attempt in range(CONFLICT_RETRIES):
            with self._explained("write", self.bucket(bucket), key):
                try:
                    answer = self._client.put_object(
                        Bucket=self.bucket(bucket), Key=key, Body=data, Metadata=dict(metadata or {}), **extra
                    )
                    return info(key, {**answer, "Size": len(data), "Metadata": dict(metadata or {})}, "Size")
                except self._client.exceptions.ClientError as err:
                    status = err.response["ResponseMetadata"]["HTTPStatusCode"]
                    if status == 412:
                        break
                    if not (condition and status == 409):
                        raise
                    time.sleep(0.02 * 2**attempt)
        raise Conflict(
            f"s3://{self.bucket(bucket)}/{key} did not meet the condition of this write.", "Read it, then decide again."
        )

    def upload(self, bucket: str, key: str, path: Path) -> None:
        """Write a file, in parts if it is large."""
        with self._explained("write", self.bucket(bucket), key):
            self._client.upload_file(str(path), self.bucket(bucket), key)

    def download(self, bucket: str, key: str, path: Path) -> None:
        """Read an object into a file; the file appears whole or not at all."""
        with self._explained("read", self.bucket(bucket), key):
            self._client.download_file(self.bucket(bucket), key, str(path))

    def copy(self, bucket: str, key: str, to_bucket: str, to_key: str) -> None:
        """Copy an object inside the store."""
        with self._explained("copy", self.bucket(bucket), key):
            source = {"Bucket": self.bucket(bucket), "Key": key}
            self._client.copy_object(Bucket=self.bucket(to_bucket), Key=to_key, CopySource=source)

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object (in a bucket with versions: hide it); removing what is not there is fine."""
        with self._explained("delete", self.bucket(bucket), key):
            self._client.delete_object(Bucket=self.bucket(bucket), Key=key)

    def erase(self, bucket: str, key: str) -> int:
        """Remove every version of exactly this key; returns how many there were."""
        found = [one for one in self.versions(bucket, key) if one.key == key]
        with self._explained("erase", self.bucket(bucket), key):
            for one in found:
                extra = {"VersionId": one.version} if one.version else {}
                self._client.delete_object(Bucket=self.bucket(bucket), Key=key, **extra)
        return len(found)
