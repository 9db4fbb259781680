import io
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otoloop.errors import OtoloopError
from otoloop.intake.sidecars import clean, decode_text, parse_note, parse_sensors
from otoloop.records import Note


def note_bytes(encoding: str = "utf-8", **fields) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode(encoding)


def test_a_full_note():
    row = {
        "text": " hissing\r\nat valve 3 ",
        "lang": "EN",
        "author": "ann",
        "time": "2026-05-01T17:30+09:00",
        "machine": "pump-3",
        "state": "running",
        "symptom": "hiss",
        "fault": "air_leak",
        "severity": 2,
        "extra": [1],
    }
    assert parse_note(note_bytes(**row)) == Note(
        text="hissing\nat valve 3",
        lang="en",
        author="ann",
        time="2026-05-01T08:30:00+00:00",
        machine="pump-3",
        state="running",
        symptom="hiss",
        fault="air_leak",
        severity="2",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
@pytest.mark.parametrize("text", ["軸受外輪損傷", "シュー音がする", "モータのうなり、要確認"])
def test_japanese_in_every_usual_encoding(encoding, text):
    note = parse_note(note_bytes(encoding, text=text))
    assert note.text == text and note.lang == "ja"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize(
    "text", ["Gerät läuft unruhig, Größe ändern", "bruit élevé à côté", "plain ascii", "50 µm, ±3 °C"]
)
def test_western_in_every_usual_encoding(encoding, text):
    assert parse_note(note_bytes(encoding, text=text)).text == text


def test_control_characters_and_loose_accents_are_cleaned():
    assert clean("a\x00b\x1bc e\u0301\ud800 ") == "abc é"


def test_fields_may_be_missing_and_a_bad_time_is_no_time():
    assert parse_note(note_bytes(text="hum")) == Note(text="hum")
    assert parse_note(note_bytes(fault="rub")) == Note(text="", fault="rub")
    assert parse_note(note_bytes(text="hum", time="yesterday")).time == ""


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[1]", "no JSON object"),
        (b'"hum"', "no JSON object"),
        (b"{}", "says nothing"),
        (b'{"text": "  "}', "says nothing"),
        (b'{"text": ["a"]}', "'text' is no text"),
        (b'{"text": true}', "'text' is no text"),
        (note_bytes(text="x", fault="gremlins"), "'gremlins' is not in the vocabulary"),
        (note_bytes(text="x" * 5000), "5000 characters"),
        (b"[" * 100_000, "no JSON"),
        (b" " * 300_000, "more than"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"RIFF\x00\x00WAVE", "no JSON"),
    ],
)
def test_a_note_that_cannot_be_used_is_explained(data, why):
    with pytest.raises(OtoloopError, match=why) as caught:
        parse_note(data)
    assert caught.value.remedy


@given(st.binary(max_size=300))
def test_any_bytes_are_text_and_a_note_or_an_explanation(data):
    assert isinstance(decode_text(data), str)
    try:
        assert isinstance(parse_note(data), Note)
    except OtoloopError as err:
        assert err.remedy


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda c: st.lists(c) | st.dictionaries(st.text(), c),
)
names = st.sampled_from(["text", "lang", "author", "time", "fault", "machine", "severity"])


@given(st.dictionaries(names, json_values))
@example({"time": 0})
def test_any_json_object_is_a_note_or_an_explanation(row):
    try:
        note = parse_note(json.dumps(row).encode())
    except OtoloopError as err:
        assert err.remedy
    else:
        again = {k: getattr(note, k) for k in Note.__slots__ if getattr(note, k)}
        assert parse_note(note_bytes(**again)) == note


CSV = "t_s,speed_rpm,current_a\n0,1480,12.5\n1,1482,\n2,nan,13.5\n"


def test_sensor_means_skip_what_is_missing():
    assert parse_sensors(CSV.encode(), "x.sensors.csv") == {"speed_rpm": 1481.0, "current_a": 13.0}


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        "\ufeff" + CSV,
        CSV.replace("\n", "\r\n"),
        CSV.upper(),
        CSV.replace(",", ";").replace("12.5", "12,5"),
        "\n" + CSV + "\n\n",
        CSV.replace("t_s,", " T_s , "),
    ],
)
def test_separators_and_line_ends_of_all_countries(text):
    assert parse_sensors(text.encode(), "x.sensors.csv") == {"speed_rpm": 1481.0, "current_a": 13.0}


def test_unknown_columns_are_left_out_and_short_rows_are_fine():
    text = "t_s,oil,temperature_c\n0,1,40\n1\n2,1,42,9,9\n"
    assert parse_sensors(text.encode(), "x.sensors.csv") == {"temperature_c": 41.0}


def test_parquet():
    buffer = io.BytesIO()
    pq.write_table(pa.table({"t_s": [0.0, 1.0], "speed_rpm": [1480.0, None]}), buffer)
    assert parse_sensors(buffer.getvalue(), "x.sensors.parquet") == {"speed_rpm": 1480.0}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"speed_rpm\n1\n", "no column t_s"),
        (b"t_s,oil\n0,1\n", "no column of a known sensor"),
        (b"t_s,speed_rpm\n0,fast\n", "has a number"),
        (b"\x00\x01\x02", "no column t_s"),
        (b't_s,"speed_rpm\n', "known sensor"),
    ],
)
def test_sensor_files_that_cannot_be_used_are_explained(data, why):
    with pytest.raises(OtoloopError, match=why):
        parse_sensors(data, "x.sensors.csv")
    with pytest.raises(OtoloopError, match="no parquet"):
        parse_sensors(data, "x.sensors.parquet")


@given(st.binary(max_size=300) | st.text(alphabet='t_sspeedrpm,;\t\n"01.-e', max_size=200).map(lambda s: s.encode()))
def test_any_bytes_are_sensors_or_an_explanation(data):
    for key in ("x.sensors.csv", "x.sensors.parquet"):
        try:
            found = parse_sensors(data, key)
        except OtoloopError as err:
            assert err.remedy
        else:
            assert found and all(math.isfinite(v) for v in found.values())


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_the_mean_is_the_mean(values):
    text = "t_s,speed_rpm\n" + "".join(f"{i},{v!r}\n" for i, v in enumerate(values))
    mean = parse_sensors(text.encode(), "x.sensors.csv")["speed_rpm"]
    assert math.isclose(mean, math.fsum(values) / len(values), abs_tol=1e-9)
