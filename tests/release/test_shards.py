"""Shards are append-only, byte-identical for one intent, and test has no answers."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from otoloop.outs import file_sha256, read_json
from otoloop.release import layout, shards


def hashes(root):
    return {p.relative_to(root).as_posix(): file_sha256(p) for p in sorted(root.rglob("*")) if p.is_file()}


def test_one_intent_gives_the_same_bytes_whatever_its_order(tmp_path, make_content, fetch_audio):
    content = make_content(20)
    mixed = list(content.clips)
    random.Random(1).shuffle(mixed)
    items = {s: list(reversed(rows)) for s, rows in content.items.items()}
    shards.write(tmp_path / "a", content, fetch_audio, 256)
    shards.write(tmp_path / "b", replace(content, clips=mixed, items=items), fetch_audio, 256)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


def test_a_second_try_repairs_a_half_written_one(tmp_path, make_content, fetch_audio):
    content = make_content(20)
    shards.write(tmp_path / "a", content, fetch_audio, 0.005)
    whole = hashes(tmp_path / "a")
    (tmp_path / "a/manifest.json").unlink()
    (tmp_path / "a/audio/0003.parquet").unlink()
    (tmp_path / "a/audio/0001.parquet").write_bytes(b"torn")
    shards.write(tmp_path / "a", content, fetch_audio, 0.005)
    assert hashes(tmp_path / "a") == whole


def test_the_next_release_appends_and_rewrites_nothing(tmp_path, make_content, fetch_audio):
    first = make_content(12)
    shards.write(tmp_path, first, fetch_audio, 0.005)
    before = {k: v for k, v in hashes(tmp_path).items() if k.startswith("audio/")}
    second = make_content(20, first.splits, base_shards=len(before))
    shards.write(tmp_path, second, fetch_audio, 0.005)
    after = hashes(tmp_path)
    assert before.items() <= after.items()
    clips = [row["clip"] for path in shards.audio_files(tmp_path) for row in layout.read_rows(path, ["clip"])]
    assert sorted(clips) == [c["clip"] for c in second.clips]


def test_only_the_sealed_file_knows_the_answers_of_test(tmp_path, make_content, fetch_audio):
    shards.write(tmp_path, make_content(20), fetch_audio, 256)
    questions = layout.read_rows(tmp_path / "items/test.parquet")
    assert questions
    assert not {"answer", "answer_letter", "trace", "fault", "measured"} & set(questions[0])
    assert all("fault" not in q["slice"] for q in questions)
    sealed = layout.read_rows(tmp_path / "sealed/test.parquet")
    assert [q["id"] for q in questions] == [s["id"] for s in sealed]
    assert {s["answer"] for s in sealed} == {"rotor rub"}
    item = layout.item_of(questions[0])
    assert item.answer == "" and item.choices == ("rotor rub", "normal running")


def test_the_manifest_describes_every_file(tmp_path, make_content, fetch_audio):
    shards.write(tmp_path, make_content(20), fetch_audio, 256)
    manifest = read_json(tmp_path / "manifest.json")
    found = hashes(tmp_path)
    found.pop("manifest.json")
    assert {k: v["sha256"] for k, v in manifest["files"].items()} == found
    assert sum(c["items"] for c in manifest["counts"].values()) == 20
    assert manifest["tombstones"] == []


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_integer_wav_becomes_flac_without_loss(subtype):
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 1600).astype(np.int32) << 16
    wav = io.BytesIO()
    soundfile.write(wav, samples, 16000, format="WAV", subtype=subtype)
    back, rate = soundfile.read(io.BytesIO(shards.as_flac(wav.getvalue())), dtype="int32")
    assert rate == 16000 and np.array_equal(back, samples)


def test_flac_is_kept_byte_for_byte(fetch_audio):
    data = fetch_audio(["c001"])[0][1]
    assert shards.as_flac(data) is data
