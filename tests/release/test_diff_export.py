"""`otoloop release list, verify, diff, export`: what a user types after a release, and what comes out of it."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml
from typer.testing import CliRunner

from otoloop import cli
from otoloop.errors import OtoloopError
from otoloop.outs import read_json
from otoloop.release import layout
from otoloop.release.diff import compare, entries, read
from otoloop.release.export import export_hf
from otoloop.release.splits import SPLITS

from .plant import Releases, sounds


@pytest.fixture
def otoloop(made: Releases, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(made.plant.workspace)
    cli._register()

    def run(*words: str, code: int = 0):
        result = CliRunner().invoke(cli.app, ["release", *words])
        assert result.exit_code == code, result.output + str(result.exception)
        return json.loads(result.stdout) if "--json" in words else result.stdout

    return run


@pytest.fixture
def stages(made: Releases) -> tuple[dict, dict]:
    """The items of the first and of the second release."""
    return read(made.before[1].folder / "release"), read(made.plant.root)


# ---- list, verify ----------------------------------------------------------------------------------------------------


def test_list_names_releases_with_their_counts(otoloop, made: Releases):
    rows = otoloop("list", "--json")
    assert [(r["release"], r["state"], r["commit"]) for r in rows] == [
        (t["release"], "closed", t["commit"]) for t in made.told
    ]
    assert [r["counts"] for r in rows] == [t["counts"] for t in made.told]
    words = otoloop("list").splitlines()
    assert len(words) == 2 and words[1].startswith("r0002  closed  2100-01-01T00:00")
    assert f"{rows[1]['counts']['train']['items']} train" in words[1]


def test_create_without_news_says_so(otoloop):
    assert "Nothing new is approved" in otoloop("create")
    assert otoloop("create", "--json") is None


def test_verify_passes_what_is_sound_and_names_what_is_not(otoloop, spoilt: Releases):
    assert otoloop("verify", "--json") == {"ok": True, "problems": []}
    (spoilt.plant.root / "splits.json").write_text("{}", encoding="utf-8")
    told = otoloop("verify", "--json", code=1)
    assert told == {"ok": False, "problems": ["splits.json has another sha256 than the manifest says"]}
    assert "splits.json has another sha256" in otoloop("verify", code=1)


def test_verify_looks_into_the_remote(otoloop, spoilt: Releases):
    for key in [key for key in spoilt.whole.pushed if not key.endswith(".dir")][-3:]:
        spoilt.plant.store.delete("dvc", key)
    result = CliRunner().invoke(cli.app, ["release", "verify"])
    assert result.exit_code == 1 and isinstance(result.exception, OtoloopError)
    assert "is missing" in result.exception.message and "dvc push" in result.exception.remedy


@pytest.mark.parametrize("command", ["create", "list", "verify", "diff", "export"])
def test_help_has_an_example(otoloop, command):
    text = otoloop(command, "--help")
    assert f"otoloop release {command}" in text and "Example" in text and "--json" in text


# ---- diff ------------------------------------------------------------------------------------------------------------


def test_a_later_release_adds_and_moves_nothing(stages):
    first, second = stages
    found = compare(first, second)
    assert set(found["added"]) == set(second) - set(first) and found["added"]
    assert found["removed"] == found["changed"] == found["moved"] == []
    assert {split: numbers[1] - numbers[0] for split, numbers in found["by_split"].items()} == {
        split: sum(second[i].split == split for i in found["added"]) for split in found["by_split"]
    }
    assert set(found["by_fault"]) == {"air_leak", "gear_wear"}
    assert all(entry.fault is None for entry in second.values() if entry.split == "test"), "test stays sealed"


def test_removed_changed_and_moved_items_are_named(stages):
    first, _ = stages
    a, b, c = sorted(i for i, entry in first.items() if entry.split == "train")[:3]
    other = {i: entry for i, entry in first.items() if i != a}
    other[b] = dataclasses.replace(first[b], digest="corrected")
    other[c] = dataclasses.replace(first[c], split="test")
    found = compare(first, other)
    assert (found["removed"], found["changed"], found["moved"], found["added"]) == ([a], [b], [c], [])
    train = found["by_split"]["train"]
    assert train[0] - train[1] == 2


def test_an_unknown_release_is_refused_with_those_there_are(made: Releases):
    with pytest.raises(OtoloopError, match="no release 'r0009'") as refused:
        entries(made.plant.workspace, "r0009")
    assert refused.value.remedy == "There are: r0001, r0002."


@pytest.mark.slow
def test_diff_fetches_both_releases_from_the_remote(otoloop, stages, made: Releases):
    told = otoloop("diff", "r0001", "r0002", "--json")
    assert told == {"old": "r0001", "new": "r0002", **compare(*stages)}
    words = otoloop("diff", "release/r0002", "r0001")
    assert f"{len(told['added'])} removed" in words and "0 moved" in words
    assert f"train: {told['by_split']['train'][1]} -> {told['by_split']['train'][0]}" in words


# ---- export ----------------------------------------------------------------------------------------------------------


def test_an_export_joins_items_with_sounds_that_decode(otoloop, made: Releases, tmp_path):
    told = otoloop("export", "--hf", str(tmp_path / "set"), "--json")
    known = {s.row.id: soundfile.read(io.BytesIO(s.data), dtype="int16")[0] for s in sounds()}
    for split in SPLITS:
        table = pq.read_table(tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet")
        rows = {row["id"]: row for row in table.to_pylist()}
        items = {r["id"]: r for r in layout.read_rows(made.plant.root / layout.ITEMS_FILE.format(split=split))}
        assert len(table) == told["rows"][split] == len(items) and set(rows) == set(items)
        for name, row in rows.items():
            assert {k: row[k] for k in items[name]} == items[name]
            wave, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="int16")
            assert rate == row["rate"] == 16000 and len(wave) == row["seconds"] * rate
            assert np.array_equal(wave, known[row["clip"]])
    assert told["rows"]["test"] > 0 and told["rows"]["train"] > 0


def test_an_export_says_what_its_columns_are_and_keeps_the_test_sealed(made: Releases, tmp_path):
    export_hf(made.plant.root, tmp_path / "set")
    for split in SPLITS:
        schema = pq.read_schema(tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet")
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert features["audio"] == {"_type": "Audio"} and set(features) == set(schema.names)
        assert features["choices"]["_type"] == "Sequence", "the word that `datasets` 2 to 5 know"
        assert ("answer" in features) == ("trace" in features) == (split != "test")
    head = yaml.safe_load((tmp_path / "set" / "README.md").read_text(encoding="utf-8").split("---")[1])
    files = {f["split"]: f["path"] for f in head["configs"][0]["data_files"]}
    assert all(len(list((tmp_path / "set").glob(files[split]))) == 1 for split in SPLITS)
    sealed = layout.read_rows(made.plant.root / layout.SEALED_FILE)
    exported = b"".join(p.read_bytes() for p in (tmp_path / "set").rglob("*.parquet"))
    assert not any(row["trace"].encode() in exported for row in sealed)


def test_an_export_replaces_nothing(made: Releases, tmp_path):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OtoloopError, match="is not empty"):
        export_hf(made.plant.root, tmp_path)
    with pytest.raises(OtoloopError, match="There is no release"):
        export_hf(tmp_path / "nowhere", tmp_path / "set")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    assert read_json(made.plant.root / layout.MANIFEST)["release"] == "r0002"
