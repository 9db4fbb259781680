"""Where the sound of a request comes from: the request itself, a data address, an allowed host, or our own buckets."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from otoloop.params import ServeParams
from otoloop.serve.chat import Inline, Link
from otoloop.serve.refusals import Refusal
from otoloop.serve.remote import Allowed, fetch
from otoloop.store.connection import Connection, resolve
from otoloop.store.failures import NotFound
from otoloop.store.s3 import ObjectStore

OPEN_BUCKETS = ("incoming", "audio")
"""Others hold recordings that were not screened yet, models, and sealed answers."""
_DATA = re.compile(r"data:[^,]{0,200}?(;base64)?,", re.IGNORECASE)
_S3 = re.compile(r"s3://([^/?#]+)/(.+)", re.DOTALL)


class Sources:
    """Reads sounds for one gateway; safe to share between threads."""

    def __init__(self, workspace: Path, params: ServeParams, prefix: str) -> None:
        """``prefix`` is that of the workspace's buckets."""
        self._workspace, self._prefix = workspace, prefix
        self._max = int(params.max_body_mb * 2**20)
        self._allowed = Allowed.of(params.allow_hosts)
        self._store: tuple[Connection, ObjectStore] | None = None

    def read(self, sound: Inline | Link) -> bytes:
        """The bytes of a sound.

        Raises:
            Refusal: wrong base64, an address that is not allowed, nothing there, or too much of it.
        """
        if isinstance(sound, Inline):
            return _decoded(sound.data)
        scheme = sound.url.split(":", 1)[0].lower()
        readers: dict[str, Callable[[str], bytes]] = {"data": _of_data_url, "s3": self._of_bucket}
        return readers.get(scheme, self._of_host)(sound.url)

    def store(self) -> ObjectStore:
        """The workspace's store as it is now: an embedded server may have moved to another port.

        Raises:
            OtoloopError: it does not run.
        """
        connection = resolve(self._workspace)
        if self._store is None or self._store[0] != connection:
            self._store = (connection, ObjectStore(connection, self._prefix))
        return self._store[1]

    def _of_host(self, url: str) -> bytes:
        return fetch(url, self._allowed, self._max)

    def _of_bucket(self, url: str) -> bytes:
        store, match = self.store(), _S3.fullmatch(url)
        buckets = {store.bucket(name): name for name in OPEN_BUCKETS}
        if match is None or match[1] not in buckets:
            raise Refusal(
                400, "bucket_not_allowed", f"{url[:120]!r} does not lie in {' or '.join(buckets)}.",
                "Upload the sound there, or send it in the request.", "messages",
            )  # fmt: skip
        try:
            found = store.head(match[1], match[2])
            if found is not None and found.size > self._max:
                size = f"{found.size / 2**20:.1f} MB; at most {self._max / 2**20:.1f} MB are read"
                raise Refusal(400, "too_large", f"{url[:120]} has {size}.", "Cut out the part in question.", "messages")
            return store.get(match[1], match[2])
        except NotFound:
            raise Refusal(404, "sound_not_found", f"There is no {url[:120]!r}.", "Check the key.", "messages") from None


def _of_data_url(url: str) -> bytes:
    match = _DATA.match(url)
    if match is None:
        raise Refusal(400, "invalid_url", "The data address has no comma.", "Give data:audio/wav;base64,…", "messages")
    rest = url[match.end() :]
    return _decoded(rest) if match[1] else unquote_to_bytes(rest)


def _decoded(text: str) -> bytes:
    """Base64 as clients send it; line ends are tolerated, anything else is not."""
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError) as err:
        raise Refusal(
            400, "invalid_base64", f"The sound is not valid base64: {err}.", "Encode the whole file by RFC 4648.",
            "messages",
        ) from None  # fmt: skip
