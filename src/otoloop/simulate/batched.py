"""The same equations on torch: thousands of clips a second on a GPU, in batches that share a fault."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from otoloop.simulate.dsp import Clock, Noise
from otoloop.simulate.physics import render, samples
from otoloop.simulate.scenes import Scenes

NoiseOf = Callable[[NDArray[np.uint64]], Noise]


def torch_render(
    scenes: Scenes, device: str = "cpu", seed: int = 0, *, noise_of: NoiseOf | None = None, chunk: int = 256,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:  # fmt: skip
    """Waves ``[n, T]`` at 16 kHz on ``device``, peak below one.

    Args:
        scenes: what to render.
        device: any torch device.
        seed: of the device's own noise; the same seed, device and chunk give the same sound.
        noise_of: makes the noise of a batch from its row seeds instead (tests compare with numpy this way).
        chunk: rows per batch (256 rows of four seconds need about 2 GB).
        dtype: of the result; ``torch.int16`` scales to full scale and halves the memory.
    """
    out = torch.zeros(len(scenes), samples(scenes.seconds), dtype=dtype, device=device)
    clock = Clock.make(torch, out.shape[1], device)
    rooms = torch.from_numpy(scenes.rooms).to(device)
    generator = torch.Generator(device=device).manual_seed(seed)
    with torch.inference_mode():
        for fault, rows in scenes.groups(chunk):
            p = {k: torch.from_numpy(v[rows]).to(device) for k, v in scenes.p.items()}
            p["room_noise"] = rooms[p["room_index"].long()]
            noise = noise_of(scenes.seeds[rows]) if noise_of else _normal(len(rows), generator, device)
            wave = render(fault, p, clock, noise)
            if dtype == torch.int16:
                wave = torch.round(wave * 32767)
            out[torch.from_numpy(rows).to(device)] = wave.to(dtype)
    return out


def _normal(rows: int, generator: torch.Generator, device: str) -> Noise:
    """Noise drawn on the device."""

    def noise(k: int) -> torch.Tensor:
        return torch.randn(rows, k, generator=generator, device=device)

    return noise
