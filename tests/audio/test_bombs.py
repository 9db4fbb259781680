"""Files made to hurt: headers that lie, and kilobytes that would become gigabytes. All are caught before decoding."""

from __future__ import annotations

import io
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from otoloop.audio import header
from otoloop.audio.decode import Decoded, Decoder, decode
from otoloop.audio.header import read_header
from otoloop.audio.refusals import Refused
from otoloop.params import IntakeParams
from otoloop.records import Verdict

PARAMS = IntakeParams.model_validate({})
SOUND = (np.sin(np.arange(16000) / 5) * 8000).astype("<i2").tobytes()


def wav(
    data: bytes = SOUND, *, tag: int = 1, channels: int = 1, rate: int = 16000, bits: int = 16,
    block: int | None = None, riff: int | None = None, declared: int | None = None,
    after: bytes = b"",
) -> bytes:  # fmt: skip
    block = channels * bits // 8 if block is None else block
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form
    body += b"data" + struct.pack("<I", len(data) if declared is None else declared) + data + after
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


def rf64(riff: int, data: int, sound: bytes = SOUND) -> bytes:
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, riff, data, len(sound) // 2, 0)
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    return b"RF64\xff\xff\xff\xffWAVE" + ds64 + form + b"data\xff\xff\xff\xff" + sound


def flac(
    frames: int | None = None, *, rate: int | None = None, channels: int | None = None, md5: bytes | None = None
) -> bytes:
    """A real FLAC file of a second whose stream information is altered."""
    out = io.BytesIO()
    soundfile.write(out, np.frombuffer(SOUND, "<i2"), 16000, format="FLAC", subtype="PCM_16")
    data = bytearray(out.getvalue())
    packed = int.from_bytes(data[18:26], "big")
    if frames is not None:
        packed = packed >> 36 << 36 | frames
    if rate is not None:
        packed = packed & (1 << 44) - 1 | rate << 44
    if channels is not None:
        packed = packed & ~(7 << 41) | (channels - 1) << 41
    data[18:26] = packed.to_bytes(8, "big")
    if md5 is not None:
        data[26:42] = md5
    return bytes(data)


LIES = {
    "4 GB declared over a second": (wav(declared=0xFFFFFFF0, riff=0xFFFFFFFF), "header_mismatch"),
    "cut off in the middle": (wav()[:9000], "header_mismatch"),
    "a length of zero": (wav(declared=0), "header_mismatch"),
    "something after the end": (wav() + b"PK\x03\x04" * 100, "header_mismatch"),
    "1024 channels": (wav(channels=1024, data=bytes(2048 * 8)), "too_short|channels_out_of_range"),
    "a rate of 2 GHz": (wav(rate=2147483647), "rate_out_of_range"),
    "a rate of zero": (wav(rate=0), "header_mismatch"),
    "no channels": (wav(channels=0), "header_mismatch"),
    "frames that do not add up": (wav(block=3), "header_mismatch"),
    "half a frame": (wav(data=SOUND + b"x", after=b"\x00"), "header_mismatch"),
    "two sounds": (wav(after=b"data" + struct.pack("<I", 4) + b"abcd"), "header_mismatch"),
    "two formats": (wav(after=b"fmt " + struct.pack("<IHHIIHH", 16, 1, 8, 8000, 64000, 16, 16)), "header_mismatch"),
    "no sound": (wav(data=b""), "header_mismatch|too_short"),
    "ADPCM": (wav(tag=0x11, bits=4, block=256), "unsupported_codec"),
    "RF64 of exabytes": (rf64(2**62, 2**62), "header_mismatch"),
    "RF64 with a sound longer than itself": (rf64(32000 + 80 - 8, 2**40), "header_mismatch"),
    "RF64 without its sizes": (b"RF64\xff\xff\xff\xffWAVE" + wav()[12:], "header_mismatch"),
    "a thousand empty parts": (wav(after=b"junk\x00\x00\x00\x00" * 70000), "header_mismatch"),
    "FLAC of 49 days": (flac(2**36 - 1), "too_long"),
    "FLAC of unknown length": (flac(0), "header_mismatch"),
    "FLAC that is longer than it says": (flac(9000), "header_mismatch|decode_failed"),
    "FLAC that is shorter than it says": (flac(160000), "header_mismatch|decode_failed"),
    "FLAC at another rate": (flac(rate=44100), "too_short|header_mismatch|decode_failed"),
    "FLAC with more channels": (flac(channels=8), "header_mismatch|decode_failed"),
    "FLAC with another checksum": (flac(md5=b"0123456789abcdef"), "decode_failed"),
}


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(PARAMS)


@pytest.mark.parametrize("name", list(LIES))
def test_lies_are_caught(decoder: Decoder, tmp_path: Path, name: str) -> None:
    data, code = LIES[name]
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    found = decoder.decode(path)
    assert isinstance(found, Verdict) and found.reason_code in code.split("|"), found


def test_the_honest_ones_are_taken(decoder: Decoder, tmp_path: Path) -> None:
    for data in (wav(), rf64(len(rf64(0, 0)) - 8, len(SOUND)), flac(), flac(md5=bytes(16))):
        (tmp_path / "a.bin").write_bytes(data)
        assert isinstance(decoder.decode(tmp_path / "a.bin"), Decoded)


def test_a_flac_bomb_is_caught_before_decoding(tmp_path: Path) -> None:
    """Nine minutes of constant sound at 192 kHz in 8 channels: some 10 kB that decode to 3.3 GB."""
    from otoloop.simulate.encode import constant_flac

    data = constant_flac(540, 192000, 8, 900)
    (tmp_path / "bomb.flac").write_bytes(data)
    assert len(data) < 100_000
    decoder = Decoder(PARAMS)
    found = decoder.decode(tmp_path / "bomb.flac")
    assert isinstance(found, Verdict) and found.reason_code == "resource_limit"
    assert decoder._child is None  # nothing was started for it


def test_a_long_constant_flac_within_the_caps_decodes(tmp_path: Path) -> None:
    from otoloop.simulate.encode import constant_flac

    (tmp_path / "long.flac").write_bytes(constant_flac(300, 16000, 1, 900))
    found = decode(tmp_path / "long.flac", PARAMS)
    assert isinstance(found, Decoded)
    assert found.seconds == pytest.approx(300, abs=5) and int(found.samples.max()) == 900 << 16


def test_memory_is_limited_in_the_child_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child whose pieces are far larger than its memory refuses, and this process keeps its own limits."""
    (tmp_path / "a.wav").write_bytes(wav())
    monkeypatch.setenv("OTOLOOP_TEST", "1")
    before = resource.getrlimit(resource.RLIMIT_AS)
    small = PARAMS.model_copy(update={"decode_memory_mb": 64})
    assert isinstance(decode(tmp_path / "a.wav", small), Decoded)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_child_over_its_processor_time_is_named(tmp_path: Path) -> None:
    import signal

    from otoloop.audio.decode import _why

    assert _why(-signal.SIGXCPU, PARAMS, OSError()).code == "resource_limit"
    assert _why(-signal.SIGKILL, PARAMS, OSError()).code == "resource_limit"
    assert _why(-signal.SIGSEGV, PARAMS, OSError()).code == "decode_failed"


def test_header_reading_takes_no_memory_for_what_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of a declared gigabyte is skipped, not read."""
    asked: list[int] = []
    real = header.wav_header._exactly

    def spy(file: io.BufferedReader, count: int) -> bytes:
        asked.append(count)
        return real(file, count)

    monkeypatch.setattr(header.wav_header, "_exactly", spy)
    path = tmp_path / "sparse.wav"
    size = 400 * 2**20
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", size - 8) + b"WAVEJUNK" + struct.pack("<I", size - 20))
        file.truncate(size)
    with pytest.raises(Refused, match="no format part"):
        read_header(path, PARAMS)
    assert max(asked) <= 40


def test_a_child_that_ran_out_of_processor_time_is_a_resource_limit(tmp_path: Path) -> None:
    import signal

    (tmp_path / "a.wav").write_bytes(wav())
    with Decoder(PARAMS) as decoder:
        assert isinstance(decoder.decode(tmp_path / "a.wav"), Decoded)
        assert decoder._child is not None
        decoder._child.send_signal(signal.SIGXCPU)
        decoder._child.wait()
        found = decoder.decode(tmp_path / "a.wav")
        assert isinstance(found, Verdict) and found.reason_code == "resource_limit"


@pytest.mark.parametrize("limit, work, end", [
    ("limit_memory(100)", "x = bytearray(400 * 2**20)", "MemoryError"),
    ("limit_memory(100)", "x = bytearray(50 * 2**20)", ""),
])  # fmt: skip
def test_the_childs_memory_limit_holds(limit: str, work: str, end: str) -> None:
    import subprocess
    import sys

    code = f"from otoloop.audio import decode_worker as w\nw.{limit}\n{work}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (end in done.stderr) if end else done.returncode == 0


@pytest.mark.slow
def test_the_childs_processor_limit_holds() -> None:
    import signal
    import subprocess
    import sys

    code = "from otoloop.audio import decode_worker as w\nw.limit_cpu(1)\nwhile True: pass"
    assert subprocess.run([sys.executable, "-c", code]).returncode == -signal.SIGXCPU
