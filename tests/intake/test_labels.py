import pytest
from hypothesis import given
from hypothesis import strategies as st

from otoloop.intake.labels import label_of
from otoloop.reasoning.vocab import faults
from otoloop.records import Note


@pytest.mark.parametrize("fault", list(faults()))
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_every_name_of_a_fault_is_understood(fault, lang):
    named = label_of(Note(text=faults()[fault].name(lang), lang=lang))
    assert named == (fault, "note_text")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("hissing near the manifold", "air_leak"),
        ("rattling since Monday", "loose_part"),
        ("bearing BPFO visible", "bearing_outer"),
        ("bolts check, ratling again", "loose_part"),
        ("シュー音がする", "air_leak"),
        ("外輪に傷", "bearing_outer"),
        ("異常なし", "normal"),
        ("no hissing, but rattling", "loose_part"),
        ("not a bearing outer thing: rubbing", "rub"),
        ("sounds fine", "normal"),
    ],
)
def test_free_text(text, fault):
    assert label_of(Note(text=text)) == (fault, "note_text")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "please look at this",
        "hissing or rattling?",
        "no rattling heard",
        "エア漏れはない",
        "replaced the filter on 3",
        "odd sounds in the hall",
    ],
)
def test_nothing_two_things_or_a_denial_wait_for_a_person(text):
    assert label_of(Note(text=text)) is None


def test_the_closed_field_wins_over_the_text():
    assert label_of(Note(text="rattling", fault="air_leak")) == ("air_leak", "note_field")
    assert label_of(Note(text="rattling", fault="空気漏れではない")) is None


@given(st.text(max_size=200))
def test_any_text_gives_a_known_fault_or_none(text):
    named = label_of(Note(text=text))
    assert named is None or named.fault in faults()
