"""Our walk over the frames of an MP3 never fails in another way than by a refusal."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from otoloop.audio.refusals import Refused
from otoloop.serve import mp3


def test_length_of_frames(sound_of):
    data = sound_of(2.0, rate=44100, form="MP3", subtype=None)
    assert 2.0 <= mp3.seconds(data) <= 2.0 + mp3.PADDING_S
    assert mp3.looks_like(data) and not mp3.looks_like(sound_of()) and not mp3.looks_like(sound_of(form="FLAC"))


@given(st.data())
def test_mutations_are_measured_or_refused(sound_of, data):
    base = bytearray(sound_of(0.5, form="MP3", subtype=None))
    for _ in range(data.draw(st.integers(1, 5))):
        base[data.draw(st.integers(0, len(base) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(base)))
    with contextlib.suppress(Refused):
        assert 0 <= mp3.seconds(bytes(base[:cut])) < 10


@given(st.binary(max_size=300))
def test_any_bytes(data):
    with contextlib.suppress(Refused):
        mp3.seconds(data)
