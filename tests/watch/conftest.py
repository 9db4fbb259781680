"""A catalogue with clips of one machine, and answers about them as the gateway stores them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from otoloop import catalog
from otoloop.audio.evidence import measure_batch
from otoloop.catalog import answers, clips
from otoloop.catalog.database import Catalog
from otoloop.params import Params
from otoloop.reasoning.vocab import faults
from otoloop.records import Clip


@pytest.fixture(scope="session")
def measured():
    """What is measured of three simulated sounds."""
    scenes = pytest.importorskip("otoloop.simulate.scenes")
    drawn = scenes.sample(np.random.default_rng(4), 3, faults=["rub", "belt_squeal"], split="site", seconds=2.5)
    return [clips.evidence_json(row) for row in measure_batch(scenes.numpy_render(drawn), 16000, np)]


class Site:
    """What happens around answers, one event a method."""

    def __init__(self, book: Catalog, measured: list[dict], params: Params, memo: Path) -> None:
        self.book, self.measured, self.params, self.memo = book, measured, params, memo

    def ask(self, name: str, sound: str | None, said: str = "belt_squeal", version: str = "v1", **more) -> None:
        """An answer; ``said``: the fault that it names."""
        output = (
            f"<THINK><PLANNING>a</PLANNING><CAPTION>b</CAPTION><REASONING>c</REASONING><SUMMARY>d</SUMMARY></THINK>"
            f"<RESPONSE>{faults()[said].en}</RESPONSE>"
        )
        more.setdefault("details", {"lang": "en", "valid": True, "claim_counts": {}})
        with self.book.session() as session:
            answers.add_answer(
                session, name, question="What is it?", output=output, version=version, clip=sound, site="osaka",
                machine="m1", **more,
            )  # fmt: skip

    def say(self, name: str, verdict: str = "wrong", label: str | None = None, comment: str = "") -> None:
        with self.book.session() as session:
            answers.add_feedback(session, name, verdict, actor="ken", label=label, comment=comment)

    def hear(self, clip: str, parent: str | None = None) -> None:
        """The intake admits a sound."""
        time = datetime(2026, 5, 1, 8, tzinfo=UTC)
        made = Clip(id=clip, site="osaka", machine="m1", time=time.isoformat(), seconds=2.5, rate=16000, channels=1)
        with self.book.session() as session:
            clips.add_clip(session, made, time=time, recording_session="s1", parent=parent,
                           evidence=self.measured[sum(map(ord, clip)) % len(self.measured)])  # fmt: skip

    def watch(self):
        from otoloop.watch.picking import run

        return run(self.book, self.params)

    def draft(self):
        from otoloop.reasoning.draft import run

        return run(self.book, self.params, self.memo)

    def queue(self) -> set[tuple[str, str, str]]:
        """(clip, fault, why) of what waits for reviewers."""
        from otoloop.catalog import items

        with self.book.reading() as session:
            rows = items.items(session, state="queued")
        return {(v.item.clip, v.item.slice["fault"], v.picked_by) for v in rows}


@pytest.fixture(scope="session")
def sites(measured, tmp_path_factory):
    """sites(folder, share): an empty site that draws this share of its answers."""
    empty = tmp_path_factory.mktemp("empty")
    catalog.open_workspace(empty).close()

    def make(folder: Path, share: float = 0.0) -> Site:
        shutil.copytree(empty, folder)
        review = Params().review.model_copy(update={"answer_share": share, "double_share": 0.0})
        return Site(catalog.open_workspace(folder), measured, Params().model_copy(update={"review": review}), folder)

    return make


@pytest.fixture
def site(sites, tmp_path: Path) -> Iterator[Site]:
    made = sites(tmp_path / "site")
    yield made
    made.book.close()


@pytest.fixture
def params() -> Params:
    review = Params().review.model_copy(update={"answer_share": 0.0, "double_share": 0.0})
    return Params().model_copy(update={"review": review})
