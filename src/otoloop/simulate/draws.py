"""Where a scene's numbers come from: traits that belong to a machine, a session or a single clip.

A trait is a uniform number that is a pure function of (site, machine number, trait name), by the splitmix64 mixer
(Steele, Lea & Flood, OOPSLA 2014): the same machine sounds the same in every clip, and 100,000 rows take no tables.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Draw(Protocol):
    """``draw(name)`` gives uniforms ``[n]``, ``draw(name, k)`` gives ``[n, k]``."""

    def __call__(self, name: str, k: int = 0) -> Floats:
        """Uniform numbers in [0, 1) that belong to ``name``."""
        ...


def mix(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The splitmix64 finaliser."""
    with np.errstate(over="ignore"):
        z = keys + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def name_key(name: str) -> int:
    """A stable number of a name."""
    return zlib.crc32(name.encode()) | 1 << 40


class Traits:
    """Uniforms fixed by the given integer keys (``[n]`` each): traits of an individual, or of one of its sessions."""

    def __init__(self, *keys: Ints) -> None:
        self.state = np.zeros(len(keys[0]), np.uint64)
        for key in keys:
            self.state = mix(self.state ^ np.asarray(key, np.int64).astype(np.uint64))

    def __call__(self, name: str, k: int = 0) -> Floats:
        """Uniform numbers ``[n]`` or ``[n, k]`` of the trait ``name``."""
        lanes = np.arange(max(k, 1), dtype=np.uint64) + np.uint64(name_key(name) << 8)
        bits = mix(mix(self.state)[:, None] ^ lanes[None])
        values = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return values if k else values[:, 0]

    def seeds(self) -> NDArray[np.uint64]:
        """One 64-bit seed per row."""
        return mix(self.state)


class Fresh:
    """Uniforms drawn anew for every clip."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self.rng, self.n = rng, n

    def __call__(self, name: str, k: int = 0) -> Floats:
        """Uniform numbers ``[n]`` or ``[n, k]``; ``name`` only documents them."""
        return np.asarray(self.rng.random((self.n, k) if k else self.n))


def lin(u: Floats, lo: float, hi: float) -> Floats:
    """Uniform in [lo, hi)."""
    return lo + (hi - lo) * u


def log(u: Floats, lo: float, hi: float) -> Floats:
    """Log-uniform in [lo, hi)."""
    return np.asarray(lo * np.exp(u * np.log(hi / lo)))


def pick(u: Floats, values: Sequence[float]) -> Floats:
    """One of ``values``, equally likely."""
    chosen: Floats = np.asarray(values, np.float64)[(u * len(values)).astype(np.int64)]
    return chosen
