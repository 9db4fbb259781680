"""Versions: what a registered adapter is made of, and where its files lie.

models/<name>/versions/<v>/manifest.json       create-only; its sha256 stands in the register event
models/<name>/versions/<v>/adapter/<file>      create-only; their sha256 stand in the manifest
models/<name>/versions/<v>/packs/<sha256>.json evidence packs, by their hash
models/<name>/versions/<v>/approval.json       the approve event, written when the version is promoted first
models/<name>/versions/<v>/bundle.sig          signature over manifest, adapter and approval

A version never changes: another adapter, or another cycle, is another version.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.errors import OtoloopError
from otoloop.outs import key_of, replacing
from otoloop.promote.events import Event, canonical, sha256
from otoloop.release.cycle import BaseRef
from otoloop.store.failures import AlreadyExists, NotFound

if TYPE_CHECKING:
    from otoloop.promote.registry import Registry

FORMAT = 1
FILES = ("adapter_config.json", "adapter_model.safetensors")
"""All that an adapter may consist of."""
MANIFEST, APPROVAL, SIGNATURE, ADAPTER = "manifest.json", "approval.json", "bundle.sig", "adapter"
BUCKET = "registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a version is made of and where it comes from.

    Attributes:
        version: ``v1``, ``v2``, ...
        base: the base that its adapter belongs to.
        adapter_sha256: digest over the names and digests of its files, the same as that of `evaluate.answer.Answerer`.
        adapter_files: sha256 by file name.
        release, cycle, commit: what it was trained on, in which cycle, and the commit that holds all of it.
        parent: the champion that it was compared with.
        probe: prompts and the logits that the adapter must give; see `otoloop.evaluate.probe`.
    """

    version: str
    base: BaseRef
    adapter_sha256: str
    adapter_files: Mapping[str, str]
    release: str
    cycle: int
    commit: str
    parent: str | None
    probe: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The immutable name of its adapter: ``v12-<sha8>``."""
        return f"{self.version}-{self.adapter_sha256[:8]}"

    def to_json(self) -> dict[str, Any]:
        """The content of manifest.json."""
        adapter = {"sha256": self.adapter_sha256, "files": dict(self.adapter_files)}
        rest = {n: getattr(self, n) for n in ("version", "release", "cycle", "commit", "parent")}
        return {"format": FORMAT, "base": asdict(self.base), "adapter": adapter, "probe": dict(self.probe), **rest}

    def to_bytes(self) -> bytes:
        """The stored form."""
        return canonical(self.to_json())

    @classmethod
    def from_bytes(cls, raw: bytes) -> Manifest:
        """Read a manifest.json.

        Raises:
            OtoloopError: it is none, or of a later format.
        """
        try:
            row = json.loads(raw)
            if row["format"] != FORMAT:
                raise OtoloopError(f"The manifest has format {row['format']}.", "Install a newer otoloop.")
            if set(row["adapter"]["files"]) != set(FILES):
                raise OtoloopError(
                    f"The manifest names other files than an adapter has: {sorted(row['adapter']['files'])}.",
                    "Do not load this version.",
                )
            return cls(
                base=BaseRef(**row["base"]), adapter_sha256=row["adapter"]["sha256"],
                adapter_files=row["adapter"]["files"],
                **{n: row[n] for n in ("version", "release", "cycle", "commit", "parent", "probe")},
            )  # fmt: skip
        except (ValueError, TypeError, KeyError) as err:
            raise OtoloopError(f"This is no manifest: {err}.", "Do not load this version.") from None


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of an adapter's files.

    Raises:
        OtoloopError: one is missing, or there are others.
    """
    found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    if found != sorted(FILES):
        raise OtoloopError(
            f"{folder} holds {', '.join(found) or 'nothing'}; an adapter is {' and '.join(FILES)}.",
            "Train again, or `dvc pull`.",
        )
    return {name: sha256((folder / name).read_bytes()) for name in found}


def adapter_digest(files: Mapping[str, str]) -> str:
    """One digest over names and digests of an adapter's files."""
    return key_of(sorted(files.items()))


# ---- writing -------------------------------------------------------------------------------------------------------


def publish(registry: Registry, manifest: Manifest, folder: Path, taken: int) -> Manifest:
    """Store an adapter and its manifest under the first free number above ``taken``; files first.

    A number whose manifest is there without an event was left by a registration that was cut off: the same content
    takes it up again, another goes on to the next number.
    """
    while True:
        taken += 1
        numbered = replace(manifest, version=f"v{taken}")
        try:
            for name in FILES:
                key = _key(registry, numbered.version, ADAPTER, name)
                registry.store.create(BUCKET, key, (folder / name).read_bytes(), same_ok=True)
            key = _key(registry, numbered.version, MANIFEST)
            registry.store.create(BUCKET, key, numbered.to_bytes(), same_ok=True)
            return numbered
        except AlreadyExists:
            continue


def keep_pack(registry: Registry, version: str, raw: bytes) -> str:
    """Store an evidence pack under its hash, which is returned."""
    digest = sha256(raw)
    registry.store.create(BUCKET, _key(registry, version, "packs", f"{digest}.json"), raw, same_ok=True)
    return digest


def keep(registry: Registry, version: str, name: str, raw: bytes) -> None:
    """Store a file of a version unless there is one; what another process stored first stays."""
    with contextlib.suppress(AlreadyExists):
        registry.store.create(BUCKET, _key(registry, version, name), raw)


# ---- reading -------------------------------------------------------------------------------------------------------


def manifest(registry: Registry, version: str, registered: Event | None = None) -> Manifest:
    """A version's manifest, as its register event (looked up in the chain if not given) knows it.

    Raises:
        OtoloopError: nobody registered such a version, or the manifest was changed.
    """
    event = registered or registry.ledger().versions.get(version)
    if event is None:
        raise OtoloopError(f"There is no version {version!r}.", "`otoloop promotions list` shows what there is.")
    raw = registry.store.get(BUCKET, _key(registry, version, MANIFEST))
    if sha256(raw) != event.fields.get("manifest_sha256"):
        raise OtoloopError(
            f"The manifest of {version} is not the one that was registered.", "Run `otoloop audit verify`."
        )
    return Manifest.from_bytes(raw)


def pack(registry: Registry, version: str, digest: str) -> dict[str, Any]:
    """An evidence pack.

    Raises:
        OtoloopError: it is not there, or is not what its hash says.
    """
    try:
        raw = registry.store.get(BUCKET, _key(registry, version, "packs", f"{digest}.json"))
    except NotFound:
        raw = b""
    if sha256(raw) != digest:
        raise OtoloopError(
            f"The evidence pack {digest[:12]} of {version} is missing or was changed.",
            "Request the version anew: an approval is bound to the evidence.",
        )
    return dict(json.loads(raw))


def fetch(registry: Registry, version: str, folder: Path) -> Path:
    """Download a version: manifest and adapter, checked; approval and signature where it was promoted.

    ``folder`` appears whole or not at all, and replaces what was there. `bundle.verify` tells whether it may be loaded.

    Raises:
        OtoloopError: there is no such version, or a file is not what the manifest says.
    """
    found = manifest(registry, version)
    with replacing(folder) as draft:
        (draft / ADAPTER).mkdir(parents=True)
        (draft / MANIFEST).write_bytes(found.to_bytes())
        for name, digest in found.adapter_files.items():
            data = registry.store.get(BUCKET, _key(registry, version, ADAPTER, name))
            if sha256(data) != digest:
                raise OtoloopError(f"{name} of {version} was changed in the store.", "Run `otoloop audit verify`.")
            (draft / ADAPTER / name).write_bytes(data)
        for name in (APPROVAL, SIGNATURE):
            if (kept := stored(registry, version, name)) is not None:
                (draft / name).write_bytes(kept)
    return folder


def stored(registry: Registry, version: str, name: str) -> bytes | None:
    """A file of a version, None if it is not there."""
    try:
        return registry.store.get(BUCKET, _key(registry, version, name))
    except NotFound:
        return None


def _key(registry: Registry, version: str, *parts: str) -> str:
    return registry.key("versions", version, *parts)
