"""Making releases with a real store, git and DVC: whole, append-only, sealed, and refused in one sentence."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from contextlib import closing

import pytest

from otoloop.catalog import clips, open_workspace
from otoloop.errors import OtoloopError
from otoloop.release import general, layout, shards
from otoloop.release.splits import SPLITS
from otoloop.release.verify import problems
from otoloop.store.content import erase_audio, put_audio
from otoloop.vcs import Repo

from .plant import Plant, Releases, sounds


def of(facts, *beginning: str) -> list[tuple[str, ...]]:
    """Facts that begin so, without their beginning."""
    n = len(beginning)
    return sorted(fact[n:] for fact in facts.elements() if fact[:n] == beginning)


def split_of(facts) -> dict[str, str]:
    return {item: split for split, item in of(facts, "item")}


# ---- what a release is -----------------------------------------------------------------------------------------------


def test_a_release_is_whole_pushed_committed_tagged_and_closed(made: Releases):
    plant, repo = made.plant, Repo(made.plant.workspace)
    assert [t["release"] for t in made.told] == ["r0001", "r0002"]
    assert repo.tags() == ["release/r0001", "release/r0002"] and repo.clean()
    assert repo.commit_of("release/r0002") == repo.head() == made.told[1]["commit"]
    assert [state for _, state, *_ in of(made.made[1], "intent")] == ["closed", "closed"]
    assert problems(plant.root) == []
    for kept in ("release", "inputs/suites", "inputs/replay"):
        repo.verify_pushed(kept)
    counts = made.told[1]["counts"]
    assert counts["train"]["clips"] + counts["test"]["clips"] == 16 and counts["test"]["items"] > 0
    assert "the gate wants 120" in made.told[1]["warnings"][0]


def test_nothing_new_makes_nothing(made: Releases):
    before = made.plant.facts()
    assert made.plant.release() is None
    assert made.plant.facts() == before


def test_the_audio_is_what_was_brought_in(made: Releases):
    rows = [row for path in shards.audio_files(made.plant.root) for row in layout.read_rows(path)]
    assert {row["clip"]: row["audio"]["bytes"] for row in rows} == {s.row.id: s.data for s in sounds()}
    assert len(rows) == len(sounds())
    assert {row["clip"]: (row["session"], row["site"]) for row in rows} == {
        s.row.id: (s.session, "osaka") for s in sounds()
    }


def test_the_next_release_appends_shards_and_moves_nothing(made: Releases):
    first, second = made.made
    old = {name: sha for name, sha in of(first, "file") if name.startswith("audio/")}
    new = {name: sha for name, sha in of(second, "file") if name.startswith("audio/")}
    assert old.items() < new.items() and len(old) >= 2
    assert set(split_of(first).items()) < set(split_of(second).items())
    assert max(made.made[1].values()) == 1, "no clip in two shards, no item in two splits, nothing committed twice"


def test_sessions_stay_together_and_later_ones_test(made: Releases):
    root, fault = made.before[1].folder / "release", {s.row.id: s.fault for s in sounds()}
    splits: dict[str, set[str]] = defaultdict(set)
    times: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for split in SPLITS:
        for row in layout.read_rows(root / layout.ITEMS_FILE.format(split=split)):
            splits[row["session"]].add(split)
            times[row["machine"], fault[row["clip"]]][split].append(row["time"])
    assert len(splits) == 5 and all(len(found) == 1 for found in splits.values())
    both = [found for found in times.values() if {"train", "test"} <= set(found)]
    assert both and all(max(found["train"]) < min(found["test"]) for found in both)


def test_only_sealed_knows_the_answers_of_the_test(made: Releases):
    root = made.plant.root
    questions = {row["id"]: row for row in layout.read_rows(root / "items/test.parquet")}
    sealed = {row["id"]: row for row in layout.read_rows(root / layout.SEALED_FILE)}
    assert set(questions) == set(sealed) and questions
    for row in questions.values():
        assert not {"answer", "answer_letter", "trace", "fault", "measured"} & set(row)
        assert "fault" not in json.loads(row["slice"])
    for name, row in sealed.items():
        assert row["answer"] and row["fault"] in ("air_leak", "gear_wear")
        assert row["trace"].startswith("<THINK>") and json.loads(row["measured"]), name
        for path in root.rglob("*.parquet"):
            if path != root / layout.SEALED_FILE:
                assert row["trace"].encode() not in path.read_bytes()


def test_suite_and_replay_are_made_once_and_share_nothing(made: Releases):
    first, second = (split.folder for split in (made.before[1], made.whole))
    for name in ("inputs/suites.dvc", "inputs/replay.dvc"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    suite, replay = (
        layout.read_rows(made.plant.workspace / folder / general.FILE) for folder in ("inputs/suites", "inputs/replay")
    )
    assert len(suite) == len(replay) == 2
    for column in ("site", "id", "session", "audio"):
        assert not {str(r[column]) for r in suite} & {str(r[column]) for r in replay}


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_without_the_store_nothing_begins(plant: Plant, monkeypatch: pytest.MonkeyPatch):
    plant.approve(0, 4)
    before = plant.facts()
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OtoloopError, match=r"no answer from http") as refused:
        plant.release()
    assert "otoloop up --only s3" in refused.value.remedy
    monkeypatch.setenv("OTOLOOP_S3_ENDPOINT", plant.store.endpoint)
    assert plant.facts() == before and not plant.root.exists()


@pytest.mark.slow
def test_a_release_that_failed_half_way_leaves_nothing_half_written_and_is_finished_later(plant: Plant):
    plant.approve(0, 4)
    before, gone = plant.facts(), sounds()[2]
    erase_audio(plant.store, gone.row.id)
    with pytest.raises(OtoloopError, match=gone.row.id):
        plant.release()
    assert plant.facts() - before == Counter([("intent", "r0001", "open", "tagged: False", "None")])

    plant.approve(4, 6)
    put_audio(plant.store, gone.row.id, gone.data)
    made = plant.release()
    assert made and made["release"] == "r0001" and problems(plant.root) == []
    assert sum(c["clips"] for c in made["counts"].values()) == 4, "what the intent named, whatever came since"
    made = plant.release()
    assert made and made["release"] == "r0002" and sum(c["clips"] for c in made["counts"].values()) == 6


def test_a_damaged_shard_is_never_built_on(spoilt: Releases):
    shard = shards.audio_files(spoilt.plant.root)[0]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-9] + b"?" + whole[-8:])
    with pytest.raises(OtoloopError, match=r"audio/0000\.parquet has another sha256") as refused:
        spoilt.plant.release()
    assert "dvc checkout" in refused.value.remedy


def test_an_older_release_is_never_built_on(spoilt: Releases):
    """Its splits know less: a session of the test could end up in training."""
    shutil.rmtree(spoilt.plant.root)
    shutil.copytree(spoilt.before[1].folder / "release", spoilt.plant.root)
    with pytest.raises(OtoloopError, match=r"holds r0001; the last one in the catalogue is r0002"):
        spoilt.plant.release()


def test_a_lost_catalogue_is_not_begun_anew(spoilt: Releases):
    (spoilt.plant.workspace / ".otoloop" / "catalog.db").unlink()
    with pytest.raises(OtoloopError, match=r"holds r0002; the last one in the catalogue is none"):
        spoilt.plant.release()


def test_a_damaged_manifest_is_a_sentence(spoilt: Releases):
    (spoilt.plant.root / layout.MANIFEST).write_text("{", encoding="utf-8")
    with pytest.raises(OtoloopError, match=r"manifest\.json is damaged"):
        spoilt.plant.release()


@pytest.mark.slow
def test_an_erased_clip_makes_another_release_without_its_items(plant: Plant):
    plant.approve(0, 4)
    plant.release()
    gone = sounds()[2].row.id
    with closing(open_workspace(plant.workspace)) as book, book.session() as session:
        clips.erase_clip(session, gone)
    made = plant.release()
    assert made and made["release"] == "r0002" and sum(c["clips"] for c in made["counts"].values()) == 3
    assert problems(plant.root) == [] and plant.release() is None, "once"
