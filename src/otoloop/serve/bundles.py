"""From the pointer of a channel to files that may be loaded: fetched, whole, unchanged, approved and signed."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otoloop.errors import OtoloopError
from otoloop.evaluate.ask import Asker
from otoloop.evaluate.probe import Probe, check
from otoloop.params import Params
from otoloop.promote import bundle
from otoloop.promote.registry import open_registry
from otoloop.promote.versions import ADAPTER
from otoloop.serve.lineup import Version

if TYPE_CHECKING:
    from otoloop.promote.registry import Pointer, Registry


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified version: its adapter's folder, and what it must answer to the probe."""

    version: Version
    adapter: Path
    probe: Probe


def open_bundle(registry: Registry, pointer: Pointer, folder: Path, public_key: Path) -> Bundle:
    """Fetch the version that a pointer names into ``folder`` and verify it.

    Raises:
        OtoloopError: it is unsigned, altered, signed by another key, or not the adapter that the pointer names.
    """
    manifest = bundle.verify(registry.fetch(pointer.version, folder), public_key)
    if (manifest.version, manifest.adapter_sha256) != (pointer.version, pointer.adapter_sha256):
        raise OtoloopError(
            f"The pointer of {pointer.channel} names {pointer.version} with adapter {pointer.adapter_sha256[:12]}, the"
            f" bundle holds {manifest.version} with {manifest.adapter_sha256[:12]}.",
            "Run `otoloop audit verify`.",
        )
    return Bundle(Version.of(manifest), folder / ADAPTER, _probe(manifest.probe, pointer.version))


def _probe(row: object, version: str) -> Probe:
    try:
        return Probe.from_json(row)  # type: ignore[arg-type]
    except (KeyError, TypeError):
        raise OtoloopError(f"{version} was registered without an effect probe.", "Register it again.") from None


def live_asker(workspace: Path, params: Params) -> Asker:
    """The live version of the workspace's channel, loaded in this process for questions one by one.

    Raises:
        OtoloopError: nothing is live, its bundle does not verify, or it is not the adapter that was registered.
    """
    registry = open_registry(workspace)
    pointer = registry.pointer(params.serve.channel)
    if pointer is None:
        raise OtoloopError(
            f"No version is live in channel {params.serve.channel}.", "Approve one with `otoloop promotions approve`."
        )
    with tempfile.TemporaryDirectory(prefix="otoloop-live-") as place:
        found = open_bundle(registry, pointer, Path(place) / "bundle", bundle.public_key(workspace))
        asker = Asker(str(found.adapter), workspace, params.base)
    check(asker.base, asker.model, found.probe)
    asker.version = found.version.name
    return asker
