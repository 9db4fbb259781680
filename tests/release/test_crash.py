"""kill -9 between any two steps of a release, run again: it is what it would have been, and nothing is there twice."""

from __future__ import annotations

import random
import shutil
import uuid
from collections import Counter

import pytest

from otoloop.outs import read_json
from otoloop.release.create import STEPS
from otoloop.release.general import ABOUT, FILE, ensure
from otoloop.vcs import Repo

from ..intake.test_crash import left_behind
from .plant import Plant, Releases

SAME = (Counter(), Counter())


def test_killed_before_dvc_and_run_again(spoilt: Releases):
    assert spoilt.killed(1, "shards") == SAME


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize("gap", STEPS)
def test_killed_in_a_gap_and_run_again(spoilt: Releases, gap: str, which: int):
    mark = uuid.uuid4().hex
    assert spoilt.killed(which, gap, mark) == SAME
    for path in ("release", "inputs/suites", "inputs/replay"):
        Repo(spoilt.plant.workspace).verify_pushed(path)
    assert spoilt.plant.release() is None
    assert left_behind(mark) == []


@pytest.mark.slow
def test_killed_in_one_gap_after_the_other(spoilt: Releases):
    """Every run dies one step later than the one before."""
    spoilt.before[1].restore()
    for gap in STEPS:
        spoilt.plant.release_and_die(gap)
    spoilt.plant.release()
    assert spoilt.plant.facts() == spoilt.made[1]


@pytest.mark.slow
def test_killed_at_any_time_as_often_as_it_takes(spoilt: Releases):
    """Not only otoloop dies between two steps: git and dvc are at work, and dvc may live on for a while."""
    rng, mark = random.Random(5), uuid.uuid4().hex
    for _ in range(4):
        spoilt.before[1].restore()
        for _ in range(3):
            spoilt.plant.release_and_die("", mark, after_s=rng.uniform(0.5, 8))
        spoilt.plant.release()
        assert left_behind(mark) == []
        assert spoilt.plant.facts() == spoilt.made[1]


@pytest.mark.slow
def test_a_new_clone_finishes_what_another_began(spoilt: Releases):
    """Files that lay only in the lost folder come from the remote and the store; the intent is in the catalogue."""
    spoilt.before[1].restore()
    spoilt.plant.release_and_die("shards")
    shutil.rmtree(spoilt.plant.root)
    shutil.rmtree(spoilt.plant.workspace / ".dvc" / "cache")
    spoilt.plant.release()
    assert spoilt.plant.facts() == spoilt.made[1]


def test_a_suite_that_was_cut_off_is_made_whole(plant: Plant, monkeypatch: pytest.MonkeyPatch):
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    repo, params = Repo(plant.workspace), plant.params.release
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr("otoloop.release.general.write_json", die)
        ensure(repo, params)
    assert ensure(repo, params) == ["inputs/suites", "inputs/replay"]
    for folder in ("inputs/suites", "inputs/replay"):
        assert (plant.workspace / folder / FILE).is_file()
        assert read_json(plant.workspace / folder / ABOUT)["items"] == 2
