"""A folder of recordings with notes becomes uploads with safe keys; mistakes in the CSV are named by line."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otoloop.errors import OtoloopError
from otoloop.intake.folder import plan, safe_name
from otoloop.intake.keys import parse_key

TIME = 1_777_626_000  # 2026-05-01T09:00:00Z


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    for name in (
        "a.wav",
        "pump-3/b.flac",
        "pump-3/day 1/c.wav",
        "fan/b.flac",
        ".hidden.wav",
        ".git/x.wav",
        "fan/read.me",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"RIFF")
        os.utime(root / name, (TIME, TIME))
    return root


def by_shown(root: Path, **more):
    return {u.shown: u for u in plan(root, site="osaka", **more)}


def write(root: Path, text: str, encoding: str = "utf-8") -> Path:
    path = root.parent / "notes.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_machine_and_time_have_sensible_defaults(folder):
    found = by_shown(folder)
    assert {shown: u.key() for shown, u in found.items()} == {
        "a.wav": "osaka/machine/2026-05-01/a.wav",
        "pump-3/b.flac": "osaka/pump-3/2026-05-01/b.flac",
        "pump-3/day 1/c.wav": "osaka/pump-3/2026-05-01/day 1_c.wav",
        "fan/b.flac": "osaka/fan/2026-05-01/b.flac",
    }
    assert found["a.wav"].note is None and found["a.wav"].time.isoformat() == "2026-05-01T09:00:00+00:00"
    assert found["a.wav"].key("-1") == "osaka/machine/2026-05-01/a-1.wav"


def test_recordings_that_differ_in_their_ending_only_get_notes_of_their_own(folder):
    for name in ("fan/b.wav", "fan/b.aiff", "fan/b-2.wav"):
        (folder / name).write_bytes(b"RIFF")
        os.utime(folder / name, (TIME, TIME))
    keys = sorted(u.key().rsplit("/", 1)[1] for u in plan(folder / "fan", site="s"))
    assert len({key.rsplit(".", 1)[0] for key in keys}) == 4


def test_a_single_file_can_be_added(folder):
    (only,) = plan(folder / "pump-3" / "b.flac", site="osaka", machine="pump-3")
    assert only.key() == "osaka/pump-3/2026-05-01/b.flac"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_notes_from_a_spreadsheet(folder, encoding, separator):
    rows = [
        "file,note,machine,time,lang,author,fault",
        "a.wav,シュー音がする,弁-1,2026/4/30 8:05,ja,田中,",
        "c.wav,,,,,,rub",
    ]
    path = write(folder, "\r\n".join(row.replace(",", separator) for row in rows), encoding)
    found = by_shown(folder, notes=path)
    assert found["a.wav"].key() == "osaka/弁-1/2026-04-30/a.wav"
    assert found["a.wav"].note == {
        "text": "シュー音がする",
        "lang": "ja",
        "author": "田中",
        "time": "2026-04-30T08:05:00+00:00",
        "machine": "弁-1",
    }
    assert found["pump-3/day 1/c.wav"].note == {"fault": "rub", "lang": "en"}
    assert found["fan/b.flac"].note is None


def test_quoted_cells_may_hold_separators_and_lines(folder):
    path = write(folder, 'file,note\na.wav,"hiss, then\nsilence ""bang"""\npump-3/b.flac,\n')
    found = by_shown(folder, notes=path)
    assert found["a.wav"].note["text"] == 'hiss, then\nsilence "bang"' and found["pump-3/b.flac"].note is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("file,text\na.wav,x\n", "no column note .it has: file, text"),
        ("", "no column file and no column note"),
        ("file,note\nz.wav,x\n", "line 2: 'z.wav' is not among"),
        ("file,note\nb.flac,x\n", "line 2: 'b.flac' names several"),
        ("file,note\na.wav,x\n./a.wav,y\n", "line 3: './a.wav' has a row already"),
        ("file,note\n,x\n", "'' is not among"),
        ("file,note,time\na.wav,x,soon\n", "'soon' of a.wav is no time"),
        ("file,note,fault\na.wav,x,gremlins\n", "'gremlins' is not in the vocabulary"),
        ("file,note,machine\na.wav,x,...\n", "machine '...' cannot be used"),
    ],
)
def test_mistakes_in_the_csv_are_named(folder, text, why):
    with pytest.raises(OtoloopError, match=why) as caught:
        by_shown(folder, notes=write(folder, text))
    assert caught.value.remedy


def test_a_missing_folder_an_empty_one_and_a_missing_csv(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    for root, notes, why in (
        (tmp_path / "nowhere", None, "no folder"),
        (tmp_path / "empty", None, "no recordings"),
        (folder, tmp_path / "no.csv", "cannot be read"),
    ):
        with pytest.raises(OtoloopError, match=why):
            plan(root, site="osaka", notes=notes)


def test_sidecars_beside_a_recording_go_with_it(folder):
    for name in ("a.json", "a.wav.sensors.csv", "b.json", "other.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    assert [p.name for p in by_shown(folder)["a.wav"].sidecars] == ["a.json", "a.wav.sensors.csv"]
    assert not by_shown(folder)["pump-3/b.flac"].sidecars


@pytest.mark.parametrize("site", ["", "..", "...", "/", "_", " ", "x" * 200])
def test_a_site_that_is_no_name_is_refused(folder, site):
    with pytest.raises(OtoloopError, match="site"):
        plan(folder, site=site)


@given(st.text(min_size=1, max_size=60, alphabet=st.characters(codec=None)))
def test_any_name_becomes_one_safe_part_of_a_key_or_is_refused(text):
    try:
        name = safe_name(text, "machine")
    except OtoloopError as err:
        assert err.remedy
    else:
        assert "/" not in name and "\\" not in name and not name.startswith(".") and name.isprintable()
        name.encode()
        assert parse_key(f"s/{name}/2026-05-01/x.wav").machine == name


@given(st.text(max_size=200))
def test_any_csv_text_is_rows_or_an_explanation(tmp_path_factory, text):
    root = tmp_path_factory.mktemp("f")
    (root / "a.wav").write_bytes(b"")
    notes = root / "notes.csv"
    notes.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert len(plan(root, site="s", notes=notes)) == 1
    except OtoloopError as err:
        assert err.remedy
