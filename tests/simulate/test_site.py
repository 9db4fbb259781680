"""The simulated site: the same bytes for the same seed, enough independent sessions, notes and sensors that fit."""

import hashlib
import io
import json
from collections import Counter

import numpy as np
import pytest
import soundfile
import yaml
from typer.testing import CliRunner

from otoloop.errors import OtoloopError
from otoloop.simulate.deliveries import read_jsonl
from otoloop.simulate.notes import write_note
from otoloop.simulate.site import MACHINES, plan_site
from otoloop.simulate.writer import encode, write_site

CLIPS = 48


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    write_site(plan_site("demo", 7, CLIPS), out)
    return out


def digests(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_the_same_seed_gives_the_same_bytes(site, tmp_path):
    write_site(plan_site("demo", 7, CLIPS), tmp_path / "again")
    assert digests(tmp_path / "again") == digests(site)
    write_site(plan_site("demo", 8, CLIPS), tmp_path / "other")
    recordings = [
        {h for name, h in digests(folder).items() if "/phone_" not in name and name.endswith((".wav", ".flac"))}
        for folder in (site, tmp_path / "other")
    ]
    assert not recordings[0] & recordings[1]


def test_a_third_of_the_sessions_is_enough_to_seal():
    plan = plan_site()
    sessions = Counter(plan.folder(i) for i in range(len(plan.name)))
    assert 0.3 * len(sessions) >= 125
    assert len(set(plan.name)) == len(plan.name)


def test_left_out_and_known_faults_occur_on_their_machines_and_come_back():
    plan = plan_site()
    count = Counter(plan.scenes.fault.tolist())
    assert min(count[f] for f in ("gear_wear", "valve_knock", "inverter_whine")) >= 40
    assert len(count) >= 13 and 5 <= count["unknown"] <= 25 and "silence" not in count
    for i, spec in enumerate(plan.spec):
        assert plan.scenes.fault[i] in (*MACHINES[spec].states, "unknown")


def test_later_cycles_bring_the_same_machines_on_later_days():
    first, second = plan_site(clips=24), plan_site(clips=24, cycle=2)
    assert first.machines() == second.machines()
    assert max(first.time) < min(second.time)


def test_another_site_has_other_machines():
    here, there = plan_site("demo", clips=8).machines(), plan_site("annex", clips=8).machines()
    assert all(a["bearing"] != b["bearing"] for a, b in zip(here, there, strict=True))


@pytest.mark.parametrize(("clips", "cycle"), [(3, 1), (40, 0)])
def test_impossible_plans_are_refused(clips, cycle):
    with pytest.raises(OtoloopError):
        plan_site(clips=clips, cycle=cycle)


def test_truth_machines_and_sensors_agree(site):
    machines = {m["machine"]: m for m in yaml.safe_load((site / "machines.yaml").read_text())}
    truth = read_jsonl(site / "truth.jsonl")
    assert set(machines) == {t["machine"] for t in truth} and len(truth) == CLIPS
    for row in truth:
        nominal = machines[row["machine"]]["nominal_speed_rpm"]
        assert 0.96 * nominal < row["speed_rpm"] < nominal
        series = (site / row["key"]).with_suffix(".sensors.csv")
        assert series.exists() == row["sensors"]
        if row["sensors"]:
            table = np.genfromtxt(series, delimiter=",", names=True)
            assert table["speed_rpm"].mean() == pytest.approx(row["speed_rpm"], rel=0.02)
            assert table["t_s"][-1] < row["seconds"]
            if "vibration_rms_mm_s" in table.dtype.names:
                assert table["vibration_rms_mm_s"].mean() == pytest.approx(row["vibration_rms_mm_s"], rel=0.1)


def test_recordings_open_as_declared(site):
    for row in read_jsonl(site / "truth.jsonl"):
        facts = soundfile.info(site / row["key"])
        assert (facts.samplerate, facts.channels) == (row["rate"], row["channels"])
        assert facts.duration == pytest.approx(row["seconds"], abs=0.01)


@pytest.mark.parametrize(
    ("style", "rate", "channels"),
    [("wav44", 44_100, 1), ("wav48", 48_000, 1), ("stereo", 16_000, 2), ("wav24", 16_000, 1), ("float", 16_000, 1),
     ("flac", 16_000, 1)],
)  # fmt: skip
def test_every_format_keeps_the_sound(style, rate, channels):
    wave = (0.3 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)
    _, data, _, _ = encode(np.random.default_rng(0), wave, style)
    sound, found = soundfile.read(io.BytesIO(data), always_2d=True)
    assert found == rate and sound.shape[1] == channels
    spectrum = np.abs(np.fft.rfft(sound[:, 0]))
    assert np.fft.rfftfreq(len(sound), 1 / rate)[spectrum.argmax()] == pytest.approx(440, abs=2)


def test_notes_are_as_people_write_them():
    rng = np.random.default_rng(3)
    time = plan_site(clips=8).time[0]
    options = ["normal", "air_leak", "valve_knock"]
    notes = [
        write_note(rng, fault="air_leak", machine="compressor-1", severity=2, time=time, faults=options)
        for _ in range(3000)
    ]
    written = [n for n in notes if n]
    assert 0.05 < 1 - len(written) / len(notes) < 0.11
    assert 0.02 < np.mean([n.wrong for n in written]) < 0.045
    assert 0.3 < np.mean([n.body["lang"] == "ja" for n in written]) < 0.5
    assert 0.2 < np.mean(["fault" in n.body for n in written]) < 0.4
    assert 0.04 < np.mean([n.says is None for n in written]) < 0.12
    assert all(n.says != "air_leak" for n in written if n.wrong)
    assert len({n.body["text"] for n in written}) > 300
    assert all(
        set(n.body) <= {"text", "lang", "author", "time", "machine", "state", "fault", "severity"} for n in written
    )


def test_the_command_reports_what_it_made(tmp_path):
    import typer

    from otoloop.commands.simulate import register

    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, [str(tmp_path / "s"), "--clips", "8", "--no-bad", "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["outcomes"]["clips"] == 8 and (tmp_path / "s" / "deliveries.jsonl").exists()
    again = CliRunner().invoke(app, [str(tmp_path / "s"), "--clips", "8"])
    assert isinstance(again.exception, OtoloopError) and "not an empty folder" in again.exception.message
