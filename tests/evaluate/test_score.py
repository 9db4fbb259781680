import hashlib
import json

import pytest

from otoloop.errors import OtoloopError
from otoloop.evaluate.results import read_all
from otoloop.evaluate.score import main, read_answers, score, score_file, summary
from otoloop.evaluate.suites import read_items
from otoloop.params import ScoreParams
from otoloop.release.layout import QUESTIONS, SEALED, compact, write_table

PARAMS = ScoreParams(resamples=200)


@pytest.fixture
def outputs(rows, answer_of):
    """Every fourth answer is wrong, the tenth unreadable, the last missing."""
    found = {}
    for n, row in enumerate(rows[:-1]):
        right = row["choices"].index(row["answer"])
        said = (right + 1) % 4 if n % 4 == 0 else right
        found[row["id"]] = answer_of(row["choices"][said], "abcd"[said], "The speed is 1480 rpm." if n % 2 else "Hum.")
    found[rows[10]["id"]] = "<THINK>no end"
    return found


def test_one_command_scores_a_file(tmp_path, rows, outputs, lines):
    items = lines(tmp_path / "items.jsonl", rows)
    predictions = lines(tmp_path / "p.jsonl", [{"id": k, "output": v} for k, v in outputs.items()])
    found = score_file("site", items, predictions, PARAMS)
    assert set(found) >= {
        "n", "accuracy", "ci95", "official", "strict", "format_valid", "unparsed", "claim_accuracy", "slices",
    }  # fmt: skip
    assert found["n"] == 80
    assert found["accuracy"] == found["strict"] == pytest.approx(58 / 80)
    assert found["official"] == pytest.approx(58 / 79)
    assert found["unparsed"] == pytest.approx(2 / 80) and found["format_valid"] == pytest.approx(78 / 80)
    assert found["ci95"][0] < found["accuracy"] < found["ci95"][1]
    assert found["claim_accuracy"]["with_evidence"]["accuracy"] == 1.0
    assert set(found["slices"]) == {"kind", "machine", "site", "style"}
    assert sum(c["n"] for c in found["slices"]["machine"].values()) == 80
    assert json.loads(json.dumps(found)) == found


def test_invented_numbers_count_against_the_claims(rows, answer_of, lines, tmp_path):
    questions = read_items(lines(tmp_path / "items.jsonl", rows))
    told = {r["id"]: answer_of(r["answer"], r["answer_letter"], "The speed is 1480 rpm.") for r in rows}
    made_up = {r["id"]: answer_of(r["answer"], r["answer_letter"], "The speed is 2950 rpm.") for r in rows}
    honest, inventing = (summary(score(questions, o), PARAMS)["claim_accuracy"] for o in (told, made_up))
    assert honest["with_evidence"]["accuracy"] == 1 and inventing["with_evidence"]["accuracy"] == 0
    # from the sound alone nobody can hear a speed, right or wrong
    assert honest["audio_only"]["accuracy"] == 0


def test_predictions_of_other_items_are_refused(rows, lines, tmp_path):
    questions = read_items(lines(tmp_path / "items.jsonl", rows))
    with pytest.raises(OtoloopError, match="belong to no item"):
        score(questions, {"stranger": "x"})


@pytest.fixture
def workspace(tmp_path, rows, outputs, lines):
    place = {"site": "plant", "group": "g", "time": "2026-01-01"}
    asked = [{**r, **place, **r["slice"], "slice": compact(r["slice"])} for r in rows]
    told = [{**r, "slice": compact(r["slice"]), "measured": compact(r["measured"])} for r in rows]
    write_table(tmp_path / "release/items/test.parquet", QUESTIONS, asked)
    write_table(tmp_path / "release/sealed/test.parquet", SEALED, told)
    other = [{**r, "id": f"g{r['id']}"} for r in rows]
    general = lines(tmp_path / "inputs/general.jsonl", other)
    digest = hashlib.sha256(general.read_bytes()).hexdigest()
    (tmp_path / "inputs/cycle.yaml").write_text(
        f"suites:\n- {{name: general, role: guard, items: inputs/general.jsonl, sha256: {digest}}}\n"
    )
    for name in ("base", "candidate"):
        lines(tmp_path / f"answers/{name}/site.jsonl", [{"id": k, "output": v} for k, v in outputs.items()])
        lines(tmp_path / f"answers/{name}/general.jsonl", [{"id": f"g{k}", "output": v} for k, v in outputs.items()])
    lines(tmp_path / "answers/candidate@silent.jsonl", [{"id": k, "output": "x"} for k in outputs])
    return tmp_path


def digests(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_stage_writes_results_and_scores_and_the_same_bytes_again(workspace):
    main(PARAMS, workspace)
    first = digests(workspace / "results") | digests(workspace / "metrics")
    results = read_all(workspace / "results")
    assert set(results) == {"base", "candidate", "candidate@silent"}
    assert len(results["base"]) == 160 and {r.suite for r in results["base"]} == {"site", "general"}
    scores = json.loads((workspace / "metrics/scores.json").read_text())
    assert scores["answerers"]["candidate"]["general"]["n"] == 80
    assert scores["reasoning"]["candidate"]["variants"]["silent"]["contribution"]["value"] > 0.5
    assert set(scores["items_sha256"]) == {"site", "general"}
    main(PARAMS, workspace)
    assert digests(workspace / "results") | digests(workspace / "metrics") == first
    assert not [p for p in workspace.rglob("*.part")]


def test_another_suite_file_than_the_cycle_names_is_refused(workspace):
    with (workspace / "inputs/general.jsonl").open("a") as stream:
        stream.write("\n")
    with pytest.raises(OtoloopError, match="not the general suite"):
        main(PARAMS, workspace)


def test_answers_must_be_there_and_single(tmp_path, lines):
    with pytest.raises(OtoloopError, match="no answers"):
        read_answers(tmp_path / "answers")
    lines(tmp_path / "answers/base.jsonl", [{"id": "a", "output": "x"}])
    lines(tmp_path / "answers/base/site.jsonl", [{"id": "a", "output": "y"}])
    with pytest.raises(OtoloopError, match="more than once"):
        read_answers(tmp_path / "answers")
    lines(tmp_path / "answers/base/site.jsonl", [{"id": "b"}])
    with pytest.raises(OtoloopError, match="without `id` or `output`"):
        read_answers(tmp_path / "answers")
