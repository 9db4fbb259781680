"""A plant whose people approved something: clips in a real store, items in a real catalogue, nothing released yet.

No fixtures here, so that tools/crash_table.py can use it too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from otoloop.audio.decode import Decoded
from otoloop.audio.evidence import measure_batch
from otoloop.audio.fingerprint import content_id
from otoloop.catalog import Catalog, clips, machines, notes, open_workspace, releases
from otoloop.catalog.clips import evidence_json
from otoloop.outs import file_sha256
from otoloop.params import Params, load_params
from otoloop.reasoning import draft
from otoloop.records import Clip
from otoloop.release import create, layout, shards
from otoloop.review.simulated import review_all
from otoloop.simulate.encode import flac, to_int16
from otoloop.simulate.scenes import numpy_render, sample
from otoloop.store.content import put_audio
from otoloop.store.s3 import ObjectStore
from otoloop.vcs import Repo
from otoloop.vcs.run import git

RATE = 16_000
FAULTS = ("air_leak", "gear_wear")
A_SESSION = 2
"""Clips of one machine on one day; they share a fault."""
START = datetime(2026, 5, 1, 8, tzinfo=UTC)
CUTOFF = datetime(2100, 1, 1, tzinfo=UTC)
"""One for all releases, since the manifest names it."""
SMALL = {"general_items": 2, "replay_items": 2, "shard_mb": 0.05}
PROGRAM = (
    "import sys; from datetime import datetime; from pathlib import Path; from otoloop.release.create import create\n"
    "create(Path(sys.argv[1]), cutoff=datetime.fromisoformat(sys.argv[2]))"
)

Fact = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip as the store and the catalogue take it."""

    row: Clip
    time: datetime
    session: str
    fault: str
    data: bytes
    evidence: dict[str, Any]


@cache
def sounds(count: int = 16, seconds: float = 1.0) -> list[Sound]:
    """Two machines, each recorded twice a day, every other day with another fault."""
    faults = [FAULTS[i // A_SESSION // 2 % len(FAULTS)] for i in range(count)]
    drawn = {f: iter(_drawn(f, faults.count(f), seconds)) for f in FAULTS}
    return [_sound(i, fault, *next(drawn[fault]), seconds) for i, fault in enumerate(faults)]


def _drawn(fault: str, count: int, seconds: float) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Waves of one fault with what is measured of them."""
    waves = numpy_render(sample(np.random.default_rng(4), count, faults=[fault], split="site", seconds=seconds))
    yield from zip(waves, map(evidence_json, measure_batch(waves, RATE, np)), strict=True)


def _sound(i: int, fault: str, wave: np.ndarray, evidence: dict[str, Any], seconds: float) -> Sound:
    visit = i // A_SESSION
    machine, time = f"pump-{visit % 2}", START + timedelta(days=visit // 2, minutes=10 * (i % A_SESSION))
    samples = to_int16(wave)
    clip = content_id(Decoded(samples.astype(np.int32)[:, None] << 16, RATE, 1, "PCM_16", "FLAC"))
    row = Clip(id=clip, site="osaka", machine=machine, time=time.isoformat(), seconds=seconds, rate=RATE, channels=1)
    return Sound(row, time, f"{machine}-{time:%m%d}", fault, flac(samples, RATE), evidence)


@dataclass
class Plant:
    """A workspace with its store: approve, release, look at what came of it."""

    workspace: Path
    store: ObjectStore

    def __post_init__(self) -> None:
        """Make releases small."""
        text, path = YAML(), self.workspace / "params.yaml"
        params = text.load(path.read_text(encoding="utf-8"))
        params["release"].update(SMALL)
        with path.open("w", encoding="utf-8") as stream:
            text.dump(params, stream)
        Repo(self.workspace).commit(["params.yaml"], "Small releases")

    @property
    def root(self) -> Path:
        """Where the release lies."""
        return self.workspace / create.FOLDER

    @property
    def params(self) -> Params:
        """What it runs with."""
        return load_params(self.workspace / "params.yaml")

    def approve(self, first: int, last: int) -> None:
        """Bring in the sounds from ``first`` to before ``last``, draft and review them."""
        params = self.params
        with closing(open_workspace(self.workspace)) as book:
            _take_in(book, self.store, sounds()[first:last])
            draft.run(book, params, self.workspace / ".otoloop" / "memo")
            review_all(book, params.base)

    def release(self) -> dict[str, Any] | None:
        """Make the next release, or finish it."""
        return create.create(self.workspace, cutoff=CUTOFF)

    def release_and_die(self, gap: str, mark: str = "", after_s: float | None = None) -> int:
        """The same in a process that kills itself in a gap, or is killed after some seconds; its exit code."""
        env = {**os.environ, "OTOLOOP_CRASH_AT": gap, "OTOLOOP_TEST_MARK": mark}
        command = [sys.executable, "-c", PROGRAM, str(self.workspace), CUTOFF.isoformat()]
        with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as child:
            try:
                return child.wait(timeout=after_s)
            except subprocess.TimeoutExpired:
                child.kill()
                return child.wait()

    def facts(self) -> Counter[Fact]:
        """Everything that must be the same however often making it was killed; what counts twice was done twice."""
        return Counter([*self._files(), *self._contents(), *self._history(), *self._intents(), *self._pushed()])

    def _files(self) -> Iterator[Fact]:
        for path in sorted(p for p in self.root.rglob("*") if p.is_file()):
            yield "file", path.relative_to(self.root).as_posix(), file_sha256(path)

    def _contents(self) -> Iterator[Fact]:
        for path in shards.audio_files(self.root):
            yield from (("clip", row["clip"]) for row in layout.read_rows(path, ["clip"]))
        for path in sorted((self.root / "items").glob("*.parquet")):
            yield from (("item", path.stem, row["id"]) for row in layout.read_rows(path, ["id"]))

    def _history(self) -> Iterator[Fact]:
        """Commits, and the tree (with every pointer to data) that each tag names."""
        repo = Repo(self.workspace)
        yield from (("commit", line) for line in git(self.workspace, "log", "--format=%s").stdout.splitlines())
        yield from (("tag", tag, git(self.workspace, "rev-parse", f"{tag}^{{tree}}").stdout) for tag in repo.tags())
        yield from (("not committed", name) for name in repo.changed())

    def _intents(self) -> Iterator[Fact]:
        repo = Repo(self.workspace)
        with closing(open_workspace(self.workspace)) as book, book.reading() as session:
            for row in releases.intents(session):
                tag = create.tag_of(row.id)
                is_tagged = repo.has_tag(tag) and row.commit == repo.commit_of(tag)
                yield "intent", row.id, row.state, f"tagged: {is_tagged}", str(row.meta.get("counts"))

    def _pushed(self) -> Iterator[Fact]:
        yield from (("pushed", one.key, one.etag) for one in self.store.list("dvc"))


def _take_in(book: Catalog, store: ObjectStore, brought: list[Sound]) -> None:
    """What intake leaves behind."""
    for one in brought:
        put_audio(store, one.row.id, one.data)
    with book.session() as session:
        for one in brought:
            place = {"site": one.row.site, "machine": one.row.machine}
            machines.save_machines(session, [{**place, "kind": "pump"}])
            clips.add_clip(
                session, one.row, time=one.time, recording_session=one.session, evidence=one.evidence
            )  # fmt: skip
            notes.set_label(session, one.row.id, one.fault, source="reviewer", actor="ken")


@dataclass
class Saved:
    """A plant as it was, to begin from again: its workspace in ``folder``, what it had pushed in memory."""

    plant: Plant
    folder: Path
    pushed: dict[str, bytes]

    @classmethod
    def of(cls, plant: Plant, folder: Path) -> Saved:
        """Keep a copy of the workspace in a new folder."""
        shutil.copytree(plant.workspace, folder, symlinks=True)
        return cls(plant, folder, {one.key: plant.store.get("dvc", one.key) for one in plant.store.list("dvc")})

    def restore(self) -> None:
        """Undo everything since, in the workspace and in the remote."""
        shutil.rmtree(self.plant.workspace)
        shutil.copytree(self.folder, self.plant.workspace, symlinks=True)
        there = {one.key for one in self.plant.store.list("dvc")}
        for key in there - set(self.pushed):
            self.plant.store.delete("dvc", key)
        for key in set(self.pushed) - there:
            self.plant.store.put("dvc", key, self.pushed[key])


@dataclass
class Releases:
    """A plant before and after its first and its second release, made without any disturbance.

    ``before`` and ``made`` go together: what was made of the plant ``before``, as facts, from the first to the last.
    """

    plant: Plant
    before: list[Saved]
    made: list[Counter[Fact]]
    told: list[dict[str, Any] | None]
    whole: Saved

    @classmethod
    def of(cls, plant: Plant, scratch: Path) -> Releases:
        """Approve and release twice; ``scratch`` is a new folder for the copies."""
        before, made, told = [], [], []
        for first, last in ((0, 10), (10, 16)):
            plant.approve(first, last)
            before.append(Saved.of(plant, scratch / f"before-{first}"))
            told.append(plant.release())
            made.append(plant.facts())
        return cls(plant, before, made, told, Saved.of(plant, scratch / "whole"))

    def killed(self, which: int, gap: str, mark: str = "") -> tuple[Counter[Fact], Counter[Fact]]:
        """Kill the making of a release (0 the first, 1 the second) in a gap, run again: (lost, doubled or other)."""
        self.before[which].restore()
        code = self.plant.release_and_die(gap, mark)
        assert code == -signal.SIGKILL, f"not killed in {gap!r} but ended with {code}"
        self.plant.release()
        found = self.plant.facts()
        return self.made[which] - found, found - self.made[which]
