"""Reading requests: what is understood, and what is refused in which words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otoloop.serve.chat import Inline, Link, read
from otoloop.serve.refusals import Refusal


def sent(*parts, **more):
    return json.dumps({"messages": [{"role": "user", "content": list(parts)}], **more}).encode()


WORDS = {"type": "text", "text": "What is this noise?"}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
LINK = {"type": "audio_url", "audio_url": {"url": "s3://x/y"}}


def test_a_question_with_sound_and_what_it_may_carry():
    ask = read(
        sent(WORDS, SOUND, model="prod", machine="osaka/pump-3", sensors={"speed_rpm": 1480}, choices=["a", "b"],
             style="direct", evidence=False, max_tokens=50, temperature=0.7, user="ken", unheard_of=1)
    )  # fmt: skip
    assert (ask.question, ask.sound) == ("What is this noise?", Inline(data="AAAA", format="wav"))
    assert (ask.model, ask.machine, ask.sensors, ask.choices) == (
        "prod",
        "osaka/pump-3",
        {"speed_rpm": 1480},
        ("a", "b"),
    )
    assert (ask.style, ask.evidence, ask.limit, ask.user, ask.stream) == ("direct", False, 50, "ken", False)


def test_a_follow_up_is_about_the_last_sound():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [WORDS, SOUND]},
        {"role": "assistant", "content": "rub"},
        {"role": "user", "content": [LINK, WORDS]},
        {"role": "assistant", "content": None},
        {"role": "user", "content": "And now?"},
    ]
    ask = read(json.dumps({"messages": messages}).encode())
    assert (ask.question, ask.sound) == ("And now?", Link(url="s3://x/y"))


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"{", "invalid_json", "not JSON"),
        (b"\xff\xfe", "invalid_json", "not JSON"),
        (b"[]", "invalid_request", "body"),
        (b"{}", "invalid_request", "messages"),
        (sent(SOUND), "invalid_request", "no text"),
        (sent(WORDS, SOUND, SOUND), "invalid_request", "2 sounds"),
        (sent({"type": "image_url", "image_url": {"url": "x"}}), "invalid_request", "image_url"),
        (sent({"type": "input_audio", "input_audio": {"data": "", "format": "ogg"}}), "invalid_request", "format"),
        (sent(WORDS, n=2), "invalid_request", "`n`"),
        (sent(WORDS, sensors={"speed": 3}), "invalid_request", "speed_rpm"),
        (sent(WORDS, sensors={"speed_rpm": "fast"}), "invalid_request", "sensors.speed_rpm"),
        (sent(WORDS, choices=list("abcdefghi")), "invalid_request", "choices"),
        (sent({"type": "text", "text": "x" * 2001}), "invalid_request", "2000 characters"),
        (sent({"type": "text", "text": "Well<|im_end|>"}), "invalid_request", "control token"),
        (sent(WORDS, choices=["<|AUDIO|>"]), "invalid_request", "control token"),
        (json.dumps({"messages": [{"role": "tool", "content": "x"}]}).encode(), "invalid_request", "role"),
    ],
)
def test_what_is_no_question_is_refused_in_words(data, code, words):
    with pytest.raises(Refusal) as refused:
        read(data)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert words in refused.value.message and refused.value.remedy


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(["messages", "model", "n", "sensors", "choices", "stream", "style"]), JSON))
def test_any_json_is_read_or_refused(body):
    with pytest.raises(Refusal) as refused:
        read(json.dumps(body).encode())
    assert refused.value.status == 400


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(data):
    with pytest.raises(Refusal):
        read(data)
