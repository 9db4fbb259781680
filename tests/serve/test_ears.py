"""What is heard of a file, and how files that are none are refused."""

import io

import numpy as np
import pytest
import soundfile

from otoloop.audio.evidence import measure
from otoloop.params import IntakeParams, ServeParams
from otoloop.serve.ears import Ears
from otoloop.serve.refusals import Refusal


@pytest.fixture(scope="module")
def ears():
    opened = Ears(IntakeParams(), ServeParams(max_seconds=3))
    yield opened
    opened.close()


def code_of(ears, data):
    with pytest.raises(Refusal) as refused:
        ears.hear(data)
    assert refused.value.status == 400 and refused.value.remedy
    return refused.value.code


def test_evidence_is_what_drafting_and_training_measure(ears, sound_of):
    data = sound_of(2.0, rate=44100, channels=2)
    heard, (raw, rate) = ears.hear(data), soundfile.read(io.BytesIO(data), dtype="float32")
    assert heard.facts == measure(raw, rate)
    assert (heard.wave.dtype, len(heard.wave), heard.seconds) == (np.float32, 32000, 2.0)
    assert (heard.file, heard.ending) == (data, ".wav")


def test_one_sound_has_one_id_in_wav_and_flac(ears, sound_of):
    one, other = ears.hear(sound_of()), ears.hear(sound_of(form="FLAC"))
    assert one.clip == other.clip and other.ending == ".flac"


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 2), (22050, 1), (44100, 2), (48000, 1)])
def test_mp3_is_heard_as_wav(ears, sound_of, rate, channels):
    heard = ears.hear(sound_of(2.0, rate=rate, channels=channels, form="MP3", subtype=None))
    assert heard.seconds == pytest.approx(2.0, abs=0.05) and heard.ending == ".wav"
    tones = [t["f_hz"] for t in heard.facts["tones"].value]
    assert tones[0] == pytest.approx(700, rel=0.03)
    assert ears.hear(heard.file).clip == heard.clip


def test_limits_and_lies(ears, sound_of):
    assert code_of(ears, sound_of(3.1)) == "too_long"
    assert code_of(ears, sound_of(0.05)) == "too_short"
    assert code_of(ears, sound_of(3.6, form="MP3", subtype=None)) == "too_long"
    assert code_of(ears, b"") == "bad_magic"
    assert code_of(ears, b"<script>alert(1)</script>" * 10) == "bad_magic"
    assert code_of(ears, sound_of()[:-500]) == "header_mismatch"
    assert code_of(ears, sound_of(rate=2000)) == "rate_out_of_range"
    assert code_of(ears, sound_of(form="OGG", subtype="VORBIS")) == "bad_magic"


def test_mp3_that_is_damaged(ears, sound_of):
    data = sound_of(2.0, form="MP3", subtype=None)
    assert code_of(ears, data[:-7]) == "header_mismatch"
    assert code_of(ears, data[:2000] + b"x" * 50 + data[2000:]) == "header_mismatch"
    assert code_of(ears, b"ID3\x04\x00\x00\x00\x00\x0f\x7f" + b"\0" * 3000) == "bad_magic"
    faster = sound_of(1.0, rate=48000, form="MP3", subtype=None)
    assert code_of(ears, data + faster) == "header_mismatch"
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x0ctwelve bytes"
    assert ears.hear(tag + data + b"TAG" + b"\0" * 125).seconds == pytest.approx(2.0, abs=0.05)


def test_a_small_file_that_needs_much_memory():
    tight, bomb = Ears(IntakeParams(decode_memory_mb=64), ServeParams(), count=1), io.BytesIO()
    soundfile.write(bomb, np.zeros((192000 * 12, 8), np.int16), 192000, format="FLAC")
    assert len(bomb.getvalue()) < 2**20
    assert code_of(tight, bomb.getvalue()) == "resource_limit"
    tight.close()
