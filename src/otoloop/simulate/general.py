"""General sounds on machines unlike the site's: what a model must not forget (regression suite, replay)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from otoloop.simulate.scenes import numpy_render, sample
from otoloop.simulate.truth import plain_truth

BATCH = 32


@dataclass(frozen=True)
class GeneralClip:
    """One clip of a taught kind: float32 ``[T]`` at 16 kHz with all that is true of it."""

    id: str
    fault: str
    wave: NDArray[np.float32]
    session: str
    machine: Mapping[str, Any]
    sensors: Mapping[str, float]
    truth: Mapping[str, Any]


@cache
def taught() -> tuple[str, ...]:
    """Ids of the faults and specials that the embedded base has been taught."""
    rows = yaml.safe_load((files("otoloop") / "vocab" / "faults.yaml").read_text(encoding="utf-8"))
    return tuple(r["id"] for r in rows if r["taught"])


def general_suite(n: int, seed: int, *, site: str = "general", seconds: float = 4.0) -> Iterator[GeneralClip]:
    """``n`` clips in equal shares of the taught faults, silence and unknown sounds, rendered as they are asked for.

    The same arguments give the same clips. Another ``site`` gives other machines, rooms and noise: use one name for
    what examines and another for what is replayed in training.
    """
    rng = np.random.default_rng([seed, zlib.crc32(site.encode())])  # what examines shares no noise with what is replayed
    scenes = sample(rng, n, faults=taught(), split="site", seconds=seconds, site=site)
    for start in range(0, n, BATCH):
        batch = scenes.take(slice(start, start + BATCH))
        for i, wave in enumerate(numpy_render(batch)):
            machine = batch.machine(i)
            yield GeneralClip(
                id=f"{site}-{seed}-{start + i:05d}", fault=str(batch.fault[i]), wave=wave, machine=machine,
                session=f"{site}/{machine['machine']}/{int(batch.session[i])}", sensors=batch.sensors(i),
                truth=plain_truth(batch.truth, i),
            )  # fmt: skip
