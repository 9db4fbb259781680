"""Object storage: the only home of S3 clients. Bytes first (checksum read back), then the row, then the pointer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otoloop.store.s3 import ObjectStore


def connect(workspace: Path, *, patient: bool = True) -> ObjectStore:
    """A client for the S3 store of a workspace: ``OTOLOOP_S3_ENDPOINT`` if set, else its running embedded server.

    ``patient=False`` gives up at once where nobody answers, for a first look.

    Raises:
        OtoloopError: neither is there; names the command that starts one.
    """
    from otoloop.params import load_params
    from otoloop.store.connection import resolve
    from otoloop.store.s3 import ObjectStore

    return ObjectStore(resolve(workspace), load_params(workspace / "params.yaml").prefix, patient=patient)


def environment(workspace: Path) -> dict[str, str]:
    """The variables that make other S3 clients (DVC, aws) reach the same store; `connect` lists the errors."""
    from otoloop.store.connection import resolve

    return resolve(workspace).environment()
