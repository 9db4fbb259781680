"""What people bring: recordings in many formats, copied files, odd names, spreadsheets that do not quite fit."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from otoloop import cli
from otoloop.catalog import clips
from otoloop.errors import OtoloopError
from otoloop.intake.folder import plan
from otoloop.intake.keys import parse_key
from otoloop.intake.times import stamp_in
from otoloop.settings import find_workspace

from ..recordings import FORMS, Form, plan_recordings, write
from .conftest import Site, wav_bytes

MAY = datetime(2026, 5, 1, 9, tzinfo=UTC).timestamp()


def put(path: Path, seed: int = 1, seconds: float = 1.0, when: float = MAY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav_bytes(seed, seconds))
    os.utime(path, (when, when))
    return path


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("20260301_083005.wav", "2026-03-01T08:30:05"), ("press 2026-03-01 08.30.wav", "2026-03-01T08:30:00"),
        ("2026_03_01.flac", "2026-03-01T00:00:00"), ("rec-20260301-2.wav", "2026-03-01T00:00:00"),
        ("ZOOM0001.wav", None), ("20261301.wav", None), ("20260231.wav", None), ("4420260301.wav", None),
        ("20990301.wav", None), ("2026-0301.wav", None),
    ],
)  # fmt: skip
def test_a_name_may_tell_the_time(name, time):
    found = stamp_in(name)
    assert (found and found.isoformat().removesuffix("+00:00")) == time


@given(st.text(st.sampled_from("20-_.T :1390x"), max_size=24))
def test_any_name_is_a_time_of_the_past_or_none(name):
    found = stamp_in(name)
    assert found is None or 2000 <= found.year <= datetime.now(UTC).year


def test_the_table_is_believed_before_the_name_and_the_name_before_the_file(tmp_path):
    for name in ("20260301_a.wav", "20260302_b.wav", "2026-03-03/c.wav", "m/d.wav"):
        put(tmp_path / "in" / name)
    notes = tmp_path / "notes.csv"
    notes.write_text("file,note,time\n20260301_a.wav,,2026-02-01\n", encoding="utf-8")
    found = {u.shown: (u.time.date().isoformat(), u.made.teller) for u in plan(tmp_path / "in", site="s", notes=notes)}
    assert found == {
        "20260301_a.wav": ("2026-02-01", "csv"), "20260302_b.wav": ("2026-03-02", "name"),
        "2026-03-03/c.wav": ("2026-03-03", "name"), "m/d.wav": ("2026-05-01", "file"),
    }  # fmt: skip


def test_copied_files_tell_no_time_so_each_is_a_session_of_its_own(tmp_path):
    for i in range(4):
        put(tmp_path / "in" / "copied" / f"{i}.wav", i, when=MAY + 0.1 * i)
        put(tmp_path / "in" / "kept" / f"{i}.wav", i, when=MAY + 60 * i)
    found = {u.shown: (u.made.teller, u.made.session) for u in plan(tmp_path / "in", site="s")}
    assert found["copied/1.wav"] == ("nothing", "copied/1") and found["kept/1.wav"] == ("file", "")
    notes = tmp_path / "notes.csv"
    notes.write_text("file,note,session\n1.wav,,monday\n", encoding="utf-8")
    (one, *_) = [u for u in plan(tmp_path / "in" / "copied", site="s", notes=notes) if u.shown == "1.wav"]
    assert (one.made.session, one.note) == ("monday", None)


def test_cells_need_not_spell_names_exactly(tmp_path):
    for name in ("a/Press 1.WAV", "b/fan.wav", "b/hall.wav"):
        put(tmp_path / "in" / name)
    notes, told = tmp_path / "notes.csv", []
    rows = ["C:\\rec\\press 1.wav,one", "fan,two", "b/hal.wav,three", "gone.wav,four"]
    notes.write_text("\n".join(["file,note", *rows]), encoding="utf-8")
    found = {u.shown: u.note and u.note["text"] for u in plan(tmp_path / "in", site="s", notes=notes, tell=told.append)}
    assert found == {"a/Press 1.WAV": "one", "b/fan.wav": "two", "b/hall.wav": None}
    assert told == [
        "notes.csv, line 4: 'b/hal.wav' is not among the recordings (is it 'b/hall.wav'?).",
        "notes.csv, line 5: 'gone.wav' is not among the recordings.",
    ]


def test_a_wrong_word_is_refused_with_its_line(tmp_path):
    put(tmp_path / "in" / "a.wav")
    notes = tmp_path / "notes.csv"
    notes.write_text("file,note,fault\na.wav,x,gremlins\n", encoding="utf-8")
    with pytest.raises(OtoloopError, match="line 2: The note cannot be used: the fault 'gremlins'"):
        plan(tmp_path / "in", site="s", notes=notes)


def test_names_of_any_length_become_keys(tmp_path):
    deep = tmp_path / "in" / "machine" / ("長い名前の日本語" * 10) / ("録音" * 30) / ("x" * 200)
    put(deep / ("音" * 80 + ".wav"), 1)
    put(deep / ("音" * 79 + "声.wav"), 2)
    keys = [upload.key() for upload in plan(tmp_path / "in", site="s")]
    assert len(set(keys)) == 2 and all(len(key.encode()) < 400 and key.endswith(".wav") for key in keys)
    assert {parse_key(key).machine for key in keys} == {"machine"}


@pytest.fixture
def otoloop(site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(site.workspace)
    cli._register()

    def run(*words: str, code: int = 0):
        result = CliRunner().invoke(cli.app, list(words))
        assert result.exit_code == code, result.output + str(result.exception)
        return json.loads(result.stdout) if "--json" in words else result.stdout

    return run


def test_every_usual_format_is_taken_and_odd_files_are_named(otoloop, tmp_path, site):
    root = tmp_path / "in"
    write(root, list(plan_recordings(2))[: len(FORMS)], seconds=1)
    noise = 0.1 * np.random.default_rng(1).standard_normal(48_000)
    soundfile.write(root / "eight bits.wav", noise, 48_000, subtype="PCM_U8")
    (root / "song.mp3").write_bytes(b"ID3\x03" + bytes(2000))
    (root / "cut.wav").write_bytes(wav_bytes(9)[:-4000])
    for name in ("readme.txt", "voice.amr", "photo.JPG"):
        (root / name).write_bytes(b"x")
    said = otoloop("add", str(root), "--site", "press-shop", "--notes", "notes.csv")
    assert f"{len(FORMS) + 3} recordings: {len(FORMS)} admitted, 3 quarantined." in said
    assert "'eight bits.wav': unsupported_codec" in said and "'song.mp3': bad_magic" in said
    assert "'cut.wav': header_mismatch" in said
    assert "Left alone, for their names are not those of recordings: 1 .amr, 1 .jpg, 1 .txt." in said
    assert "Understood from the notes: 2 " in said and "2 valve knock" in said
    assert "1 names no fault" in said and said.rstrip().endswith("Next: otoloop draft")
    rows = otoloop("clips", "--state", "admitted", "--json")
    assert len({row["session"] for row in rows}) == len(FORMS)
    (waiting,) = otoloop("clips", "--unlabelled", "--json")
    assert waiting["key"].endswith(".wav") and waiting["key"].rsplit("/", 1)[-1] in otoloop("clips", "--unlabelled")
    again = otoloop("add", str(root), "--site", "press-shop", "--json")
    assert (again["known"], again["quarantined"]) == (len(FORMS), 3)
    assert "notes.csv was not read; give the notes with --notes." in again["warnings"]


def test_the_session_that_is_told_reaches_the_catalogue(otoloop, tmp_path, site):
    for i in range(3):
        put(tmp_path / "in" / "弁" / f"{i}.wav", i)
    (tmp_path / "in" / "notes.csv").write_text("file,note,session\n0.wav,hissing,早番 1\n", encoding="cp932")
    told = otoloop("add", str(tmp_path / "in"), "--site", "s", "--notes", "notes.csv", "--json")
    with site.book().reading() as session:
        found = {row.session for row in clips.clips(session)}
    assert found == {"s/弁/早番 1", "s/弁/弁/1", "s/弁/弁/2"}
    assert any(w.startswith("Nothing tells when 3 of the recordings were made") for w in told["warnings"])


def test_few_sessions_are_spoken_of(otoloop, tmp_path):
    for i in range(3):
        put(tmp_path / "in" / f"{i}.wav", i, when=MAY + 60 * i)
    said = otoloop("add", str(tmp_path / "in"), "--site", "s")
    assert "3 recordings come from 1 session (a machine on a day)." in said


def test_commands_find_the_only_workspace_right_below(otoloop, site, tmp_path, monkeypatch):
    monkeypatch.chdir(site.workspace.parent)
    put(tmp_path / "in" / "a.wav")
    assert otoloop("add", "in", "--site", "s", "--json")["admitted"] == 1
    shutil.copytree(site.workspace, tmp_path / "other", symlinks=True)
    with pytest.raises(OtoloopError, match="Change into one of: other, site"):
        find_workspace(tmp_path)


def test_forms_cover_rates_and_channels():
    assert {form.channels for form in FORMS} >= {1, 2, 4, 8}
    assert {form.rate for form in FORMS} >= {8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000}
    assert all(isinstance(form, Form) for form in FORMS)
