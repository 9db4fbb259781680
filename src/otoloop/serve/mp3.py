"""MP3 becomes WAV before anything else sees it: our own walk over its frames first, then a child process with limits.

The intake keeps no MP3, since a lossy file has no samples of its own; people ask with one all the same.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from otoloop.audio.refusals import Refused
from otoloop.params import IntakeParams

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBPS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
PADDING_S = 0.3
"""Encoders put so much silence around a sound at most; the decoder takes it away, and the WAV is judged exactly."""
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as its four bytes of header declare it (ISO 11172-3, 2.4.1.3): layer III only."""

    version: int
    rate: int
    channels: int
    samples: int
    size: int


def looks_like(data: bytes) -> bool:
    """Whether bytes begin as MP3 does: with a tag or a frame."""
    return data[:3] == b"ID3" or _frame(data, 0) is not None


def seconds(data: bytes) -> float:
    """The length that the frames of an MP3 add up to.

    Raises:
        Refused: it is cut off, changes its rate, has other things between its frames, or has no frame at all.
    """
    at, samples, first = _after_tag(data), 0, _frame(data, _after_tag(data))
    if first is None:
        raise Refused("bad_magic", "No MP3 frame follows the beginning of the file.")
    while at < len(data) and not data.startswith(_TAGS, at):
        frame = _frame(data, at)
        if frame is None:
            if not data[at:].strip(b"\0"):
                break
            raise Refused("header_mismatch", f"At byte {at} something stands that is no MP3 frame.")
        if (frame.version, frame.rate) != (first.version, first.rate):
            raise Refused("header_mismatch", f"At byte {at} the rate changes to {frame.rate} Hz.")
        if at + frame.size > len(data):
            raise Refused("header_mismatch", "The last frame is cut off.")
        at, samples = at + frame.size, samples + frame.samples
    return samples / first.rate


def _after_tag(data: bytes) -> int:
    """Where an ID3v2 tag ends; its length has seven bits a byte."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if data[5] & 0x10 else 0)


def _frame(data: bytes, at: int) -> Frame | None:
    """The frame at a place, None where there is none."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, kbps, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != 1 or kbps in (0, 15) or rate == 3:
        return None
    hz, full = _RATES[version][rate], version == 3
    samples = 1152 if full else 576
    size = samples // 8 * _KBPS[full][kbps] * 1000 // hz + (head[2] >> 1 & 1)
    return Frame(version, hz, 1 if head[3] >> 6 == 3 else 2, samples, size)


def to_wav(source: Path, target: Path, params: IntakeParams) -> None:
    """Decode an MP3 into a 16-bit WAV.

    Raises:
        Refused: it is no sound MP3, too long or too short, or decoding it takes too much.
    """
    length = seconds(source.read_bytes())
    if length > params.max_seconds + PADDING_S:
        raise Refused("too_long", f"The recording has {length:.1f} s; at most {params.max_seconds:g} s are taken.")
    limits = [str(params.decode_memory_mb), str(params.decode_cpu_s)]
    command = [sys.executable, "-P", "-m", "otoloop.serve.mp3_worker", str(source), str(target), *limits]
    try:
        ended = subprocess.run(command, capture_output=True, timeout=60 + 10 * params.decode_cpu_s, check=False)
    except subprocess.TimeoutExpired:
        raise Refused("resource_limit", "Decoding took too long.") from None
    if ended.returncode:
        why = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"code {ended.returncode}"]
        raise Refused("decode_failed", f"The MP3 decoder gave up: {why[0][:200]}.")
