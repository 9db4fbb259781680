"""`otoloop inspect` and `otoloop evidence` as scripts use them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from otoloop.commands import inspect as area
from otoloop.errors import OtoloopError

app = typer.Typer()
area.register(app)
run = CliRunner()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sounds: SimpleNamespace) -> Path:
    """A workspace with a good recording, its sensors, a machine, and a file that is no sound."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("intake: {min_seconds: 1.0}\n")
    bearing = "{n_balls: 9, d_ball_mm: 7.94, d_pitch_mm: 39.04, contact_deg: 0}"
    (tmp_path / "machines.yaml").write_text(f"- {{site: plant, machine: pump-3, kind: pump, bearing: {bearing}}}\n")
    noise = sounds.noise(1)
    wave = sounds.impacts(107.0) + noise * 0.1 + np.convolve(noise, np.ones(16) / 16, "same")
    soundfile.write(tmp_path / "good.wav", wave, 16000)
    (tmp_path / "good.sensors.csv").write_text("t_s,speed_rpm\n0,1789\n2,1791\n")
    (tmp_path / "bad.wav").write_bytes(b"no sound at all")
    soundfile.write(tmp_path / "short.wav", wave[:12000], 16000)
    return tmp_path


def test_inspect_judges_every_file(site: Path) -> None:
    done = run.invoke(app, ["inspect", "good.wav", "bad.wav", "short.wav", "--json"])
    assert done.exit_code == 1
    rows = json.loads(done.stdout)
    assert [r["verdict"] for r in rows] == ["admit", "quarantine", "quarantine"]
    assert [r["reason_code"] for r in rows] == [None, "bad_magic", "too_short"]
    assert set(rows[0]) == {"file", "verdict", "reason_code", "message", "remedy", "measures"}
    assert rows[0]["measures"]["duration_s"] == 4.0 and len(rows[0]["measures"]["content_id"]) == 64
    assert all(r["remedy"] for r in rows[1:])


def test_inspect_of_good_files_exits_0(site: Path) -> None:
    done = run.invoke(app, ["inspect", "good.wav"])
    assert done.exit_code == 0 and done.stdout.startswith("ok ")
    assert "REFUSED bad.wav" in run.invoke(app, ["inspect", "bad.wav"]).stdout


def test_a_missing_file_is_wrong_usage(site: Path) -> None:
    assert run.invoke(app, ["inspect", "nowhere.wav"]).exit_code == 2


def test_evidence_with_sensors_and_geometry(site: Path) -> None:
    done = run.invoke(app, ["evidence", "good.wav", "--machine", "pump-3", "--json"])
    assert done.exit_code == 0
    facts = json.loads(done.stdout)
    assert all(set(fact) == {"value", "uncertainty", "reliable"} for fact in facts.values())
    assert facts["speed_rpm"]["value"] == pytest.approx(1790)
    assert facts["impulse_rate_hz"]["value"] == pytest.approx(107, abs=1) and facts["impulse_rate_hz"]["reliable"]
    assert facts["impacts_per_turn"]["value"] == pytest.approx(3.587, abs=0.05)
    assert facts["outer_race_order"]["value"] == pytest.approx(3.585, abs=0.01)


def test_evidence_in_words(site: Path) -> None:
    words = run.invoke(app, ["evidence", "good.wav"]).stdout
    assert "impulse_rate_hz" in words and "±" in words


def test_evidence_names_what_is_wrong(site: Path) -> None:
    done = run.invoke(app, ["evidence", "bad.wav"])
    assert isinstance(done.exception, OtoloopError) and "bad.wav" in done.exception.message
    done = run.invoke(app, ["evidence", "good.wav", "--machine", "pump-9"])
    assert isinstance(done.exception, OtoloopError) and "pump-3" in done.exception.remedy
