"""RIFF WAVE and RF64 headers (Microsoft RIFF MCI 1991; EBU Tech 3306): a strict reader of chunks.

Strict means that every declared length must be there and nothing may follow it. A recorder that was switched off in the
middle leaves lengths of zero or all ones; such a file is refused rather than guessed at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from otoloop.audio.refusals import Refused

T = TypeVar("T")
MAX_CHUNKS = 1000
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_SUBTYPES = {
    (_PCM, 16): "PCM_16", (_PCM, 24): "PCM_24", (_PCM, 32): "PCM_32", (_FLOAT, 32): "FLOAT", (_FLOAT, 64): "DOUBLE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What the file declares."""

    subtype: str
    rate: int
    channels: int
    frames: int


@dataclass(frozen=True, slots=True)
class _Format:
    subtype: str
    rate: int
    channels: int
    block: int


def parse(file: BinaryIO, size: int, *, rf64: bool) -> WavHeader:
    """Read the chunks of a file of ``size`` bytes.

    Raises:
        Refused: header_mismatch or unsupported_codec.
    """
    file.seek(4)
    declared = struct.unpack("<I", _exactly(file, 4))[0]
    wide = _ds64(file, size) if rf64 else None
    riff = wide[0] if wide else declared
    if abs(riff + 8 - size) > 1:
        raise Refused("header_mismatch", f"The header declares {riff + 8} bytes, the file has {size}.")
    form, length = _walk(file, size, wide)
    if length % form.block:
        raise Refused("header_mismatch", f"{length} bytes of sound are no whole number of {form.block}-byte frames.")
    return WavHeader(form.subtype, form.rate, form.channels, length // form.block)


def _ds64(file: BinaryIO, size: int) -> tuple[int, int]:
    """Sizes of the whole and of the sound in an RF64 file; its first chunk."""
    file.seek(12)
    name, length = struct.unpack("<4sI", _exactly(file, 8))
    if name != b"ds64" or not 24 <= length <= size:
        raise Refused("header_mismatch", "An RF64 file without the chunk that tells its length.")
    riff, data = struct.unpack("<QQ", _exactly(file, 16))
    return riff, data


def _walk(file: BinaryIO, size: int, wide: tuple[int, int] | None) -> tuple[_Format, int]:
    """Go through all chunks; exactly one format, then exactly one sound."""
    at, form, sound = 12, None, None
    for _ in range(MAX_CHUNKS):
        if size - at < 8:
            break
        file.seek(at)
        name, length = struct.unpack("<4sI", _exactly(file, 8))
        if name == b"data" and wide and length == 0xFFFFFFFF:
            length = wide[1]
        if length > size - at - 8:
            there = size - at - 8
            raise Refused("header_mismatch", f"The part {name!r} declares {length} bytes, {there} are there.")
        if name == b"fmt ":
            form = _once(form, _format(_exactly(file, min(length, 40))), "format")
        elif name == b"data":
            sound = _once(sound, length, "sound")
        at += 8 + length + length % 2
    if abs(size - at) > 1:
        raise Refused("header_mismatch", f"The parts end at byte {at}, the file has {size}.")
    if form is None or sound is None:
        raise Refused("header_mismatch", f"The file has no {'format' if form is None else 'sound'} part.")
    return form, sound


def _once(seen: T | None, new: T, what: str) -> T:
    """Refuse a second part of a kind, which decoders read differently."""
    if seen is not None:
        raise Refused("header_mismatch", f"The file has two {what} parts.")
    return new


def _format(body: bytes) -> _Format:
    """Read the format part."""
    if len(body) < 16:
        raise Refused("header_mismatch", f"The format part has {len(body)} bytes, at least 16 are needed.")
    tag, channels, rate, _, block, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == _EXTENSIBLE and len(body) >= 40 and body[26:40] == _GUID_TAIL:
        tag = struct.unpack("<H", body[24:26])[0]
    subtype = _SUBTYPES.get((tag, bits))
    if subtype is None:
        raise Refused("unsupported_codec", f"The sound is coded as 0x{tag:04x} with {bits} bits.")
    if channels == 0 or rate == 0:
        raise Refused("header_mismatch", f"The header declares {channels} channels at {rate} Hz.")
    if block != channels * bits // 8:
        raise Refused("header_mismatch", f"The header declares {block} bytes a frame for {channels} x {bits} bits.")
    return _Format(subtype, rate, channels, block)


def _exactly(file: BinaryIO, count: int) -> bytes:
    """Read ``count`` bytes."""
    data = file.read(count)
    if len(data) < count:
        raise Refused("header_mismatch", "The file ends inside its header.")
    return data
