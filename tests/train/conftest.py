"""A workspace with a tiny release, a random base on disk, and features; made once."""

from __future__ import annotations

import io
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from otoloop.release import layout, shards
from otoloop.release.cycle import BaseRef, write_cycle
from otoloop.release.splits import SPLITS, Splits

FAULTS = ("normal", "rub", "air_leak")


def sound(i: int) -> bytes:
    wave = np.random.default_rng(i).normal(size=8000 + 1600 * (i % 3)) * 0.1
    out = io.BytesIO()
    soundfile.write(out, wave, 16000, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def rows(i: int) -> tuple[dict[str, Any], dict[str, Any]]:
    from otoloop.reasoning.composer import compose
    from otoloop.reasoning.items import make_item
    from otoloop.reasoning.trace import format_trace
    from otoloop.reasoning.vocab import faults
    from otoloop.records import Measured

    rng, fault = random.Random(i), faults()[FAULTS[i % 3]]
    place = {"site": "osaka", "machine": f"m{i % 2}", "session": f"s{i}", "group": f"c{i}", "time": "2026-01-01"}
    evidence = {"band": Measured(value="low", reliable=True), "impulsive": Measured(value=False, reliable=True)}
    clip = f"c{i:03d}"
    style = ("cot", "direct")[i % 2]
    item = make_item(
        clip, fault, kind="audio_only", style=style, lang="en", pool=FAULTS, evidence=None, has_choices=False, rng=rng,
        slice={"site": "osaka"},
    )  # fmt: skip
    trace = compose(evidence, fault, kind="audio_only", style=style, lang="en", letter=None, rng=rng)
    row = {**item.to_json(), "slice": json.dumps(dict(item.slice)), "fault": fault.id, "trace": format_trace(trace)}
    return {"clip": clip, "seconds": 0.5, "rate": 16000, "channels": 1, **place}, {**row, **place, "measured": "{}"}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Threads of several test runs would fight for the cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from otoloop.model.bases import random_base

    folder = tmp_path_factory.mktemp("base")
    base = random_base(0)
    base.model.save_pretrained(folder)
    base.processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, base_folder: Path) -> Path:
    """A workspace up to stage `encode`; copy it before changing it."""
    from otoloop.model.bases import folder_sha256
    from otoloop.params import EncodeParams
    from otoloop.train import encode

    root = tmp_path_factory.mktemp("workspace")
    made = [rows(i) for i in range(20)]
    parts = {"train": made[:12], "valid": made[12:15], "test": made[15:]}
    content = shards.Content(
        release="r0001", cutoff="2026-02-01", clips=[c for c, _ in made], splits=Splits(),
        items={s: [item for _, item in parts[s]] for s in SPLITS},
    )  # fmt: skip
    shards.write(root / "release", content, lambda clips: [(c, sound(int(c[1:]))) for c in clips], 0.05)
    suite = root / "inputs/suites/general.parquet"
    extra = [({**c, "clip": f"g{c['clip']}"}, {**i, "id": f"g{i['id']}", "clip": f"g{i['clip']}"}) for c, i in made[:3]]
    layout.write_table(
        suite, layout.SUITE,
        [{**c, **i, "audio": {"bytes": sound(100 + n), "path": None}} for n, (c, i) in enumerate(extra)],
    )  # fmt: skip
    reference = BaseRef(str(base_folder), base_folder.name, "path", folder_sha256(base_folder))
    write_cycle(root, base=reference, suites=[{"name": "general", "items": "inputs/suites/general.parquet"}])
    encode.main(EncodeParams(batch=4), root)
    return root


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "site"))
