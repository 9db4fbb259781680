"""What scripts and people rely on at the command line: which commands there are, help, start-up, JSON, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer

from otoloop import cli
from otoloop.errors import OtoloopError

from .said import otoloop, refused

HEAVY = {"torch", "transformers", "peft", "prefect", "great_expectations", "boto3", "botocore", "obstore", "pandas", "dvc",
         "numpy", "scipy", "pyarrow", "soundfile", "sqlalchemy", "alembic", "fastapi", "yaml",
         "matplotlib"}  # fmt: skip
"""What `--help` must not load: the light ones of these too cost more than all of the rest."""

PROMISED = {
    "init", "up", "down", "status", "doctor", "demo", "simulate", "add", "intake", "clips", "inspect", "evidence",
    "draft", "trace check", "review list", "review show", "review approve", "review edit", "review reject",
    "release create", "release list", "release verify", "release diff", "release export", "lock", "stage", "score",
    "gate run", "gate show", "gate simulate", "ask", "retrain", "promotions list", "promotions approve", "promotions reject",
    "rollback", "serve", "feedback", "lineage", "audit verify",
}  # fmt: skip

TRACE = (
    "<THINK><PLANNING>Listen.</PLANNING><CAPTION>A tone near 1000 Hz stands out.</CAPTION>"
    "<REASONING>A steady tone over noise.</REASONING><SUMMARY>This points to inverter whine.</SUMMARY></THINK>"
    "<RESPONSE>inverter whine</RESPONSE>"
)


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command of the tree by its words."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, inner in command.commands.items():
        yield from walk(inner, (*path, name))


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    cli._register()
    return dict(walk(typer.main.get_command(cli.app)))


# ---- the tree --------------------------------------------------------------------------------------------------------


def test_every_promised_command_is_there(tree: dict[str, Any]) -> None:
    assert set(tree) >= PROMISED


def test_every_command_has_help_with_an_example_of_itself(tree: dict[str, Any]) -> None:
    lacking = [words for words, command in tree.items() if f"Example: otoloop {words}" not in (command.help or "")]
    assert lacking == []


def test_every_command_can_answer_in_json(tree: dict[str, Any]) -> None:
    lacking = [
        words for words, command in tree.items() if "--json" not in {o for param in command.params for o in param.opts}
    ]
    assert lacking == []


def test_every_option_and_argument_says_what_it_is(tree: dict[str, Any]) -> None:
    silent = [f"{words}: {p.name}" for words, command in tree.items() for p in command.params if not p.help]
    assert silent == []


@pytest.mark.parametrize("words", [(), ("intake",), ("release", "create"), ("ask",)], ids=" ".join)
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    program = (
        "import json, sys\nfrom otoloop.cli import main\n"
        "try: main()\nexcept SystemExit as end: code = end.code\n"
        "json.dump([code, sorted({name.split('.')[0] for name in sys.modules})], sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words, "--help"], capture_output=True, text=True, check=True
    )  # fmt: skip
    code, modules = json.loads(done.stderr)
    assert code == 0 and "Usage: " in done.stdout
    assert HEAVY & set(modules) == set()


# ---- exit codes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("nonsense",), "nonsense"), (("inspect",), "FILE"), (("inspect", "nowhere.wav"), "nowhere.wav"),
        (("gate", "simulate", "--runs", "many"), "--runs"), (("gate", "simulate", "--runs", "1"), "--runs"),
        (("status", "--port"), "--port"), (("review", "show"), "item"), (("demo", "--cycles", "0"), "--cycles"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_usage_is_two_and_names_what_is_wrong(tmp_path: Path, words: tuple[str, ...], value: str) -> None:
    answer = otoloop(*words, cwd=tmp_path)
    assert answer.code == 2 and answer.out == ""
    assert value in answer.err and "--help" in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("review", "list", "--state", "lost"), "'lost' is not one of drafted, queued"),
        (("review", "list", "--state", ""), "'' is not one of drafted, queued"),
        (("clips", "--state", "lost"), "'lost' is not one of admitted, quarantined"),
        (("up", "--only", "s3", "--only", "s4"), "'s4' is not one of s3, prefect"),
        (("stage", "tarin"), "'tarin' is not one of validate, encode, train"),
        (("user", "add", "x", "--role", "king"), "'king' is not one of technician, reviewer"),
        (("user", "roles", "x", "--role", "admin", "--role", "king"), "'king' is not one of technician"),
        (("promotions", "request", "--channel", "moon"), "'moon' is not one of pilot, prod, shadow"),
        (("rollback", "--reason", "x", "--channel", "moon"), "'moon' is not one of pilot, prod, shadow"),
        (("serve", "--channel", "moon"), "'moon' is not one of pilot, prod, shadow"),
        (("trace", "check", "x", "--audio", __file__, "--kind", "both"), "'both' is not one of audio_only, with_evi"),
    ],
    ids=str,
)
def test_a_value_that_no_option_has_is_wrong_usage(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    answer = otoloop(*words, cwd=tmp_path)
    assert answer.code == 2 and answer.out == "", answer.err
    assert said in " ".join(answer.err.replace("│", " ").split()) and "--help" in answer.err


def test_a_group_without_a_command_shows_its_help(tmp_path: Path) -> None:
    answer = otoloop("review", cwd=tmp_path)
    assert answer.code == 2 and "approve" in answer.out + answer.err


def test_outside_of_a_workspace_commands_that_need_one_say_so(tmp_path: Path, tree: dict[str, Any]) -> None:
    needing = [
        ("up",), ("down",), ("status",), ("doctor",), ("intake", "--once"), ("clips",), ("draft",), ("review", "list"),
        ("review", "show", "x"), ("review", "approve", "x"), ("review", "reject", "x"), ("release", "create"),
        ("release", "list"), ("release", "verify"), ("stage", "score"), ("lock", "--check"), ("gate", "run"),
        ("gate", "show"), ("retrain",), ("promotions", "list"), ("rollback", "--reason", "x"), ("audit", "verify"),
        ("serve",), ("lineage", "x"),
    ]  # fmt: skip
    for words in needing:
        refused(*words, cwd=tmp_path, said=[str(tmp_path), "otoloop init DIR"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("release", "diff", "r1", "r2"), ["r1"]),
        (("review", "show", "nobody"), ["nobody"]),
        (("intake", "--retry", "lost"), ["'lost'", "too_short"]),
        (("intake", "--retry", "99"), ["99", "otoloop intake --show"]),
        (("gate", "show"), ["no report", "otoloop gate run"]),
        (("gate", "run"), ["results"]),
    ],
    ids=str,
)
def test_a_refusal_names_the_value_and_the_remedy(workspace: Path, words: tuple[str, ...], said: list[str]) -> None:
    refused(*words, cwd=workspace, said=said)


# ---- unexpected failures of the system -------------------------------------------------------------------------------


def test_what_the_system_refuses_is_told_with_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    said = [str(tmp_path / "file" / "new")]
    refused("simulate", tmp_path / "file" / "new", "--clips", "8", cwd=tmp_path, said=said)
    refused("init", tmp_path / "file" / "new", cwd=tmp_path, said=said)


def test_mistakes_of_the_program_keep_their_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ConnectionResetError("a bug")

    monkeypatch.setattr("otoloop.simulate.site.plan_site", broken)
    with pytest.raises(ConnectionResetError):
        otoloop("simulate", tmp_path / "new", cwd=tmp_path)
    assert not (tmp_path / "new").exists()


# ---- JSON ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good recording with a tone and its sensors, a broken and a silent one, a trace, and items with answers."""
    wave = 0.02 * np.random.default_rng(1).standard_normal(32_000) + 0.2 * np.sin(np.arange(32_000) * np.pi / 8)
    soundfile.write(tmp_path / "good.wav", wave, 16_000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    (tmp_path / "good.sensors.csv").write_text("t_s,speed_rpm\n0,1490\n1,1492\n", encoding="utf-8")
    (tmp_path / "trace.txt").write_text(TRACE, encoding="utf-8")
    item = {"id": "1", "clip": "c", "question": "What is this noise?", "choices": ["inverter whine", "air leak"],
            "answer": "inverter whine", "answer_letter": "a", "kind": "audio_only", "slice": {"site": "x"}}  # fmt: skip
    (tmp_path / "items.jsonl").write_text(json.dumps(item) + "\n", encoding="utf-8")
    (tmp_path / "answers.jsonl").write_text(json.dumps({"id": "1", "output": TRACE}) + "\n", encoding="utf-8")
    return tmp_path


def test_inspect_in_json(folder: Path) -> None:
    answer = otoloop("inspect", "good.wav", "bad.wav", "silent.wav", "--json", cwd=folder)
    assert answer.code == 1 and otoloop("inspect", "good.wav", "--json", cwd=folder).code == 0
    for row in answer.json:
        assert set(row) == {"file", "verdict", "reason_code", "message", "remedy", "measures"}
    assert [row["reason_code"] for row in answer.json] == [None, "bad_magic", "silent"]
    assert [row["verdict"] for row in answer.json] == ["admit", "quarantine", "quarantine"]


@pytest.mark.parametrize("file", ["good.wav", "silent.wav"])
def test_evidence_in_json(folder: Path, file: str) -> None:
    answer = otoloop("evidence", file, "--json", cwd=folder)
    assert answer.code == 0
    assert set(answer.json) >= {
        "f0_hz",
        "impulse_rate_hz",
        "rms_dbfs",
        "bands_dbfs",
        "tones",
        "modulation_hz",
        "kurtosis",
    }
    assert all(set(fact) == {"value", "uncertainty", "reliable"} for fact in answer.json.values())
    if file == "good.wav":
        assert answer.json["speed_rpm"]["value"] == 1491
        assert set(answer.json["tones"]["value"][0]) >= {"f_hz", "level_db", "start_s", "end_s"}


def test_trace_check_in_json(folder: Path) -> None:
    right = otoloop("trace", "check", "trace.txt", "--audio", "good.wav", "--json", cwd=folder)
    assert right.code == 0 and right.json["ok"] is True and right.json["reasons"] == []
    (folder / "trace.txt").write_text(TRACE.replace("1000 Hz", "3000 Hz"), encoding="utf-8")
    wrong = otoloop("trace", "check", "trace.txt", "--audio", "good.wav", "--json", cwd=folder)
    assert wrong.code == 1 and wrong.json["ok"] is False
    for reason in wrong.json["reasons"]:
        assert set(reason) >= {"code", "claim", "span", "stated", "measured", "tolerance", "unit"}


def test_score_in_json(folder: Path) -> None:
    words = ("--suite", "site", "--items", "items.jsonl", "--predictions", "answers.jsonl")
    answer = otoloop("score", *words, "--json", cwd=folder)
    assert answer.code == 0 and answer.json["n"] == 1 and answer.json["accuracy"] == 1
    assert set(answer.json) >= {
        "n", "accuracy", "ci95", "official", "strict", "format_valid", "unparsed", "claim_accuracy", "slices",
    }  # fmt: skip


def test_clips_in_json(workspace: Path, folder: Path) -> None:
    added = otoloop("add", folder, "--site", "osaka", "--json", cwd=workspace)
    assert added.code == 0
    rows = otoloop("clips", "--json", cwd=workspace).json
    assert len(rows) == 3
    for row in rows:
        assert set(row) >= {"id", "site", "machine", "time", "seconds", "state", "deliveries"}
        assert row["id"] or row["reason_code"]


def test_promotions_in_json(workspace: Path) -> None:
    assert otoloop("promotions", "list", "--json", cwd=workspace).json == []


@pytest.mark.slow
def test_ask_in_json(folder: Path) -> None:
    answer = otoloop("ask", "good.wav", "--choices", "inverter whine,air leak", "--json", cwd=folder)
    assert answer.code == 0
    assert set(answer.json) >= {"answer_id", "trace", "response", "confidence", "version", "sha"}


def test_errors_are_json_too_and_stdout_holds_nothing_else(folder: Path) -> None:
    text = refused("evidence", "bad.wav", cwd=folder, said=["bad.wav", "neither WAV nor FLAC", "Send WAV or FLAC"])
    assert isinstance(OtoloopError(text), Exception)
