"""A real bucket, real files and pictures of the catalogue to compare."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otoloop.catalog import Catalog, clips, deliveries, notes, open_workspace
from otoloop.intake import pull
from otoloop.intake.report import IntakeReport
from otoloop.simulate.encode import flac, to_int16, wav
from otoloop.store.s3 import ObjectStore

DAY = "osaka/pump-3/2026-05-01"


def sound(seed: int, seconds: float = 1.0) -> np.ndarray:
    """A machine-like noise with a tone, full 16 kHz band, sane level."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(16_000 * seconds)) / 16_000
    return (0.05 * rng.standard_normal(len(t)) + 0.1 * np.sin(2 * np.pi * (300 + seed) * t)).astype(np.float32)


def wav_bytes(seed: int, seconds: float = 1.0) -> bytes:
    return wav(to_int16(sound(seed, seconds)), 16_000)


def flac_bytes(seed: int, seconds: float = 1.0) -> bytes:
    return flac(to_int16(sound(seed, seconds)), 16_000)


def note_bytes(text: str, **fields: str) -> bytes:
    return json.dumps({"text": text, **fields}, ensure_ascii=False).encode()


SENSORS = b"t_s,speed_rpm\n0,1480\n1,1484\n"


@dataclass
class Site:
    """A workspace with its bucket: put objects, take them in, look at what became of them."""

    workspace: Path
    store: ObjectStore

    def put(self, name: str, data: bytes, folder: str = DAY, **metadata: str) -> str:
        key = f"{folder}/{name}" if folder else name
        self.store.put("incoming", key, data, metadata=metadata)
        return key

    def take_in(self, whole: bool = True) -> IntakeReport:
        return pull.run(self.workspace, whole=whole)

    def book(self) -> Catalog:
        return open_workspace(self.workspace)

    def fates(self) -> dict[str, str]:
        """Key -> state or reason code, of the newest delivery."""
        with self.book().reading() as session:
            return {row.key: row.reason_code or row.state for row in deliveries.deliveries(session)}

    def clip_of(self, name: str) -> Any:
        with self.book().reading() as session:
            row = deliveries.by_keys(session, self.store.bucket("incoming"), [f"{DAY}/{name}"])[f"{DAY}/{name}"]
            return clips.clip(session, row.clip)

    def note_of(self, name: str) -> Any:
        with self.book().reading() as session:
            return notes.note(session, self.clip_of(name).id)

    def label_of(self, name: str) -> str | None:
        with self.book().reading() as session:
            found = notes.label(session, self.clip_of(name).id)
        return found.fault if found else None

    def picture(self) -> dict[str, Any]:
        """Everything that must be the same however often the intake was killed."""
        with self.book().reading() as session:
            rows = deliveries.deliveries(session)
            known = clips.clips(session, state=None)
            groups: dict[str, set[str]] = {}
            for row in known:
                groups.setdefault(row.group, set()).add(row.id)
            label = notes.labels(session)
            return {
                "deliveries": Counter((r.key, r.version, r.state, r.reason_code, r.clip) for r in rows),
                "open": [r.key for r in rows if r.acknowledged_at is None],
                "clips": {r.id: (r.site, r.machine, r.session, r.time, r.seconds, r.sensors) for r in known},
                "evidence": {r.id: (r.evidence, r.measures) for r in known},
                "groups": sorted(map(sorted, groups.values())),
                "notes": {r.id: [n.text for n in notes.note_history(session, r.id)][-1:] for r in known},
                "labels": {clip: found.fault for clip, found in label.items()},
                "stored": {
                    i.key: hashlib.sha256(self.store.get("audio", i.key)).hexdigest() for i in self.store.list("audio")
                },
                "landed": [p.name for p in (self.workspace / ".otoloop" / "landing").glob("*")],
            }


@pytest.fixture
def site(workspace: Path, object_store: ObjectStore) -> Iterator[Site]:
    yield Site(workspace, object_store)
