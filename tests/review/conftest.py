"""A catalogue with simulated clips, notes and labels, as intake would leave it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from otoloop import catalog
from otoloop.audio.evidence import measure_batch
from otoloop.catalog import clips, machines, notes
from otoloop.catalog.database import Catalog
from otoloop.params import Params
from otoloop.reasoning.vocab import faults
from otoloop.records import Clip, Note

FAULTS = ["normal", "bearing_outer", "belt_squeal", "electrical_hum", "gear_wear", "unknown"]


@pytest.fixture(scope="session")
def heard():
    """(fault, evidence, machine, sensors) of a dozen simulated clips, measured once."""
    scenes = pytest.importorskip("otoloop.simulate.scenes")
    drawn = scenes.sample(np.random.default_rng(4), 12, faults=FAULTS, split="site", seconds=2.5)
    rows = measure_batch(scenes.numpy_render(drawn), 16000, np)
    return [(str(drawn.fault[i]), rows[i], drawn.machine(i), drawn.sensors(i)) for i in range(len(drawn))]


@pytest.fixture
def book(tmp_path: Path, heard) -> Iterator[Catalog]:
    opened = catalog.open_workspace(tmp_path)
    with opened.session() as session:
        fill(session, heard)
    yield opened
    opened.close()


def fill(session, heard) -> None:
    """Half of the clips have an English note, a quarter a Japanese one; all have labels but the last."""
    start = datetime(2026, 5, 1, 8, tzinfo=UTC)
    for i, (fault, evidence, machine, sensors) in enumerate(heard):
        name, time = f"m{i % 3}", start + timedelta(hours=i)
        machines.save_machines(session, [{**machine, "site": "osaka", "machine": name}])
        clip = Clip(
            id=f"clip{i:02d}", site="osaka", machine=name, time=time.isoformat(), seconds=2.5, rate=16000, channels=1
        )
        clips.add_clip(
            session,
            clip,
            time=time,
            recording_session=f"s{i // 2}",
            evidence=clips.evidence_json(evidence),
            sensors=sensors,
        )
        lang = ("en", "en", "ja", None)[i % 4]
        if lang:
            word = faults()[fault].name(lang)
            notes.set_note(
                session,
                clip.id,
                Note(text=f"{word}, I think" if lang == "en" else f"{word}らしい", lang=lang, author="ken"),
            )
        if i < len(heard) - 1:
            notes.set_label(session, clip.id, fault, source="note_text", actor="ken")


@pytest.fixture(scope="session")
def filled():
    return fill


@pytest.fixture
def params() -> Params:
    return Params()


@pytest.fixture
def drafted(book: Catalog, params: Params, tmp_path: Path) -> Catalog:
    from otoloop.reasoning.draft import run

    run(book, params, tmp_path / "memo")
    return book
