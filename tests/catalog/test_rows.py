"""What arrived, what it is, and what people said of it."""

from datetime import UTC, datetime, timedelta

import pytest

from otoloop.catalog import answers, clips, deliveries, machines, notes
from otoloop.catalog.deliveries import Arrival
from otoloop.errors import OtoloopError
from otoloop.records import Measured, Note

from .conftest import put_clip


def arrival(key: str, version: str = "e1", kind: str = "audio") -> Arrival:
    return Arrival("in", key, version, 10, kind, key.split(".")[0], "osaka", "pump-3")


def test_an_object_is_claimed_once_however_often_it_is_listed(book):
    listed = [arrival(f"a{n}.wav") for n in range(1200)]
    with book.session() as session:
        assert len(deliveries.claim(session, [*listed, listed[0]])) == 1200
    with book.session() as session:
        assert [r.key for r in deliveries.claim(session, [*listed, arrival("a0.wav", "e2")])] == ["a0.wav"]


def test_work_that_was_killed_is_found_again_until_it_is_acknowledged(book, a_clip):
    with book.session() as session:
        listed = [arrival("a.wav"), arrival("b.wav"), arrival("a.json", kind="note")]
        first, _, note = deliveries.claim(session, listed)
        deliveries.finish(session, first.id, "admitted", clip=a_clip)
        deliveries.finish(session, note.id, "waiting")
        deliveries.acknowledge(session, [first.id])
    with book.reading() as session:
        assert [r.key for r in deliveries.unfinished(session)] == ["b.wav", "a.json"]
        assert deliveries.clips_of_stem(session, "in", "a") == [a_clip]
        assert [r.key for r in deliveries.sidecars(session, "in", "a")] == ["a.json"]
        assert [r.key for r in deliveries.waiting_sidecars(session)] == ["a.json"]
        assert set(deliveries.by_keys(session, "in", ["a.wav", "zz"])) == {"a.wav"}
        assert not deliveries.sidecars(session, "in", "zz") and not deliveries.notes_of_clip(session, a_clip)


def test_sensors_may_come_later_but_not_after_erasure(book, a_clip):
    with book.session() as session:
        clips.set_sensors(session, a_clip, {"speed_rpm": 1480.0})
        assert clips.clip(session, a_clip).sensors == {"speed_rpm": 1480.0}
        clips.erase_clip(session, a_clip)
        clips.set_sensors(session, a_clip, {"speed_rpm": 1480.0})
        assert clips.clip(session, a_clip).sensors == {}


def test_erasure_is_remembered_for_the_raw_recording_too(book):
    with book.session() as session:
        put_clip(session, "hidden", parent="raw")
        assert not clips.was_erased(session, "raw", "hidden")
        clips.erase_clip(session, "hidden")
        assert clips.was_erased(session, "raw") and clips.was_erased(session, "x", "hidden")
        assert not clips.was_erased(session, "x")


def test_quarantine_keeps_code_sentence_and_remedy_and_can_be_tried_again(book):
    with book.session() as session:
        (row,) = deliveries.claim(session, [arrival("a.wav")])
        refusal = {"reason_code": "too_short", "message": "0.1 s is too short.", "remedy": "Record 0.5 s."}
        deliveries.finish(session, row.id, "quarantined", **refusal, measures={"seconds": 0.1})
        deliveries.acknowledge(session, [row.id])
    with book.session() as session:
        (kept,) = deliveries.deliveries(session, state="quarantined", site="osaka", kind="audio")
        assert (kept.reason_code, kept.measures) == ("too_short", {"seconds": 0.1})
        assert deliveries.refused(session) == {"too_short": 1}
        assert deliveries.count_by_state(session) == {("audio", "quarantined"): 1}
        assert deliveries.retry(session, [kept.id, 99]) == 1
        assert [r.id for r in deliveries.unfinished(session)] == [kept.id]


def test_a_clip_is_written_once(book):
    with book.session() as session:
        put_clip(session, "c1", measures={"rms_dbfs": -20.0})
        put_clip(session, "c1", measures={"rms_dbfs": -99.0})
        assert clips.clip(session, "c1").measures == {"rms_dbfs": -20.0}
        assert clips.record(clips.clip(session, "c1")).time == "2026-05-01T08:00:00+00:00"


def test_clips_by_site_session_time_group_and_label(book):
    with book.session() as session:
        put_clip(session, "c1")
        put_clip(session, "c2", hour=9, group="c1")
        put_clip(session, "c3", site="kobe", recording_session="kobe/x/1")
        notes.set_label(session, "c1", "rub", source="note_text")
        notes.set_label(session, "c2", "rub", source="note_text")
        notes.set_label(session, "c2", "air_leak", source="reviewer", actor="ann")
    with book.reading() as session:

        def ids(**filters):
            return [row.id for row in clips.clips(session, **filters)]

        assert ids() == ["c1", "c3", "c2"]
        assert ids(site="osaka") == ["c1", "c2"]
        assert ids(recording_session="kobe/x/1") == ["c3"]
        assert ids(group="c1") == ["c1", "c2"]
        assert ids(fault="rub") == ["c1"] and ids(fault="air_leak") == ["c2"]
        assert ids(since=datetime(2026, 5, 1, 9, tzinfo=UTC)) == ["c2"]
        assert ids(until=datetime(2026, 5, 1, 9, tzinfo=UTC), limit=1) == ["c1"]
        assert [row.id for row in notes.unlabelled(session)] == ["c3"]
        assert set(notes.labels(session)) == {"c1", "c2"} and set(notes.labels(session, ["c2"])) == {"c2"}


def test_a_clip_is_found_by_the_beginning_of_its_id(book):
    with book.session() as session:
        put_clip(session, "ab1")
        put_clip(session, "ab2")
        assert clips.clip(session, "ab1").id == "ab1"
        for wrong in ("ab", "zz", "", "%"):
            with pytest.raises(OtoloopError):
                clips.clip(session, wrong)


def test_evidence_goes_in_and_out_unchanged(book):
    facts = {"rms_dbfs": Measured(value=-20.5, uncertainty=0.1, reliable=True), "hum_hz": Measured(value=None)}
    with book.session() as session:
        put_clip(session, "c1", evidence=clips.evidence_json(facts))
    with book.reading() as session:
        assert clips.evidence_of(clips.clip(session, "c1")) == facts


def test_fingerprints_are_those_of_one_machine(book):
    with book.session() as session:
        put_clip(session, "c1", fingerprint="f1")
        put_clip(session, "c2", fingerprint="f2", group="c1")
        put_clip(session, "c3", machine="fan-1", fingerprint="f3")
        put_clip(session, "c4")
        assert clips.fingerprints(session, "osaka", "pump-3") == [("c1", "f1", "c1"), ("c2", "f2", "c1")]


def test_an_erased_clip_leaves_a_tombstone_without_sound_or_text(book, a_clip):
    with book.session() as session:
        notes.set_note(session, a_clip, Note(text="Tanaka heard it", author="Tanaka"))
        clips.erase_clip(session, a_clip)
        notes.erase_notes(session, a_clip)
        assert clips.has_clip(session, a_clip) and not clips.clips(session)
        assert notes.note(session, a_clip) == Note(text="")
        put_clip(session, a_clip, measures={"back": 1})
        assert clips.clip(session, a_clip).measures == {}


def test_notes_are_versioned_and_equal_ones_are_not_written_twice(book, a_clip):
    first = Note(text="hissing", lang="en", author="ann", fault="air_leak")
    second = Note(text="シュー音", lang="ja", author="ann")
    with book.session() as session:
        assert notes.note(session, a_clip) is None
        assert [notes.set_note(session, a_clip, n) for n in (first, first, second)] == [1, 1, 2]
        assert notes.note(session, a_clip) == second
        assert notes.note_history(session, a_clip) == [first, second]


def test_labels_are_versioned_apart_from_notes_and_may_be_withdrawn(book, a_clip):
    with book.session() as session:
        assert notes.label(session, a_clip) is None
        assert notes.set_label(session, a_clip, "rub", source="note_text") == 1
        assert notes.set_label(session, a_clip, "rub", source="note_text") == 1
        assert notes.set_label(session, a_clip, None, source="reviewer", actor="ann") == 2
        assert notes.label(session, a_clip).fault is None
        assert [row.id for row in notes.unlabelled(session, site="osaka")] == [a_clip]


def test_machines_come_from_the_file_and_from_what_arrives(book, a_clip):
    bearing = {"n_balls": 8, "d_ball_mm": 7.9, "d_pitch_mm": 39.0, "contact_deg": 0}
    row = {"site": "osaka", "machine": "pump-3", "kind": "pump", "nominal_speed_rpm": 1480, "bearing": bearing}
    early, late = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)
    with book.session() as session:
        machines.save_machines(session, [row])
        machines.see_machines(session, [("osaka", "pump-3"), ("kobe", "fan-1")], late)
        machines.see_machines(session, [("osaka", "pump-3")], early)
        machines.save_machines(session, [row])
        assert [m.machine for m in machines.machines(session)] == ["fan-1", "pump-3"]
        assert [m.machine for m in machines.machines(session, "osaka")] == ["pump-3"]
        assert machines.machine(session, "osaka", "pump-3").last_delivery == late
        told = clips.machine_of(session, clips.clip(session, a_clip))
    assert told == {"kind": "pump", "nominal_speed_rpm": 1480, "bearing": bearing}


def test_answers_and_feedback(book, a_clip):
    with book.session() as session:
        answers.add_answer(session, "a1", question="?", output="rub", version="m@v1", clip=a_clip, confidence=0.9)
        answers.add_feedback(session, "a1", "wrong", actor="ann", comment="it is the belt")
        assert answers.answer(session, "a1").confidence == 0.9
        assert [r.id for r in answers.answers(session, version="m@v1")] == ["a1"]
        assert not answers.answers(session, since=datetime.now(UTC) + timedelta(hours=1))
        assert [f.comment for f in answers.feedback(session, answer_id="a1", verdict="wrong")] == ["it is the belt"]
        with pytest.raises(OtoloopError, match="maybe"):
            answers.add_feedback(session, "a1", "maybe")
        with pytest.raises(OtoloopError, match="nope"):
            answers.add_feedback(session, "nope", "right")


def test_deliveries_per_clip(book, a_clip):
    with book.session() as session:
        for row in deliveries.claim(session, [arrival("a.wav"), arrival("copy.wav")]):
            deliveries.finish(session, row.id, "admitted", clip=a_clip)
        assert clips.count_deliveries(session) == {a_clip: 2}
