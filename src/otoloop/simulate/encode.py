"""Audio files as recorders write them, the same bytes every time: WAV by hand, FLAC by libsndfile or by hand."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

PCM, FLOAT = 1, 3


def to_int16(wave: NDArray[Any]) -> NDArray[np.int16]:
    """Full-scale floats as 16-bit integers."""
    return np.asarray(np.round(np.clip(wave, -1, 1) * 32767), np.int16)


def wav(
    samples: NDArray[Any], rate: int, *, tag: int | None = None, declare: int | None = None, bits: int = 16
) -> bytes:
    """A RIFF WAVE file of ``[T]`` or ``[T, C]`` samples (int16, or float32 for IEEE float; int32 packed to 24 bits).

    Args:
        samples: what to write.
        rate: Hz.
        tag: format tag to declare instead of the true one.
        declare: bytes of sound to declare instead of the true number.
        bits: 16 or 24 for integers.
    """
    floats = samples.dtype == np.float32
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    width = 4 if floats else bits // 8
    data = samples.tobytes() if floats or bits == 16 else pack24(samples)
    code = tag if tag is not None else FLOAT if floats else PCM
    size = len(data) if declare is None else declare
    head = struct.pack("<HHIIHH", code, channels, rate, rate * channels * width, channels * width, 8 * width)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", len(body) + size) + body + data


def pack24(samples: NDArray[Any]) -> bytes:
    """int32 samples (full scale 2**31) as 24-bit little-endian."""
    return samples.astype("<i4").reshape(-1, 1).view(np.uint8)[:, 1:].tobytes()


def flac(samples: NDArray[np.int16], rate: int) -> bytes:
    """A FLAC file of 16-bit samples."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def constant_flac(seconds: float, rate: int, channels: int, value: int = 0) -> bytes:
    """Hours of nothing in a few kilobytes: a valid FLAC stream (RFC 9639) of constant subframes.

    Whole blocks of 65,535 samples, each channel one number: what a small file can make a careless decoder allocate.
    """
    block = 65_535
    frames = max(1, round(seconds * rate / block))
    info = struct.pack(">HH", block, block) + bytes(6)
    info += (rate << 44 | (channels - 1) << 41 | 15 << 36 | frames * block).to_bytes(8, "big") + bytes(16)
    subframes = struct.pack(">Bh", 0, value) * channels
    out = [b"fLaC", bytes([0x80, 0, 0, len(info)]), info]
    for number in range(frames):
        # sync and fixed block size; 16-bit block size at the end, rate from the stream's head; channels; 16 bits
        head = b"\xff\xf8" + bytes([0x70, (channels - 1) << 4 | 0x08]) + _utf8(number) + struct.pack(">H", block - 1)
        frame = head + bytes([_crc(head, 8, 0x07)]) + subframes
        out.append(frame + struct.pack(">H", _crc(frame, 16, 0x8005)))
    return b"".join(out)


def _utf8(number: int) -> bytes:
    """A frame number as FLAC codes it (UTF-8 of the number; surrogates included)."""
    return chr(number).encode("utf-8", "surrogatepass")


def _crc(data: bytes, bits: int, poly: int) -> int:
    """Plain CRC, most significant bit first."""
    crc, top, mask = 0, 1 << (bits - 1), (1 << bits) - 1
    for byte in data:
        crc ^= byte << (bits - 8)
        for _ in range(8):
            crc = (crc << 1 ^ poly) & mask if crc & top else crc << 1 & mask
    return crc
