"""FLAC stream information (RFC 9639, section 8): what the file declares, read before any decoder sees it.

A FLAC file of kilobytes may declare, and truly hold, hours of sound; so its length in samples is needed first, and a
file that does not tell it is refused.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from otoloop.audio.refusals import Refused

MAX_BLOCKS = 1000
SMALLEST_FRAME = 7
"""Bytes of the shortest possible frame that can follow the metadata."""
_SUBTYPES = {16: "PCM_16", 24: "PCM_24"}


@dataclass(frozen=True, slots=True)
class FlacHeader:
    """What the file declares; ``md5`` is that of its samples, None where the encoder left it out."""

    subtype: str
    rate: int
    channels: int
    frames: int
    md5: bytes | None


def parse(file: BinaryIO, size: int) -> FlacHeader:
    """Read the metadata of a file of ``size`` bytes.

    Raises:
        Refused: header_mismatch or unsupported_codec.
    """
    at, header = 4, None
    for number in range(MAX_BLOCKS):
        file.seek(at)
        head = file.read(4)
        if len(head) < 4:
            raise Refused("header_mismatch", "The file ends inside its header.")
        kind, length = head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if (kind == 0) != (number == 0) or kind == 127 or at + 4 + length > size:
            raise Refused("header_mismatch", "The blocks of the header do not fit together.")
        if kind == 0:
            header = _stream_info(file.read(length))
        at += 4 + length
        if head[0] & 0x80:
            break
    if header is None or size - at < SMALLEST_FRAME:
        raise Refused("header_mismatch", "The file has no sound after its header.")
    return header


def _stream_info(body: bytes) -> FlacHeader:
    """Read the first block: sizes, rate, channels, bits, samples, MD5."""
    if len(body) != 34:
        raise Refused("header_mismatch", f"The stream information has {len(body)} bytes instead of 34.")
    smallest, largest = struct.unpack(">HH", body[:4])
    packed = int.from_bytes(body[10:18], "big")
    rate, channels = packed >> 44, (packed >> 41 & 7) + 1
    bits, frames = (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    if bits not in _SUBTYPES:
        raise Refused("unsupported_codec", f"The sound is FLAC with {bits} bits.")
    if smallest < 16 or largest < smallest or rate == 0:
        raise Refused("header_mismatch", f"The header declares blocks of {smallest} to {largest} at {rate} Hz.")
    if frames == 0:
        raise Refused("header_mismatch", "The file does not tell how long it is.")
    md5 = body[18:34]
    return FlacHeader(_SUBTYPES[bits], rate, channels, frames, md5 if any(md5) else None)
