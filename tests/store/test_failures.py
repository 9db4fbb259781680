from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from otoloop.store.connection import Connection
from otoloop.store.failures import NotFound, StoreError, explained

STORE = Connection(endpoint="http://s3", access_key="the-key")


def _sentence(code: str, status: int, data_dir: Path | None = None) -> str:
    response = {"Error": {"Code": code, "Message": "words"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    store = replace(STORE, data_dir=data_dir)
    with pytest.raises(StoreError) as failure, explained("write", "b", "k", store):
        raise ClientError(response, "PutObject")
    assert failure.value.remedy
    assert "\n" not in failure.value.message
    return str(failure.value)


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("NoSuchBucket", 404, "no bucket b"),
        ("NoSuchKey", 404, "no s3://b/k"),
        ("InvalidAccessKeyId", 403, "does not accept the S3 credentials with access key 'the-key'"),
        ("AccessDenied", 403, "may not write"),
        ("XMinioStorageFull", 507, "full"),
        ("InternalError", 500, "InternalError words"),
    ],
)
def test_each_refusal_is_a_sentence_with_a_remedy(code: str, status: int, words: str) -> None:
    assert words in _sentence(code, status)


def test_a_server_error_on_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otoloop.store.failures.LOW_DISK_BYTES", 2**62)
    assert f"disk of {tmp_path} is full" in _sentence("InternalError", 500, tmp_path)


def test_missing_credentials_name_the_variables() -> None:
    with pytest.raises(StoreError, match="AWS_ACCESS_KEY_ID"), explained("read", "b", "k", STORE):
        raise NoCredentialsError


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(ZeroDivisionError), explained("read", "b", "k", STORE):
        raise ZeroDivisionError
    assert issubclass(NotFound, StoreError)
