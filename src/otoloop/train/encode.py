"""Stage `encode`: the base's frozen tower hears every clip of the release, of the suites and of what is replayed, once.

Batches are cut from the files as they stand, never from what happens to be in the memo, so that a hit and a miss give
the same numbers; shards are append-only, so the next release finds the batches of this one in the memo.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otoloop.codelock import entry
from otoloop.errors import OtoloopError
from otoloop.outs import key_of, replacing
from otoloop.params import EncodeParams
from otoloop.release import layout
from otoloop.release.cycle import BaseRef, read_cycle
from otoloop.release.shards import audio_files
from otoloop.train import base as bases
from otoloop.train import features
from otoloop.train.sound import wave

if TYPE_CHECKING:
    from otoloop.model.bases import Base

OUT = "work/features"


def main(params: EncodeParams, workspace: Path) -> None:
    """Write work/features for all clips of release/ and of the cycle's suites and replay.

    Raises:
        OtoloopError: inputs are missing, or the base is not the cycle's.
    """
    cycle = read_cycle(workspace)
    with replacing(workspace / OUT) as draft:
        encode_files(sound_files(workspace), cycle.base, params.batch, workspace, draft)


def sound_files(workspace: Path) -> list[Path]:
    """Files with audio: shards of the release, then suites, then what is replayed."""
    shards = audio_files(workspace / "release")
    if not shards:
        raise OtoloopError("The release holds no audio.", "Run `dvc pull`, or `otoloop release create`.")
    cycle = read_cycle(workspace)
    return shards + [workspace / p for p in (*cycle.suite_files.values(), *cycle.replay_files)]


def encode_files(files: Iterable[Path], ref: BaseRef, batch: int, workspace: Path, out: Path) -> None:
    """Features of every clip in ``files`` by one base, as a folder that `features.FeatureStore` reads."""
    encoder = _Encoder(ref, batch, bases.memo_dir(workspace, "encode"))
    features.write(out, ((f"{i:04d}.npy", encoder.clips(path)) for i, path in enumerate(files)))


class _Encoder:
    """Encodes batch by batch; the base is loaded at the first miss."""

    def __init__(self, ref: BaseRef, batch: int, memo: Path) -> None:
        self.ref, self.batch, self.memo = ref, batch, memo
        self.code = entry("otoloop.train.encode")
        self._base: Base | None = None

    def clips(self, path: Path) -> Iterator[tuple[str, features.Half]]:
        """Each clip of a file with its features."""
        for rows in layout.read_batches(path, ["clip", "audio"], self.batch):
            yield from zip((r["clip"] for r in rows), self._batch([r["audio"]["bytes"] for r in rows]), strict=True)

    def _batch(self, sounds: list[bytes]) -> list[features.Half]:
        key = key_of(self.ref.sha256, self.code, bases.device(), [hashlib.sha256(s).hexdigest() for s in sounds])
        path = self.memo / key[:2] / f"{key}.npz"
        if not path.is_file():
            with replacing(path) as draft, draft.open("wb") as stream:
                np.savez(stream, *self._hear(sounds))
        with np.load(path, allow_pickle=False) as arrays:
            return [arrays[name] for name in arrays.files]

    def _hear(self, sounds: list[bytes]) -> list[Any]:
        from otoloop.model.features import encode

        self._base = self._base or bases.load(self.ref)
        waves = [wave(s)[: self._base.window] for s in sounds]
        return [f.numpy().astype(np.float16) for f in encode(self._base, waves, self.batch)]
