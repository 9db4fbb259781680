"""What can go wrong with an S3 store, as one sentence and a remedy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.errors import OtoloopError

if TYPE_CHECKING:
    from otoloop.store.connection import Connection

LOW_DISK_BYTES = 256 * 2**20
"""Below this the embedded server may be unable to open another volume file (64 MB each) for a bucket."""


class StoreError(OtoloopError):
    """The store refused or failed."""


class NotFound(StoreError):
    """No such object (or bucket)."""


class AlreadyExists(StoreError):
    """A create-only write met an object that is there already."""


class Conflict(StoreError):
    """A compare-and-swap write met another version than it expected: read again, decide again."""


@contextmanager
def explained(action: str, bucket: str, key: str, connection: Connection) -> Iterator[None]:
    """Turn any client error of the block into a `StoreError` that names what was attempted and what to do."""
    from botocore.exceptions import BotoCoreError, ClientError

    where = f"s3://{bucket}/{key}" if key else f"s3://{bucket}" if bucket else connection.endpoint
    try:
        yield
    except ClientError as err:
        raise _of_response(err, action, bucket, where, connection) from err
    except BotoCoreError as err:
        raise _of_client(err, action, where, connection.endpoint) from err


def no_bucket(bucket: str, endpoint: str) -> NotFound:
    """The refusal where a whole bucket is missing."""
    return NotFound(
        f"There is no bucket {bucket} at {endpoint}.",
        "Run `otoloop up --only s3`, which creates the buckets, or correct the prefix in params.yaml.",
    )


def _of_response(err: Any, action: str, bucket: str, where: str, connection: Connection) -> StoreError:
    """The server answered with an error."""
    endpoint, data_dir = connection.endpoint, connection.data_dir
    code = str(err.response.get("Error", {}).get("Code", ""))
    status = int(err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "NoSuchBucket":
        return no_bucket(bucket, endpoint)
    if status == 404:
        return NotFound(f"There is no {where} at {endpoint}.", "Check the name; it may have been removed.")
    if code in {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}:
        return _not_let_in(endpoint, connection.access_key, code)
    if status in {401, 403}:
        return StoreError(
            f"The S3 credentials may not {action} {where} ({code or status}).",
            "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ask the store's owner for the permission.",
        )
    if status >= 500 and _is_full(code, status, data_dir):
        place = f"the disk of {data_dir}" if data_dir else endpoint
        return StoreError(
            f"Could not {action} {where}: {place} is full.", "Free some space, then run the same command again."
        )
    message = err.response.get("Error", {}).get("Message", "") or str(err)
    return StoreError(f"Could not {action} {where} at {endpoint}: {code or status} {message}".strip(), _look(data_dir))


def _not_let_in(endpoint: str, access_key: str | None, code: str) -> StoreError:
    """The server knows no such key, or knows it with another secret."""
    with_key = f" with access key {access_key!r}" if access_key else ""
    return StoreError(
        f"{endpoint} does not accept the S3 credentials{with_key} ({code}).",
        "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    )


def _is_full(code: str, status: int, data_dir: Path | None) -> bool:
    """Whether a server error means that no space is left."""
    if status == 507 or "StorageFull" in code:
        return True
    return data_dir is not None and data_dir.exists() and shutil.disk_usage(data_dir).free < LOW_DISK_BYTES


def _look(data_dir: Path | None) -> str:
    """Where to read more."""
    if data_dir:
        return f"See {data_dir.parent / 'logs' / 's3.log'}; `otoloop doctor` checks the store."
    return "Try again; `otoloop doctor` checks the store."


def _of_client(err: Exception, action: str, where: str, endpoint: str) -> StoreError:
    """There was no answer, or the request could not even be made."""
    from botocore.exceptions import ConnectionError as NoConnection
    from botocore.exceptions import HTTPClientError, NoCredentialsError, PartialCredentialsError

    if isinstance(err, NoCredentialsError | PartialCredentialsError):
        return StoreError(
            f"There are no S3 credentials for {endpoint}.", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(err, NoConnection | HTTPClientError):
        return StoreError(
            f"Could not {action} {where}: no answer from {endpoint}.",
            "Start the embedded server with `otoloop up --only s3`, or check OTOLOOP_S3_ENDPOINT and the network.",
        )
    return StoreError(f"Could not {action} {where}: {err}", "Check the endpoint and the name.")
