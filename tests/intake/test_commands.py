"""The commands as a user types them, in a workspace with a real store."""

import json
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from otoloop import cli
from otoloop.simulate.encode import wav

from .conftest import Site, note_bytes, wav_bytes

TIME = 1_777_626_000  # 2026-05-01T09:00:00Z


@pytest.fixture
def otoloop(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(site.workspace)
    cli._register()

    def run(*words: str, code: int = 0):
        result = CliRunner().invoke(cli.app, list(words))
        assert result.exit_code == code, result.output + str(result.exception)
        return json.loads(result.stdout) if "--json" in words else result.stdout

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "recordings"
    (root / "fan-1").mkdir(parents=True)
    for name, data in {"a.wav": wav_bytes(1), "fan-1/b.wav": wav_bytes(2), "short.wav": wav_bytes(3, 0.1)}.items():
        (root / name).write_bytes(data)
        os.utime(root / name, (TIME, TIME))
    (root / "notes.csv").write_text("file,note,author\na.wav,シュー音,田中\nb.wav,,\n", encoding="cp932")
    return root


def test_add_says_what_became_of_every_file_and_repeats_safely(otoloop, folder, site):
    first = otoloop("add", str(folder), "--site", "osaka", "--notes", str(folder / "notes.csv"), "--json")
    told = {row["file"]: row for row in first["recordings"]}
    assert (first["admitted"], first["quarantined"]) == (2, 1)
    assert told["a.wav"]["key"] == "osaka/machine/2026-05-01/a.wav" and told["a.wav"]["outcome"] == "admitted"
    assert told["short.wav"]["reason_code"] == "too_short" and told["short.wav"]["remedy"]
    again = otoloop("add", str(folder), "--site", "osaka", "--notes", str(folder / "notes.csv"), "--json")
    assert (again["known"], again["quarantined"]) == (2, 1) and again["intake"]["discovered"] == 0
    words = otoloop("add", str(folder), "--site", "osaka")
    assert "3 recordings: 2 known, 1 quarantined." in words and "'short.wav': too_short" in words

    rows = otoloop("clips", "--json")
    taken = {(r["machine"], r["state"], r["fault"]) for r in rows[:2]}
    assert taken == {("machine", "admitted", "air_leak"), ("fan-1", "admitted", None)}
    assert rows[2]["reason_code"] == "too_short" and rows[2]["id"] is None
    assert {"id", "site", "machine", "time", "seconds", "state", "deliveries"} <= set(rows[0])
    assert (
        otoloop("clips", "--machine", "fan-1", "--state", "admitted", "--json")[0]["time"]
        == "2026-05-01T09:00:00+00:00"
    )
    assert len(otoloop("clips", "--fault", "air_leak", "--json")) == 1
    assert "too_short" in otoloop("clips", "--state", "quarantined")


def test_add_where_everything_is_refused_ends_with_one(otoloop, folder):
    told = otoloop("add", str(folder / "short.wav"), "--site", "osaka", "--machine", "m", "--json", code=1)
    assert told["quarantined"] == 1 and told["recordings"][0]["key"].startswith("osaka/m/")


def test_add_keeps_two_recordings_of_one_name_apart(otoloop, folder, site):
    otoloop("add", str(folder / "a.wav"), "--site", "osaka")
    (folder / "a.wav").write_bytes(wav_bytes(50))
    os.utime(folder / "a.wav", (TIME, TIME))
    told = otoloop("add", str(folder / "a.wav"), "--site", "osaka", "--json")
    key = told["recordings"][0]["key"]
    assert told["admitted"] == 1 and key.startswith("osaka/machine/2026-05-01/a-") and key.endswith(".wav")
    assert len(list(site.store.list("incoming"))) == 2


def test_add_refuses_large_files_before_uploading_them(otoloop, folder, site):
    (site.workspace / "params.yaml").write_text(
        f"prefix: {site.store.prefix}\nintake: {{max_mb: 0.01}}\n", encoding="utf-8"
    )
    told = otoloop("add", str(folder), "--site", "osaka", "--json", code=1)
    assert {r["reason_code"] for r in told["recordings"]} == {"too_large", "too_short"}
    assert len(list(site.store.list("incoming"))) == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("add", "nowhere", "--site", "osaka"), "There is no folder nowhere"),
        (("add", ".", "--site", ".."), "site '..' cannot be used"),
    ],
)
def test_mistakes_are_explained(otoloop, site, words, why):
    (site.workspace / "x.wav").write_bytes(b"")
    result = CliRunner().invoke(cli.app, list(words))
    assert why in str(result.exception) and getattr(result.exception, "remedy", "")


def test_intake_once_show_and_retry(otoloop, site):
    assert otoloop("intake", "--once").strip() == "Nothing new."
    site.put("a.wav", wav_bytes(1))
    site.put("a.json", note_bytes("hissing"))
    site.put("short.wav", wav_bytes(2, 0.1))
    told = otoloop("intake", "--once", "--json")
    assert (told["admitted"], told["quarantined"], told["reasons"]) == (1, 1, {"too_short": 1})
    assert Path(told["report"]).is_file()
    assert "too_short" in otoloop("intake", "--show")
    (listed,) = otoloop("intake", "--show", "--json")
    assert listed["reason_code"] == "too_short" and listed["remedy"]
    assert otoloop("intake", "--retry", str(listed["delivery"]), "--json")["quarantined"] == 1
    assert otoloop("intake", "--retry", "too_large", "--json")["quarantined"] == 0


def test_intake_keeps_looking(otoloop, site, monkeypatch):
    rounds = []

    def wait(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 2:
            raise KeyboardInterrupt
        site.put("20260101.wav", wav_bytes(1), folder=f"osaka/pump/{time.strftime('%Y-%m-%d', time.gmtime())}")

    monkeypatch.setattr("otoloop.commands.intake.time.sleep", wait)
    result = CliRunner().invoke(cli.app, ["intake", "--every", "5"])
    assert rounds == [5, 5] and "1 admitted" in result.stdout


def test_silence_is_listed_with_its_length(otoloop, site):
    import numpy as np

    site.put("silent.wav", wav(np.zeros(16_000, np.int16), 16_000))
    otoloop("intake", "--once")
    (row,) = otoloop("clips", "--json")
    assert (row["seconds"], row["reason_code"]) == (1.0, "silent")


@pytest.mark.parametrize("command", ["add", "intake", "clips"])
def test_help_has_an_example(otoloop, command):
    assert f"otoloop {command}" in otoloop(command, "--help") and "Example" in otoloop(command, "--help")
