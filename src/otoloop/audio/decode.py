"""From a file of unknown origin to samples, or to a reason why not.

Byte cap, magic, our own check of the header, caps on length and memory, then decoding in pieces in a child process with
limits of its own, FLAC's checksum, finite samples only. A file that kills the child costs one restart, never the batch.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from otoloop.audio.header import Header, read_header
from otoloop.audio.refusals import Refused, refuse
from otoloop.params import IntakeParams
from otoloop.records import Verdict

START_S = 60.0
"""Seconds that a child may take to start; wall-clock, on a busy machine."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Samples [n, channels]: int32 left-justified for PCM, float32 for float files; and what the header said."""

    samples: np.ndarray[Any, Any]
    rate: int
    channels: int
    subtype: str
    format: str

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.rate

    def floats(self) -> np.ndarray[Any, Any]:
        """Return the samples as float32 [n, channels], full scale at one."""
        if self.samples.dtype == np.int32:
            return self.samples.astype(np.float32) / np.float32(2**31)
        return self.samples


def decode(path: Path, params: IntakeParams) -> Decoded | Verdict:
    """Decode one file; for many use one :class:`Decoder`."""
    with Decoder(params) as decoder:
        return decoder.decode(path)


@dataclass
class Decoder:
    """A child process that decodes one file after the other. Not for use by several threads at once."""

    params: IntakeParams
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def decode(self, path: Path) -> Decoded | Verdict:
        """Decode a file, or say why not.

        Raises:
            OSError: the file cannot be read at all, or no process be started.
        """
        try:
            header = read_header(path, self.params)
            samples = self._samples(path, header)
            _check_sum(header, samples)
            _check_finite(header, samples)
        except Refused as refused:
            return refuse(refused.code, refused.message)
        return Decoded(samples, header.rate, header.channels, header.subtype, header.format)

    def _samples(self, path: Path, header: Header) -> np.ndarray[Any, Any]:
        """Have the child decode; whatever goes wrong with it becomes a refusal."""
        request = {"path": str(path.resolve()), "rate": header.rate, "channels": header.channels}
        request |= {"frames": header.frames, "subtype": header.subtype}
        child = self._started()  # a child that cannot be started says nothing about the file
        try:
            data = _receive(child, json.dumps(request).encode() + b"\n", header, self._patience())
        except Refused:
            if self._child is not None and self._child.poll() is not None:
                self.close()
            raise
        except (_Died, OSError) as err:
            code = self._end()
            raise _why(code, self.params, err) from None
        if len(data) != header.decoded_bytes:
            got = len(data) // (4 * header.channels)
            raise Refused("header_mismatch", f"The header declares {header.frames} frames, the sound has {got}.")
        dtype = "<i4" if header.subtype.startswith("PCM") else "<f4"
        return np.frombuffer(data, dtype=dtype).reshape(-1, header.channels)

    def _patience(self) -> float:
        """Seconds of real time for a file: a loaded machine gives a process a small share of its time."""
        return START_S + 10.0 * self.params.decode_cpu_s

    def _started(self) -> subprocess.Popen[bytes]:
        """Return the child, a new one if there is none."""
        if self._child is None:
            limits = [str(self.params.decode_memory_mb), str(self.params.decode_cpu_s)]
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "otoloop.audio.decode_worker", *limits],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        return self._child

    def _end(self) -> int:
        """End a child that failed; its exit code as it was, -9 when it had to be killed."""
        child = self._child
        assert child is not None
        try:
            code = child.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        self.close()
        return code


class _Died(Exception):
    """The child ended or fell silent in the middle of a file."""


def _why(code: int, params: IntakeParams, err: Exception) -> Refused:
    """Say what the end of the child means for the file."""
    if code == -signal.SIGXCPU:
        return Refused("resource_limit", f"Decoding took more than {params.decode_cpu_s} s of processor time.")
    if code == -signal.SIGKILL:
        return Refused("resource_limit", "Decoding took too long.")
    return Refused("decode_failed", f"The decoder ended with code {code} ({err}).")


def _receive(child: subprocess.Popen[bytes], request: bytes, header: Header, patience: float) -> bytearray:
    """Send a request and collect its pieces, never more than the header declares."""
    assert child.stdin is not None
    child.stdin.write(request)
    deadline = time.monotonic() + patience
    data = bytearray()
    while True:
        kind, length = struct.unpack(">cI", _read(child, 5, deadline))
        if kind == b"D" and len(data) + length <= header.decoded_bytes + 4 * header.channels:
            data += _read(child, length, deadline)
        elif kind == b"E":
            return data
        elif kind == b"X" and length < 1 << 16:
            said = json.loads(_read(child, length, deadline))
            raise Refused(said["code"], said["message"])
        else:
            raise _Died("it sent more than it should")


def _read(child: subprocess.Popen[bytes], count: int, deadline: float) -> bytes:
    """Read exactly ``count`` bytes from the child before the deadline."""
    assert child.stdout is not None
    parts, left = [], count
    while left:
        if not select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise _Died("it fell silent")
        part = os.read(child.stdout.fileno(), min(left, 1 << 20))
        if not part:
            raise _Died("it ended")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _check_sum(header: Header, samples: np.ndarray[Any, Any]) -> None:
    """Hold FLAC's samples against the MD5 in its header; decoders pass over more than a third of damaged files."""
    if header.md5 is None:
        return
    shift, width = (16, 2) if header.subtype == "PCM_16" else (8, 3)
    packed = (samples >> shift).astype("<i4").reshape(-1, 1).view(np.uint8)[:, :width]
    if hashlib.md5(packed.tobytes(), usedforsecurity=False).digest() != header.md5:
        raise Refused("decode_failed", "The sound does not have the checksum that its header declares.")


def _check_finite(header: Header, samples: np.ndarray[Any, Any]) -> None:
    """Refuse samples that are no numbers."""
    if samples.dtype != np.float32:
        return
    bad = ~np.isfinite(samples).all(axis=1)
    if bad.any():
        at = int(np.argmax(bad)) / header.rate
        raise Refused("not_finite", f"{int(bad.sum())} samples are not finite, the first at {at:.3f} s.")
