"""`otoloop trace check` as a user runs it: files in, JSON and exit code out."""

import json

import pytest
import soundfile
import typer
from typer.testing import CliRunner

from otoloop.commands import draft
from otoloop.errors import OtoloopError


@pytest.fixture(scope="module")
def run():
    app = typer.Typer()
    draft.register(app)

    def invoke(*args):
        result = CliRunner().invoke(app, [str(a) for a in args])
        if isinstance(result.exception, OtoloopError):
            raise result.exception
        return result.exit_code, result.stdout

    return invoke


@pytest.fixture
def files(tmp_path, build, trace):
    def write(caption, **parts):
        soundfile.write(tmp_path / "a.wav", build(**parts), 16000)
        text = trace(caption, "Even ringing impacts: this points to outer race defect.", "outer race defect")
        (tmp_path / "t.txt").write_text(text, encoding="utf-8")
        (tmp_path / "s.csv").write_text("t_s,speed_rpm\n0,1490\n1,1492\n", encoding="utf-8")
        return tmp_path

    return write


def test_a_right_trace_is_ok(files, run):
    folder = files("The speed is 1491 rpm, impacts come 107.0 times a second.", impacts=107.0)
    args = ["trace", "check", folder / "t.txt", "--audio", folder / "a.wav", "--sensors", folder / "s.csv", "--json"]
    code, out = run(*args, "--gold", "outer race defect")
    row = json.loads(out)
    assert code == 0 and row["ok"] and row["reasons"] == []
    assert {c["kind"] for c in row["claims"]} == {"speed_rpm", "impulse_rate_hz", "impulsive"}


def test_a_wrong_number_fails_with_its_place(files, run):
    folder = files("The speed is 1491 rpm, impacts come 85.0 times a second.", impacts=107.0)
    args = ["trace", "check", folder / "t.txt", "--audio", folder / "a.wav", "--sensors", folder / "s.csv", "--json"]
    code, out = run(*args)
    (reason,) = json.loads(out)["reasons"]
    assert code == 1 and reason["code"] == "claim_contradicted"
    assert reason["stated"] == 85.0 and abs(reason["measured"] - 107) < 1 and reason["unit"] == "/s"
    text = (folder / "t.txt").read_text()
    assert "85.0" in text[slice(*reason["span"])]


def test_gold_and_kind_are_used(files, run):
    folder = files("Impacts come 107.0 times a second.", impacts=107.0)
    args = [
        "trace",
        "check",
        folder / "t.txt",
        "--audio",
        folder / "a.wav",
        "--json",
        "--gold",
        "belt squeal",
        "--kind",
        "audio_only",
    ]
    code, out = run(*args)
    assert code == 1 and {r["code"] for r in json.loads(out)["reasons"]} == {"answer_mismatch", "claim_not_hearable"}


def test_unreadable_input_is_explained(files, run):
    folder = files("Impacts.", impacts=107.0)
    with pytest.raises(OtoloopError, match=r"t\.txt"):
        run("trace", "check", folder / "t.txt", "--audio", folder / "t.txt")
