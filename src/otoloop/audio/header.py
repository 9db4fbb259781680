"""What a sound file declares, read by ourselves before any decoder sees it.

libsndfile accepts a header that promises 4 GB over 100 bytes of sound, 1024 channels or a rate of 2147483647 Hz in
silence; so the length, rate, channels and codec that a file declares are held against its real length first.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from otoloop.audio import flac_header, wav_header
from otoloop.audio.refusals import Refused
from otoloop.params import IntakeParams

Format = Literal["wav", "flac"]
_OTHERS = (
    (0, b"ID3", "MP3"), (0, b"\xff\xfb", "MP3"), (0, b"\xff\xf3", "MP3"), (0, b"OggS", "Ogg"), (4, b"ftyp", "MP4"),
    (0, b"FORM", "AIFF"), (0, b"caff", "CAF"), (0, b"riff", "Wave64"), (0, b"#!AMR", "AMR"), (0, b"\x30\x26\xb2\x75", "WMA"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """What a file declares; ``subtype`` is PCM_16, PCM_24, PCM_32, FLOAT or DOUBLE, ``md5`` that of FLAC's samples."""

    format: Format
    subtype: str
    rate: int
    channels: int
    frames: int
    md5: bytes | None = None

    @property
    def seconds(self) -> float:
        """Declared length."""
        return self.frames / self.rate

    @property
    def decoded_bytes(self) -> int:
        """Memory that the samples take, four bytes each."""
        return 4 * self.frames * self.channels


def read_header(path: Path, params: IntakeParams) -> Header:
    """Read and check what the file declares: byte cap, magic, header, rate, channels, length, memory, in this order.

    Raises:
        Refused: with the code of the first check that failed.
        OSError: the file cannot be read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > params.max_mb * 2**20:
            raise Refused("too_large", f"The file has {size / 2**20:.1f} MB; at most {params.max_mb:g} MB are taken.")
        header = _parse(file, size)
    _check_shape(header, params)
    _check_length(header, params)
    return header


def _parse(file: BinaryIO, size: int) -> Header:
    """Dispatch on the first bytes."""
    magic = file.read(12)
    if magic[:4] in (b"RIFF", b"RF64") and magic[8:12] == b"WAVE":
        wav = wav_header.parse(file, size, rf64=magic[:4] == b"RF64")
        return Header("wav", wav.subtype, wav.rate, wav.channels, wav.frames)
    if magic[:4] == b"fLaC":
        flac = flac_header.parse(file, size)
        return Header("flac", flac.subtype, flac.rate, flac.channels, flac.frames, flac.md5)
    raise Refused("bad_magic", f"The file {_guess(magic)}, which is neither WAV nor FLAC." if magic else "It is empty.")


def _guess(magic: bytes) -> str:
    """What a file of another kind seems to be, for the one who sent it."""
    kind = next((name for at, mark, name in _OTHERS if magic[at : at + len(mark)] == mark), None)
    return f"seems to be {kind}" if kind else f"starts with {magic[:4]!r}"


def _check_shape(h: Header, p: IntakeParams) -> None:
    """Rate and channels within the limits."""
    if not p.min_rate_hz <= h.rate <= p.max_rate_hz:
        span = f"{p.min_rate_hz} to {p.max_rate_hz} Hz"
        raise Refused("rate_out_of_range", f"The sample rate is {h.rate} Hz; {span} are taken.")
    if not 1 <= h.channels <= p.max_channels:
        message = f"The file has {h.channels} channels; 1 to {p.max_channels} are taken."
        raise Refused("channels_out_of_range", message)


def _check_length(h: Header, p: IntakeParams) -> None:
    """Length and the memory it needs, before a single sample is decoded."""
    if h.seconds > p.max_seconds:
        raise Refused("too_long", f"The recording has {h.seconds:.1f} s; at most {p.max_seconds:g} s are taken.")
    if h.seconds < p.min_seconds:
        raise Refused("too_short", f"The recording has {h.seconds:.2f} s; at least {p.min_seconds:g} s are needed.")
    if h.decoded_bytes > p.decode_memory_mb * 2**20:
        need = f"{h.decoded_bytes / 2**20:.0f} MB of memory; at most {p.decode_memory_mb} MB are given"
        raise Refused("resource_limit", f"Decoded, the file needs {need}.")
