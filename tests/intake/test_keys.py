from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otoloop.errors import OtoloopError
from otoloop.intake.keys import kind_of, parse_key, parse_time, session_of, stem_of, time_of


def test_a_key_is_taken_apart():
    place = parse_key("osaka/pump-3/2026-05-01/a b/録音.wav")
    assert (place.site, place.machine, place.day, place.name) == ("osaka", "pump-3", date(2026, 5, 1), "a b/録音.wav")
    assert place.kind == "audio" and place.stem == "osaka/pump-3/2026-05-01/a b/録音"
    assert session_of(place) == "osaka/pump-3/2026-05-01"


@pytest.mark.parametrize(
    "key",
    [
        "x.wav",
        "a/b/c.wav",
        "a/b/2026-13-01/x.wav",
        "a/b/2026-5-1/x.wav",
        "a/b/２０２６-05-01/x",
        "/b/2026-05-01/x.wav",
        "a//2026-05-01/x.wav",
        "a/b/2026-05-01/",
        " /b/2026-05-01/x.wav",
        "a" * 200 + "/b/2026-05-01/x.wav",
    ],
)
def test_a_misplaced_key_is_explained(key):
    with pytest.raises(OtoloopError, match="is not <site>/<machine>/<yyyy-mm-dd>/<name>"):
        parse_key(key)


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "x\\..\\y.wav", "x;rm -rf.wav", "a\nb.wav", "%2e%2e"])
def test_hostile_names_are_only_text(name):
    assert parse_key(f"s/m/2026-05-01/{name}").name == name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.wav", "audio"),
        ("x.json", "note"),
        ("x.JSON", "note"),
        ("x.sensors.csv", "sensors"),
        ("x.sensors.parquet", "sensors"),
        ("x.csv", "audio"),
        ("x.txt", "audio"),
        ("x", "audio"),
        ("x.wav.json", "note"),
    ],
)
def test_kinds(name, kind):
    assert kind_of(f"s/m/2026-05-01/{name}") == kind


def test_audio_and_its_sidecars_share_a_stem():
    names = ["x.y.wav", "x.y.FLAC", "x.y.json", "x.y.wav.json", "x.y.sensors.csv", "x.y.wav.sensors.csv"]
    assert {stem_of(f"s/m/d.1/{name}") for name in names} == {"s/m/d.1/x.y"}
    assert stem_of("s/m/d.1/noending") == "s/m/d.1/noending" and stem_of("s/m/d/.hidden") == "s/m/d/.hidden"


@pytest.mark.parametrize(
    ("name", "clock"),
    [
        ("x.wav", "00:00:00"),
        ("083015.wav", "08:30:15"),
        ("rec_08-30-15.wav", "08:30:15"),
        ("20260501T083015Z.wav", "08:30:15"),
        ("20260501_235959_2.wav", "23:59:59"),
        ("n250000.wav", "00:00:00"),
        ("id12345678.wav", "00:00:00"),
    ],
)
def test_the_time_of_day_may_stand_in_the_name(name, clock):
    assert time_of(parse_key(f"s/m/2026-05-01/{name}")).isoformat() == f"2026-05-01T{clock}+00:00"


@pytest.mark.parametrize(
    "text",
    ["2026-05-01T08:30:00Z", "2026-05-01 08:30", "2026/5/1 8:30", "2026-05-01T17:30:00+09:00", " 2026-05-01T08:30 "],
)
def test_times_as_people_write_them(text):
    assert parse_time(text) == datetime(2026, 5, 1, 8, 30, tzinfo=UTC)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_none(text):
    found = parse_time(text)
    assert found is None or found.tzinfo is not None


@given(st.text(max_size=80).map(lambda s: s.replace("\x00", "")))
def test_any_key_is_parsed_or_explained(key):
    try:
        place = parse_key(key)
    except OtoloopError as err:
        assert err.remedy
    else:
        assert key == f"{place.site}/{place.machine}/{place.day}/{place.name}"
        assert time_of(place).date() == place.day
    assert isinstance(stem_of(key), str) and kind_of(key) in ("audio", "note", "sensors")
