"""The boto3 client behind `ObjectStore`, and what the store says of an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config

from otoloop.store.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What the store says of one object; ``etag`` without quotes, ``version`` where the bucket keeps versions."""

    key: str
    size: int
    etag: str
    version: str | None = None
    modified: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None


def make_client(connection: Connection, patient: bool) -> Any:
    """A boto3 client with short patience for connections and path-style addresses outside AWS."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "auto" if connection.is_aws else "path"},
        connect_timeout=5 if patient else 1,
        read_timeout=60 if patient else 3,
        retries={"mode": "standard", "max_attempts": 4 if patient else 1},
        max_pool_connections=32,
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=connection.endpoint,
        region_name=connection.region,
        aws_access_key_id=connection.access_key,
        aws_secret_access_key=connection.secret_key,
        aws_session_token=connection.session_token,
        config=config,
    )


def info(key: str, answer: Mapping[str, Any], size: str) -> ObjectInfo:
    """Facts from any of the shapes S3 answers in."""
    version = answer.get("VersionId")
    return ObjectInfo(
        key=key, size=int(answer.get(size, 0)), etag=str(answer.get("ETag", "")).strip('"'),
        version=version if version != "null" else None, modified=answer.get("LastModified"),
        metadata=answer.get("Metadata", {}), content_type=answer.get("ContentType"),
    )  # fmt: skip
