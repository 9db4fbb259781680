"""Sounds, adapters on a random base, and a lineup that serves them; made once."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Threads of several test runs would fight for the cores."""
    import torch

    torch.set_num_threads(1)


def wave(seconds: float = 1.0, rate: int = 16000, channels: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(round(rate * seconds)) / rate
    mono = 0.2 * np.sin(2 * np.pi * 700 * t) + 0.05 * rng.standard_normal(len(t))
    return np.stack([mono] * channels, 1)


def coded(wave: np.ndarray, rate: int = 16000, form: str = "WAV", subtype: str | None = "PCM_16") -> bytes:
    out = io.BytesIO()
    soundfile.write(out, wave if form == "MP3" else (wave * 32767).astype(np.int16), rate, format=form, subtype=subtype)
    return out.getvalue()


@pytest.fixture(scope="session")
def wav() -> bytes:
    """One second at 16 kHz."""
    return coded(wave())


@pytest.fixture(scope="session")
def sound_of():
    """Makes a sound file: seconds, rate, channels, format."""

    def make(seconds=1.0, rate=16000, channels=1, form="WAV", subtype="PCM_16", seed=0) -> bytes:
        return coded(wave(seconds, rate, channels, seed), rate, form, subtype)

    return make


@pytest.fixture(scope="session")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three adapters on the random base that answer differently."""
    import torch

    from otoloop.model.adapters import add_adapter
    from otoloop.model.bases import random_base

    base, folders = random_base(0), []
    for seed in (1, 2, 3):
        model = add_adapter(base.model, rank=4, alpha=8, seed=seed)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(seed))
        folders.append(tmp_path_factory.mktemp("adapter"))
        model.save_pretrained(folders[-1])
        (folders[-1] / "README.md").unlink()
        model.unload()
    return folders


@pytest.fixture(scope="session")
def probes(adapters: list[Path]) -> list:
    """What was recorded of each adapter when it was registered."""
    from otoloop.evaluate import probe
    from otoloop.model.adapters import load_adapter
    from otoloop.model.bases import random_base

    base, found = random_base(0), []
    plain = probe.logits(base, base.model)
    for folder in adapters:
        model = load_adapter(base.model, folder)
        found.append(probe.record(base, plain, model))
        model.unload()
    return found
