"""What arrives becomes clips exactly once, or goes to quarantine with a reason; in any order, as often as one likes."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from otoloop.catalog import clips, deliveries, machines, notes
from otoloop.errors import OtoloopError
from otoloop.intake import discover
from otoloop.simulate.encode import to_int16, wav
from otoloop.store.content import get_audio

from .conftest import DAY, SENSORS, Site, flac_bytes, note_bytes, sound, wav_bytes

SPEECH = Path(__file__).parent.parent / "audio" / "golden" / "speech_en.flac"


def test_one_of_each(site: Site):
    site.put("a.wav", wav_bytes(1), **{"recorded-at": "2026-05-01T10:11:12+00:00"})
    site.put("a.json", note_bytes("hissing at the valve"))
    site.put("a.sensors.csv", SENSORS)
    site.put("20260501_081500.flac", flac_bytes(2))
    site.put("copy-of-a.flac", flac_bytes(1))
    site.put("broken.wav", wav_bytes(3)[:1000])
    site.put("text.wav", b"hello")
    site.put("short.wav", wav_bytes(4, 0.2))
    site.put("silent.wav", wav(np.zeros(16_000, np.int16), 16_000))
    site.put("bad.json", b"{")
    site.put("lonely.json", note_bytes("rattling"))
    site.put("nowhere.wav", wav_bytes(5), folder="")
    site.put("nowhere.json", note_bytes("rattling"), folder="")
    site.put("folder/", b"")
    report = site.take_in()
    assert site.fates() == {
        f"{DAY}/a.wav": "admitted",
        f"{DAY}/a.json": "matched",
        f"{DAY}/a.sensors.csv": "matched",
        f"{DAY}/20260501_081500.flac": "admitted",
        f"{DAY}/copy-of-a.flac": "admitted",
        f"{DAY}/broken.wav": "header_mismatch",
        f"{DAY}/text.wav": "bad_magic",
        f"{DAY}/short.wav": "too_short",
        f"{DAY}/silent.wav": "silent",
        f"{DAY}/bad.json": "note_invalid",
        f"{DAY}/lonely.json": "waiting",
        "nowhere.wav": "bad_key",
        "nowhere.json": "bad_key",
    }
    told = report.to_json()
    assert (told["admitted"], told["duplicates"], told["quarantined"], told["unlabelled"]) == (2, 1, 7, 1)
    assert told["sidecars"] == {"matched": 2, "waiting": 1} and all(r["remedy"] for r in told["refused"])
    assert json.dumps(told) and "silent" in report.human()

    row = site.clip_of("a.wav")
    assert row.id == site.clip_of("copy-of-a.flac").id
    assert (row.site, row.machine, row.session) == ("osaka", "pump-3", DAY)
    assert row.time == datetime(2026, 5, 1, 10, 11, 12, tzinfo=UTC) and row.sensors == {"speed_rpm": 1482.0}
    assert site.clip_of("20260501_081500.flac").time.isoformat() == "2026-05-01T08:15:00+00:00"
    assert site.note_of("a.wav").text == "hissing at the valve" and site.label_of("a.wav") == "air_leak"
    assert clips.evidence_of(row)["tones"].reliable and row.measures["snr_db"] > -15
    assert get_audio(site.store, row.id)[:4] == b"fLaC"
    page = Path(report.page).read_text(encoding="utf-8")
    assert f"{DAY}/silent.wav" in page and "sample rate in range" in page

    before = site.picture()
    again = site.take_in()
    assert again.discovered == 0 and again.human() == "Nothing new." and site.picture() == before
    assert before["open"] == [] and before["landed"] == []


def test_sidecars_may_come_days_before_or_after_their_audio(site: Site):
    site.put("a.json", note_bytes("hissing"))
    site.put("b.wav", wav_bytes(2))
    assert site.take_in().to_json()["sidecars"] == {"matched": 0, "waiting": 1}
    site.put("a.wav", wav_bytes(1))
    site.put("b.wav.json", note_bytes("ガタつき"))
    site.put("b.sensors.csv", SENSORS)
    assert site.take_in().to_json()["sidecars"] == {"matched": 3, "waiting": 0}
    assert (site.label_of("a.wav"), site.label_of("b.wav")) == ("air_leak", "loose_part")
    assert site.clip_of("b.wav").sensors == {"speed_rpm": 1482.0}


def test_a_corrected_note_replaces_the_label_but_keeps_the_history(site: Site):
    site.put("a.wav", wav_bytes(1))
    site.put("a.json", note_bytes("hissing"))
    site.take_in()
    site.put("a.json", note_bytes("no, it is rattling", fault="loose_part"))
    site.take_in()
    assert site.label_of("a.wav") == "loose_part"
    with site.book().session() as session:
        clip = site.clip_of("a.wav").id
        assert [n.text for n in notes.note_history(session, clip)] == ["hissing", "no, it is rattling"]
        notes.set_label(session, clip, "rub", source="reviewer", actor="ann")
    site.put("a.json", note_bytes("hissing after all"))
    site.take_in()
    assert site.label_of("a.wav") == "rub", "a reviewer's word stands"


def test_notes_that_disagree_or_say_nothing_wait_for_a_person(site: Site):
    site.put("a.wav", wav_bytes(1))
    site.put("a.json", note_bytes("hissing"))
    site.put("same.flac", flac_bytes(1))
    site.put("same.json", note_bytes("rattling"))
    site.put("b.wav", wav_bytes(2))
    site.put("b.json", note_bytes("please look"))
    assert site.take_in().unlabelled == 2
    assert site.label_of("a.wav") is None and site.label_of("b.wav") is None
    with site.book().reading() as session:
        assert notes.label(session, site.clip_of("a.wav").id).source == "conflict"


def test_another_sound_under_the_same_key_is_another_clip(site: Site):
    site.put("a.wav", wav_bytes(1))
    site.put("a.json", note_bytes("hissing"))
    site.take_in()
    first = site.clip_of("a.wav").id
    site.put("a.wav", wav_bytes(2))
    assert len(site.take_in().admitted) == 1
    second = site.clip_of("a.wav").id
    assert first != second and site.label_of("a.wav") == "air_leak"
    site.put("a.wav", wav_bytes(1))
    assert site.take_in().discovered == 0, "these bytes are known under this key"


def test_near_duplicates_share_a_group_and_others_do_not(site: Site):
    long = sound(1, 4.0)
    site.put("a.wav", wav(to_int16(long), 16_000))
    site.put("b.wav", wav(to_int16(sound(9, 4.0)), 16_000))
    site.take_in()
    site.put("quieter.wav", wav(to_int16(0.4 * long), 16_000))
    site.put("cut.wav", wav(to_int16(long[8_000:]), 16_000))
    site.put("x.wav", wav(to_int16(0.7 * long), 16_000), folder="osaka/fan-1/2026-05-01")
    report = site.take_in()
    assert report.near_duplicates == 2
    groups = {name: site.clip_of(name).group for name in ("a.wav", "b.wav", "quieter.wav", "cut.wav")}
    assert groups["quieter.wav"] == groups["cut.wav"] == groups["a.wav"] == site.clip_of("a.wav").id != groups["b.wav"]


def test_speech_is_dropped_hidden_or_kept_as_the_machine_is_told(site: Site):
    import soundfile

    voice, rate = soundfile.read(SPEECH, dtype="float32")
    machine = 0.3 * np.resize(sound(7, 4.0), len(voice))
    data = wav(to_int16(0.5 * voice / np.abs(voice).max() + machine), rate)
    rows = [
        {"site": "osaka", "machine": policy, "kind": "pump", "speech_policy": policy} for policy in ("drop", "scramble")
    ]
    (site.workspace / "machines.yaml").write_text(yaml.safe_dump(rows), encoding="utf-8")
    for machine in ("drop", "scramble"):
        site.put("talk.wav", data, folder=f"osaka/{machine}/2026-05-01")
        site.put("machine.wav", wav_bytes(1), folder=f"osaka/{machine}/2026-05-01")
    site.put("talk.wav", data, folder="osaka/keep/2026-05-01")
    site.put("again.wav", data, folder="osaka/scramble/2026-05-01")
    site.take_in()
    fates = site.fates()
    assert fates["osaka/drop/2026-05-01/talk.wav"] == "speech_policy"
    assert {v for k, v in fates.items() if "talk" not in k or "drop" not in k} == {"admitted"}
    with site.book().reading() as session:
        bucket = site.store.bucket("incoming")
        rows = deliveries.by_keys(session, bucket, fates)
        hidden = clips.clip(session, rows["osaka/scramble/2026-05-01/talk.wav"].clip)
        assert hidden.parent and hidden.speech_s > 2 and hidden.rate == 16_000
        assert rows["osaka/scramble/2026-05-01/again.wav"].clip == hidden.id
        assert rows["osaka/scramble/2026-05-01/machine.wav"].clip == rows["osaka/drop/2026-05-01/machine.wav"].clip
    from otoloop.audio.load import load
    from otoloop.audio.speech import speech_seconds

    assert speech_seconds(load(get_audio(site.store, hidden.id))) < 0.2


def test_an_erased_recording_is_not_taken_again(site: Site):
    site.put("a.wav", wav_bytes(1))
    site.take_in()
    with site.book().session() as session:
        clips.erase_clip(session, site.clip_of("a.wav").id)
    site.put("b.flac", flac_bytes(1))
    site.put("a.json", note_bytes("hissing"))
    site.take_in()
    assert site.fates()[f"{DAY}/b.flac"] == "duplicate_content"
    assert site.note_of("a.wav") is None and site.clip_of("a.wav").state == "erased"


def test_an_object_that_changed_or_went_after_it_was_listed_is_no_clip(site: Site):
    for name in ("changed.wav", "gone.wav"):
        site.put(name, wav_bytes(1))
    site.put("gone.json", note_bytes("x"))
    discover.discover(site.store, site.book(), whole=True)
    site.put("changed.wav", wav_bytes(2))
    for name in ("gone.wav", "gone.json"):
        site.store.delete("incoming", f"{DAY}/{name}")
    report = site.take_in()
    assert report.gone == 3 and len(report.admitted) == 1
    with site.book().reading() as session:
        states = sorted((r.key.rsplit("/", 1)[1], r.state) for r in deliveries.deliveries(session))
    assert states == [("changed.wav", "admitted"), ("changed.wav", "gone"), ("gone.json", "gone"), ("gone.wav", "gone")]


def limits(site: Site, **values) -> None:
    path = site.workspace / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**params, "intake": values}), encoding="utf-8")


def test_too_large_is_refused_unread_and_tried_again_when_the_limit_is_raised(site: Site):
    from otoloop.intake.listing import retry

    limits(site, max_mb=0.01)
    site.put("a.wav", wav_bytes(1))
    assert site.take_in().to_json()["reasons"] == {"too_large": 1}
    limits(site, max_mb=1)
    with site.book().session() as session:
        assert retry(session, ["too_short"]) == 0 and retry(session, ["too_large"]) == 1
    assert len(site.take_in().admitted) == 1 and site.fates() == {f"{DAY}/a.wav": "admitted"}


def test_a_file_larger_than_memory_wants_goes_over_the_disk(site: Site, monkeypatch):
    monkeypatch.setattr("otoloop.intake.landing.HOLD_BYTES", 1000)
    site.put("a.wav", wav_bytes(1), **{"recorded-at": "2026-05-01T10:11:12+00:00"})
    site.take_in()
    assert site.clip_of("a.wav").time.hour == 10


def test_limits_that_contradict_let_nothing_through_and_lose_nothing(site: Site):
    limits(site, min_seconds=700)
    site.put("a.wav", wav_bytes(1))
    with pytest.raises(OtoloopError, match="min_seconds"):
        site.take_in()
    assert site.fates() == {f"{DAY}/a.wav": "claimed"} and not list(site.store.list("audio"))
    limits(site)
    assert len(site.take_in().admitted) == 1


def test_many_files_are_heard_by_processes_of_their_own(site: Site, monkeypatch):
    monkeypatch.setattr("otoloop.intake.listen.MANY_FILES", 4)
    monkeypatch.setattr("otoloop.intake.listen.os.cpu_count", lambda: 2)
    monkeypatch.setattr("otoloop.intake.pull.BATCH_FILES", 7)
    for n in range(17):
        site.put(f"{n:02}.wav", wav_bytes(n))
    site.put("bad.wav", b"RIFF")
    site.put("silent.wav", wav(np.zeros(16_000, np.int16), 16_000))
    seen = []
    from otoloop.intake import pull

    report = pull.run(site.workspace, progress=lambda done, total: seen.append((done, total)))
    assert len(report.admitted) == 17 and report.to_json()["reasons"] == {"bad_magic": 1, "silent": 1}
    assert seen[-1] == (19, 19)
    assert all(site.clip_of(f"{n:02}.wav").evidence for n in range(17))


def test_open_days_are_listed_often_and_everything_once_a_day(site: Site):
    book = site.book()
    site.put("late.wav", wav_bytes(1), folder="osaka/pump-3/2026-04-01")
    site.put("new.wav", wav_bytes(2), folder="osaka/pump-3/2026-05-01")
    site.put("first.wav", wav_bytes(3), folder="kobe/new-machine/2026-05-02")
    site.put("lost.wav", wav_bytes(4), folder="")
    assert discover.reconcile_due(book)
    assert discover.discover(site.store, book, whole=False, today=date(2026, 5, 2)) == 2
    assert discover.discover(site.store, book, whole=False, today=date(2026, 5, 2)) == 0
    assert discover.reconcile_due(book)
    assert discover.discover(site.store, book, whole=True) == 2 and not discover.reconcile_due(book)
    with book.reading() as session:
        assert [(m.site, m.machine) for m in machines.machines(session)] == [
            ("kobe", "new-machine"),
            ("osaka", "pump-3"),
        ]


def test_a_wrong_machines_yaml_stops_before_anything_is_touched(site: Site):
    (site.workspace / "machines.yaml").write_text("- {site: a}", encoding="utf-8")
    site.put("a.wav", wav_bytes(1))
    with pytest.raises(OtoloopError, match=r"machines\.yaml"):
        site.take_in()
    assert site.fates() == {}
