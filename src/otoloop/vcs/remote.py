"""Where DVC keeps data, and the proof that something is really there: size and md5, not DVC's word for it."""

from __future__ import annotations

import configparser
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from otoloop import store
from otoloop.errors import OtoloopError
from otoloop.store.failures import NotFound
from otoloop.store.s3 import ObjectStore


@dataclass(frozen=True, slots=True)
class Out:
    """One thing that DVC tracks: a file, or a folder whose md5 ends in ``.dir``."""

    path: str
    md5: str
    size: int | None = None


class Remote(ABC):
    """A DVC remote as far as checking goes."""

    url: str

    @abstractmethod
    def reachable(self) -> bool:
        """Whether the place itself is there."""

    @abstractmethod
    def problem(self, out: Out) -> str | None:
        """Why the object of ``out`` is not as it should be, or None."""

    @abstractmethod
    def read(self, md5: str) -> bytes:
        """The bytes kept under a checksum."""


class FolderRemote(Remote):
    """A remote in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, str(folder)

    def reachable(self) -> bool:
        """See `Remote.reachable`."""
        return self.folder.is_dir()

    def problem(self, out: Out) -> str | None:
        """See `Remote.problem`."""
        path = self.folder / _key(out.md5)
        if not path.is_file():
            return "is missing"
        if out.size is not None and path.stat().st_size != out.size and not out.md5.endswith(".dir"):
            return f"has {path.stat().st_size} bytes instead of {out.size}"
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        return None if found == out.md5.removesuffix(".dir") else f"has md5 {found} instead of {out.md5}"

    def read(self, md5: str) -> bytes:
        """See `Remote.read`."""
        return (self.folder / _key(md5)).read_bytes()


class S3Remote(Remote):
    """A remote in a bucket."""

    def __init__(self, client: ObjectStore, url: str) -> None:
        parts = urlsplit(url)
        self.client, self.url, self.bucket, self.prefix = client, url, parts.netloc, parts.path.strip("/")

    def reachable(self) -> bool:
        """See `Remote.reachable`."""
        return self.client.bucket_exists(self.bucket)

    def problem(self, out: Out) -> str | None:
        """See `Remote.problem`; an etag that is no plain md5 (parts, encryption) means reading the object back."""
        info = self.client.head(self.bucket, self._key(out.md5))
        if info is None:
            return "is missing"
        if out.size is not None and info.size != out.size and not out.md5.endswith(".dir"):
            return f"has {info.size} bytes instead of {out.size}"
        wanted = out.md5.removesuffix(".dir")
        if info.etag == wanted:
            return None
        found = self.client.md5(self.bucket, self._key(out.md5))
        return None if found == wanted else f"has md5 {found} instead of {wanted}"

    def read(self, md5: str) -> bytes:
        """See `Remote.read`."""
        return self.client.get(self.bucket, self._key(md5))

    def _key(self, md5: str) -> str:
        return f"{self.prefix}/{_key(md5)}".lstrip("/")


def _key(md5: str) -> str:
    """Where DVC 3 keeps an object below its remote."""
    return f"files/md5/{md5[:2]}/{md5[2:]}"


def remote_url(workspace: Path) -> str:
    """The URL of the default remote.

    Raises:
        OtoloopError: there is none.
    """
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read([workspace / ".dvc" / "config", workspace / ".dvc" / "config.local"], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as err:
        said = " ".join(str(err).split())
        raise OtoloopError(f"{workspace / '.dvc' / 'config'} is damaged: {said}.", "Correct it by hand.") from None
    name = config.get("core", "remote", fallback="")
    for section in (f"'remote \"{name}\"'", f'remote "{name}"'):
        if url := config.get(section, "url", fallback=""):
            return url
    raise OtoloopError(f"{workspace} has no default DVC remote.", "Set one: `dvc remote add --default storage URL`.")


def folder_of(workspace: Path, url: str) -> Path | None:
    """The folder of a local remote (relative URLs count from ``.dvc``), None for others."""
    return None if "://" in url else (workspace / ".dvc" / url).resolve()


def open_remote(workspace: Path, services: Path, *, patient: bool = True) -> Remote:
    """The default remote of a workspace; see `otoloop.store.connect` for ``patient``."""
    url = remote_url(workspace)
    folder = folder_of(workspace, url)
    if folder is not None:
        return FolderRemote(folder)
    if url.startswith("s3://"):
        return S3Remote(store.connect(services, patient=patient), url)
    raise OtoloopError(f"The DVC remote {url} cannot be verified.", "Use an s3:// remote or a folder.")


def outs_of(path: Path) -> list[Out]:
    """What a ``.dvc`` file names, or what all stages of a ``dvc.lock`` made.

    Raises:
        OtoloopError: there is no such file, or it is damaged.
    """
    try:
        return parse_outs(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise OtoloopError(
            f"There is no {path}: nothing was added to DVC under that name.", "Run `dvc add` first."
        ) from None


def parse_outs(text: str, name: str) -> list[Out]:
    """`outs_of` for the text of such a file, called ``name`` where it is damaged."""
    try:
        data: Any = yaml.safe_load(text) or {}
        stages = data["stages"].values() if "stages" in data else [data]
        rows = [row for stage in stages for row in stage.get("outs", [])]
        return [Out(row["path"], row["md5"], row.get("size")) for row in rows]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as err:
        raise OtoloopError(f"{name} is damaged: {err}.", f"Restore it: `git checkout -- {Path(name).name}`.") from None


def read_at(workspace: Path, services: Path, lock: str, path: str) -> bytes:
    """The bytes of a file below an out that a ``dvc.lock`` (given as text) names.

    Raises:
        OtoloopError: the lock names no such file, or its data are neither here nor in the remote.
    """

    def fetch(md5: str) -> bytes:
        here = workspace / ".dvc" / "cache" / _key(md5)
        return here.read_bytes() if here.is_file() else open_remote(workspace, services).read(md5)

    out = next((o for o in parse_outs(lock, "dvc.lock") if path == o.path or path.startswith(f"{o.path}/")), None)
    try:
        if out is not None and out.md5.endswith(".dir"):
            listed = {f"{out.path}/{row['relpath']}": row["md5"] for row in json.loads(fetch(out.md5))}
            if path in listed:
                return fetch(listed[path])
        elif out is not None:
            return fetch(out.md5)
    except (NotFound, FileNotFoundError) as err:
        raise OtoloopError(f"The data of {path} are not there any more.", "Look for them in a backup.") from err
    raise OtoloopError(f"There was no {path} then.", "Choose another revision.")


def verify(remote: Remote, outs: Iterable[Out]) -> None:
    """Check every out and, for folders, every file that the folder's list names.

    Raises:
        OtoloopError: something is missing or differs; names up to three.
    """
    objects: list[Out] = []
    for out in outs:
        objects.append(out)
        if out.md5.endswith(".dir"):
            objects += _listed(remote, out)
    with ThreadPoolExecutor(8) as pool:
        checked = zip(objects, pool.map(remote.problem, objects), strict=True)
    bad = [f"{out.path} {why}" for out, why in checked if why]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise OtoloopError(f"In the DVC remote {remote.url}: {'; '.join(bad[:3])}{more}.", "Run `dvc push` again.")


def write_folder(remote: Remote, out: Out, into: Path) -> None:
    """Write the files of a folder out, each held against its md5.

    Raises:
        OtoloopError: the remote lacks one, holds another, or names a file outside of the folder.
    """
    verify(remote, [out])
    for row in _listed(remote, out):
        target, data = into / Path(row.path).relative_to(out.path), remote.read(row.md5)
        if not target.resolve().is_relative_to(into.resolve()) or _md5(data) != row.md5:
            raise OtoloopError(f"In the DVC remote {remote.url}: {row.path} is not what it was.", "Restore the remote.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _listed(remote: Remote, out: Out) -> list[Out]:
    """The files of a folder, read from the remote's own copy of the list."""
    try:
        rows = json.loads(remote.read(out.md5))
        return [Out(f"{out.path}/{row['relpath']}", row["md5"]) for row in rows]
    except (NotFound, FileNotFoundError):
        return []  # the missing list itself is reported
    except (ValueError, KeyError, TypeError):
        return []  # a damaged list has another md5: reported too
