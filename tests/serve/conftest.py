"""Sounds, adapters on a random base, and a lineup that serves them; made once."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from .promoted import approved, live, moments, template  # noqa: F401


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


@dataclass(frozen=True)
class Trained:
    """A random base on disk, three adapters that answer differently, and their recorded probes."""

    base: Path
    adapters: list[Path]
    probes: list


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    import torch

    from otoloop.evaluate import probe
    from otoloop.model.adapters import add_adapter
    from otoloop.model.bases import random_base

    base, place, made = random_base(0), tmp_path_factory.mktemp("base"), Trained(tmp_path_factory.mktemp("a"), [], [])
    base.model.save_pretrained(place)
    base.processor.save_pretrained(place)
    plain = probe.logits(base, base.model)
    for seed in (1, 2, 3):
        model = add_adapter(base.model, rank=4, alpha=8, seed=seed)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(seed))
        made.adapters.append(made.base / f"v{seed}")
        model.save_pretrained(made.adapters[-1])
        (made.adapters[-1] / "README.md").unlink()
        made.probes.append(probe.record(base, plain, model))
        model.unload()
    return Trained(place, made.adapters, made.probes)


@pytest.fixture(scope="session")
def adapters(trained: Trained) -> list[Path]:
    """Three adapters on the random base that answer differently."""
    return trained.adapters


@pytest.fixture(scope="session")
def probes(trained: Trained) -> list:
    """What was recorded of each adapter when it was registered."""
    return trained.probes


@pytest.fixture(scope="session")
def base_folder(trained: Trained) -> Path:
    """The random base on disk, as params.yaml may name it."""
    return trained.base


@pytest.fixture(scope="session")
def versions(base_folder: Path, adapters: list[Path]) -> list:
    """The adapters as versions v1, v2, v3."""
    from otoloop.evaluate.answer import Answerer
    from otoloop.serve.lineup import Version
    from otoloop.train.base import describe

    base = describe(str(base_folder))
    return [
        Version(
            version=f"v{n}", sha256=Answerer(base, folder).sha256, base=base.name, base_sha256=base.sha256,
            release="r0001", cycle=n,
        )
        for n, folder in enumerate(adapters, 1)
    ]  # fmt: skip


MACHINES = """
- {site: osaka, machine: pump-1, kind: pump, nominal_speed_rpm: 1480,
   bearing: {n_balls: 8, d_ball_mm: 8, d_pitch_mm: 39}}
- {site: kobe, machine: fan-1, kind: fan}
- {site: osaka, machine: fan-1, kind: fan}
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    """A workspace without a store: params, machines, a catalogue."""
    folder = tmp_path_factory.mktemp("site")
    serve = "{max_new_tokens: 24, batch: 8, wait_ms: 5, queue: 200, allow_hosts: [sounds.example]}"
    (folder / "params.yaml").write_text(f"base: {base_folder}\nserve: {serve}\n")
    (folder / "machines.yaml").write_text(MACHINES)
    return folder


@pytest.fixture(scope="session")
def app(site: Path, versions: list, adapters: list[Path], probes: list):
    """The gateway with v1 live."""
    from otoloop.serve.gateway import create_app

    made = create_app(site, follow=False)
    made.state.gateway.lineup.switch(versions[0], adapters[0], probes[0])
    return made


@contextmanager
def serving(app) -> Iterator[str]:
    """An app served by uvicorn as users meet it; gives its URL."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server ended"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def url(app) -> Iterator[str]:
    """The gateway's address."""
    with serving(app) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=120) as opened:
        yield opened


@pytest.fixture
def ask(client: httpx.Client, wav: bytes):
    """Posts one question; keys given replace or add to those of the request."""

    def post(question="What is this noise?", sound=None, **more):
        part = sound or {"type": "input_audio", "input_audio": {"data": b64(wav), "format": "wav"}}
        content = [{"type": "text", "text": question}, part]
        body = {"model": "otoloop", "messages": [{"role": "user", "content": content}], **more}
        return client.post("/v1/chat/completions", json=body)

    return post


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
