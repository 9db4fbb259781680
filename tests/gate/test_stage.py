import json

import pytest
from typer.testing import CliRunner

from otoloop.cli import _register, app
from otoloop.errors import OtoloopError
from otoloop.evaluate.results import write_results
from otoloop.evaluate.score import items_sha256
from otoloop.gate.stage import granted, main
from otoloop.gate.tables import tables
from otoloop.outs import write_json

_register()


@pytest.fixture
def workspace(tmp_path, results, monkeypatch):
    for name, rows in results.items():
        write_results(rows, tmp_path / "results" / f"{name}.jsonl")
    digests = {"site": tables(results)["site"]["candidate"].sha256}
    write_json(tmp_path / "metrics/scores.json", {"items_sha256": digests, "reasoning": {}})
    (tmp_path / "params.yaml").write_text("gate: {margin: 0.05, missed_margin: 0.05}\n")
    (tmp_path / "inputs").mkdir()
    cycle(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cycle(workspace, more=""):
    (workspace / "inputs/cycle.yaml").write_text(
        f"release: {{name: r1}}\nsuites:\n- name: site\n  target: {{fault: [gear_wear, valve_knock]}}\n{more}"
    )


def run(*words):
    return CliRunner().invoke(app, list(words))


def test_the_stage_writes_a_report_for_any_verdict(workspace, params, model):
    assert main(params, workspace).verdict == "pass"
    before = {p.name: p.read_bytes() for p in (workspace / "gate").iterdir()}
    assert set(before) == {"report.json", "report.html", "report.md"}
    main(params, workspace)
    assert {p.name: p.read_bytes() for p in (workspace / "gate").iterdir()} == before
    write_results(model(0.6, 0.1, 8), workspace / "results/candidate.jsonl")
    assert main(params, workspace).verdict == "fail"
    assert json.loads((workspace / "gate/report.json").read_text())["verdict"] == "fail"


def test_results_of_other_items_than_the_scores_fail(workspace, params):
    write_json(workspace / "metrics/scores.json", {"items_sha256": {"site": "another"}})
    assert main(params, workspace).verdict == "fail"


def test_both_digests_of_items_are_made_alike(results):
    class Question:
        def __init__(self, row):
            self.item, self.sha256 = row, row.item_sha256

    rows = results["base"]
    assert items_sha256([Question(r) for r in rows]) == tables({"base": rows})["site"]["base"].sha256


def test_the_grant_of_a_look_limits_alpha(workspace, params):
    assert granted({}, params) == 0.05
    assert granted({"grant": {"error_share": 0.2}}, params) == pytest.approx(0.01)
    cycle(workspace, "grant: {alpha: 0.002}\n")
    assert main(params, workspace).alpha == 0.002
    for bad in (0.06, 0, "much"):
        with pytest.raises(OtoloopError, match="grant"):
            granted({"grant": {"alpha": bad}}, params)


def test_without_a_cycle_the_suites_follow_from_the_results(workspace, params):
    (workspace / "inputs/cycle.yaml").unlink()
    assert main(params, workspace).headline.slice == "fault: gear_wear, valve_knock"


def test_results_must_be_there(tmp_path, params):
    with pytest.raises(OtoloopError, match="no results"):
        main(params, tmp_path)


def test_gate_run_and_show(workspace, model):
    done = run("gate", "run", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["verdict"] == "pass"
    shown = run("gate", "show")
    assert shown.exit_code == 0 and shown.stdout.startswith("pass: ") and "smallest detectable" in shown.stdout
    assert json.loads(run("gate", "show", "--json").stdout) == json.loads(done.stdout)
    write_results(model(0.6, 0.1, 8), workspace / "results/candidate.jsonl")
    assert run("gate", "run").exit_code == 1


def test_gate_show_needs_a_report(workspace):
    found = run("gate", "show")
    assert found.exit_code != 0 and isinstance(found.exception, OtoloopError)


def test_gate_simulate_takes_the_sizes_of_the_workspace_or_of_the_options(workspace, tmp_path_factory, monkeypatch):
    found = json.loads(run("gate", "simulate", "--runs", "10", "--json").stdout)
    assert found["sizes"]["new"]["recordings"] == 400
    assert 0 <= found["false_promotion_rate"] <= 0.3 and found["harm_promoted"] <= 0.1
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    said = run("gate", "simulate", "--runs", "10", "--recordings", "60").stdout
    assert "60 recordings of 2 items" in said and "power" in said


def test_score_from_the_command_line(tmp_path):
    row = {"id": "a", "clip": "c", "question": "?", "choices": ["hum", "rub"], "answer": "hum", "kind": "audio_only"}
    (tmp_path / "items.jsonl").write_text(json.dumps(row))
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": "a", "output": "<THINK></THINK><RESPONSE>hum (a)</RESPONSE>"}))
    words = [
        "score",
        "--suite",
        "site",
        "--items",
        str(tmp_path / "items.jsonl"),
        "--predictions",
        str(tmp_path / "p.jsonl"),
    ]
    found = json.loads(run(*words, "--json").stdout)
    assert (found["n"], found["accuracy"], found["format_valid"], found["unparsed"]) == (1, 1.0, 1.0, 0.0)
    assert "1 items" in run(*words).stdout
