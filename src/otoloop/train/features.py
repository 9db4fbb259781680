"""Cached audio features: a folder of flat arrays with an index.

    index.json    {clip: [file, first row, rows]}
    NNNN.npy      [rows of many clips, width] float16, the tower's output on valid frames

Half precision is exact enough after the tower's layer norm (values near one) and halves disk and reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from otoloop.errors import OtoloopError
from otoloop.outs import read_json, write_json

if TYPE_CHECKING:
    import torch

Half = NDArray[np.float16]


class FeatureStore:
    """Features by clip, read from disk when asked for."""

    def __init__(self, folder: Path) -> None:
        """Open a folder written by `write`.

        Raises:
            OtoloopError: it has no index.
        """
        if not (folder / "index.json").is_file():
            raise OtoloopError(f"There are no features in {folder}.", "Run `otoloop stage encode` first.")
        self.index: dict[str, tuple[str, int, int]] = read_json(folder / "index.json")
        names = {name for name, _, _ in self.index.values()}
        self._arrays = {name: np.load(folder / name, mmap_mode="r") for name in sorted(names)}

    def length(self, clip: str) -> int:
        """Audio tokens of a clip.

        Raises:
            OtoloopError: the clip was not encoded.
        """
        if clip not in self.index:
            raise OtoloopError(f"Clip {clip} has no features.", "Run `otoloop stage encode` again.")
        return self.index[clip][2]

    def __getitem__(self, clip: str) -> torch.Tensor:
        """Float32 features [tokens, width] of a clip."""
        import torch

        count = self.length(clip)
        name, start, _ = self.index[clip]
        return torch.from_numpy(np.array(self._arrays[name][start : start + count], dtype=np.float32))


def write(folder: Path, parts: Iterable[tuple[str, Iterable[tuple[str, Half]]]]) -> None:
    """Write a new folder from (file name, (clip, features) pairs); the first features of a clip stay."""
    folder.mkdir(parents=True)
    index: dict[str, Any] = {}
    for name, pairs in parts:
        arrays: list[Half] = []
        row = 0
        for clip, array in pairs:
            if clip not in index:
                index[clip] = (name, row, len(array))
                arrays.append(array)
                row += len(array)
        if arrays:
            np.save(folder / name, np.concatenate(arrays))
    write_json(folder / "index.json", index)
