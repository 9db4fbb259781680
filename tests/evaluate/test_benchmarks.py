import json

import pytest

from otoloop.errors import OtoloopError
from otoloop.evaluate.benchmarks import corpus_bleu, load, shuffled
from otoloop.evaluate.score import score_file
from otoloop.params import ScoreParams

CHOICES = ["Dog", "Cat", "A car horn"]
LETTERED = {"choice_a": "Dog", "choice_b": "Cat", "choice_c": "A car horn", "choice_d": None, "answer_gt": "Cat"}
OFFICIAL = {
    "mmau": [
        {"id": "1", "audio_id": "./1.wav", "question": "Who?", "choices": CHOICES, "answer": "Cat", "task": "sound"}
    ],
    "mmar": [{"id": "1", "audio_path": "a.wav", "question": "Who?", "choices": CHOICES, "answer": "Cat"}],
    "mmsu": [{"id": "1", "audio": "a.wav", "question": "Who?", **LETTERED, "task_name": "t"}],
    "airbench": [
        {"uniq_id": 1, "path": "a.wav", "question": "Who?", **LETTERED, "task_name": "t", "dataset_name": "d"}
    ],
}


@pytest.mark.parametrize("name", OFFICIAL)
def test_official_files_become_items(tmp_path, name):
    path = tmp_path / "official.json"
    path.write_text(json.dumps(OFFICIAL[name]))
    (question,), rule = load(name, path)
    assert question.item.choices == tuple(CHOICES) and question.item.answer_letter == "b" and question.suite == name
    assert rule == ("string_match" if name in ("mmau", "mmar") else "first_letter")
    answers = tmp_path / "p.jsonl"
    answers.write_text(json.dumps({"id": question.item.id, "output": "B. Cat"}))
    found = score_file(name, path, answers, ScoreParams(resamples=100))
    assert found["strict"] == 1
    # the letter is no word of any option, so the token rule does not mind it
    assert found["official"] == 1


def test_meld_and_covost_come_as_tables(tmp_path):
    meld = tmp_path / "test.csv"
    meld.write_text("Utterance,Emotion,Dialogue_ID,Utterance_ID\nhi,Joy,3,1\nno,anger,3,2\n")
    found, rule = load("meld", meld)
    assert (
        rule == "exact" and [q.item.answer for q in found] == ["joy", "anger"] and found[0].cluster == found[1].cluster
    )
    covost = tmp_path / "covost.tsv"
    covost.write_text("path\tsentence\ttranslation\tclient_id\na.mp3\tHallo\tHello\tx\n")
    found, rule = load("covost2", covost)
    assert rule == "bleu" and found[0].item.answer == "Hello" and found[0].cluster == "x"


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('[{"id": 1}]')
    with pytest.raises(OtoloopError, match="not a file of mmau"):
        load("mmau", path)
    path.write_text("[oops")
    with pytest.raises(OtoloopError, match="is not JSON"):
        load("mmau", path)
    with pytest.raises(OtoloopError, match="There is no file"):
        load("mmar", tmp_path / "none.json")


def test_options_are_shuffled_the_same_way_each_time(tmp_path):
    path = tmp_path / "official.json"
    path.write_text(json.dumps([{**OFFICIAL["mmau"][0], "id": str(n)} for n in range(60)]))
    found, _ = load("mmau", path)
    mixed = [shuffled(q, 7) for q in found]
    assert mixed == [shuffled(q, 7) for q in found]
    letters = [q.item.answer_letter for q in mixed]
    assert {letters.count(x) > 8 for x in "abc"} == {True}
    assert all(q.item.choices["abc".index(q.item.answer_letter)] == "Cat" for q in mixed)


def test_translations_need_sacrebleu_or_say_so():
    try:
        import sacrebleu  # noqa: F401
    except ImportError:
        with pytest.raises(OtoloopError, match="sacrebleu"):
            corpus_bleu(["a"], ["a"], "en")
    else:
        assert corpus_bleu(["the cat sat on the mat"], ["the cat sat on the mat"], "en") == pytest.approx(100)
