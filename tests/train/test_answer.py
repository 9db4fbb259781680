"""Answers are greedy, independent of their neighbours in the batch, and the same from the memo."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from otoloop.evaluate import answer
from otoloop.outs import file_sha256, read_jsonl
from otoloop.params import AnswerParams, TrainParams
from otoloop.release.cycle import read_cycle
from otoloop.train.features import FeatureStore

FEW = AnswerParams(max_new_tokens=12, batch=4, variants=("silent", "swapped", "direct"))


def digests(folder: Path) -> dict[str, str]:
    return {p.name: file_sha256(p) for p in folder.iterdir()}


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    from otoloop.train import stage

    root = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("trained") / "site"))
    stage.main(TrainParams(steps=3, batch=4, rank=4, lr=0.05, threads=1), root)
    return root


@pytest.mark.slow
def test_everybody_answers_everything_and_the_memo_changes_nothing(trained):
    answer.main(FEW, trained)
    first = digests(trained / "answers")
    names = {"base", "candidate", "candidate@silent", "candidate@swapped", "candidate@direct"}
    assert set(first) == {f"{name}.jsonl" for name in names}
    rows = {name: read_jsonl(trained / f"answers/{name}.jsonl") for name in names}
    assert {len(r) for r in rows.values()} == {5 + 3}
    assert rows["base"] != rows["candidate"]
    for some in sorted((trained / ".otoloop/memo/answer").rglob("*.json"))[::2]:
        some.unlink()
    answer.main(FEW, trained)
    assert digests(trained / "answers") == first
    shutil.rmtree(trained / ".otoloop/memo/answer")
    answer.main(FEW, trained)
    assert digests(trained / "answers") == first


@pytest.mark.slow
def test_an_answer_does_not_depend_on_its_neighbours(trained, tmp_path):
    cycle = read_cycle(trained)
    items = answer.questions(trained, cycle)
    store = FeatureStore(trained / "work/features")
    who = answer.Answerer(cycle.base, trained / "models/adapter")
    together = answer.answer(who, items, store, FEW, tmp_path / "a")
    for item in items:
        assert answer.answer(who, [item], store, FEW, tmp_path / "b") == {item.id: together[item.id]}


def test_batched_answers_are_those_of_one_prompt_at_a_time(trained, tmp_path):
    from otoloop.model.generate import generate
    from otoloop.model.prompts import prompt

    cycle = read_cycle(trained)
    items = answer.questions(trained, cycle)
    store = FeatureStore(trained / "work/features")
    who = answer.Answerer(cycle.base, None)
    found = answer.answer(who, items, store, FEW, tmp_path)
    base, model = who.load()
    for item in items[:3]:
        (alone,) = generate(model, base.tokenizer, [prompt(item)], [store[item.clip]], max_new_tokens=12)
        assert alone.text == found[item.id]


def test_questions_carry_no_answers(trained):
    assert all(i.answer == "" and i.answer_letter is None for i in answer.questions(trained, read_cycle(trained)))


@pytest.mark.slow
def test_a_champion_answers_on_its_own_base(trained, base_folder, tmp_path):
    from otoloop.model.bases import folder_sha256
    from otoloop.release.cycle import BaseRef, write_cycle

    root = Path(shutil.copytree(trained, tmp_path / "site"))
    old = Path(shutil.copytree(base_folder, tmp_path / "old-base"))
    config = old / "generation_config.json"
    config.write_text(config.read_text().replace("{", '{"note": "older",', 1))
    cycle = read_cycle(root)
    older = BaseRef(str(old), old.name, "path", folder_sha256(old))
    assert older.sha256 != cycle.base.sha256
    champion = {"version": "v1", "sha256": "0" * 64, "base": asdict(older)}
    write_cycle(root, base=cycle.base, suites=cycle.suites, champion=champion, champion_files=root / "models/adapter")
    answer.main(FEW.model_copy(update={"variants": ()}), root)
    assert read_jsonl(root / "answers/champion.jsonl") == read_jsonl(root / "answers/candidate.jsonl")


def test_silence_has_as_many_tokens_as_the_sound(trained):
    cycle = read_cycle(trained)
    items, store = answer.questions(trained, cycle), FeatureStore(trained / "work/features")
    silent = answer.changed_sound("silent", cycle.base, items, store)
    assert {clip: len(f) for clip, f in silent.items()} == {i.clip: store.length(i.clip) for i in items}


def test_silence_may_fill_the_window(trained):
    """Recordings of half a minute and more are cut to what the base hears: 750 tokens."""
    silent = answer._silence(read_cycle(trained).base, {"long": 750, "short": 3})
    assert {clip: len(f) for clip, f in silent.items()} == {"long": 750, "short": 3}
