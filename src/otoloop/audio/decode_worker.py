"""The child process that decodes: one file after the other, within limits of memory and time, nothing else.

It reads one JSON request a line from its input and answers with frames on its output: one letter, a length of four
bytes (big endian), a body. ``D`` is a piece of sound, ``E`` the end, ``X`` a refusal as JSON. It runs as
``python -m otoloop.audio.decode_worker MEMORY_MB CPU_S``; a file that kills it cannot harm the process that asked.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

CHUNK_FRAMES = 1 << 16


def main(memory_mb: int, cpu_s: int) -> None:
    """Serve requests until the input ends."""
    import soundfile  # noqa: F401  # its memory must not count against the files

    limit_memory(memory_mb)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the frames
    for line in sys.stdin.buffer:
        limit_cpu(cpu_s)
        try:
            _decode(json.loads(line), out)
        except MemoryError:
            _send(out, b"X", _refusal("resource_limit", "Decoding needs more memory than is given."))
        except Exception as err:
            _send(out, b"X", _refusal("decode_failed", f"The decoder gave up: {type(err).__name__}: {err}."))
        out.flush()


def _decode(request: dict[str, Any], out: BinaryIO) -> None:
    """Decode one file in pieces of at most ``CHUNK_FRAMES``; integers left-justified to 32 bits, floats as float32."""
    import soundfile

    with soundfile.SoundFile(request["path"]) as file:
        found = (file.subtype, file.samplerate, file.channels, file.frames)
        wanted = (request["subtype"], request["rate"], request["channels"], request["frames"])
        if found != wanted:
            message = f"The decoder finds {found}, the header declares {wanted}."
            _send(out, b"X", _refusal("header_mismatch", message))
            return
        dtype = "int32" if request["subtype"].startswith("PCM") else "float64"
        left = request["frames"] + 1  # one more than declared, to see whether there is more
        while left > 0:
            piece = file.read(min(left, CHUNK_FRAMES), dtype=dtype, always_2d=True)
            if not len(piece):
                break
            with np.errstate(over="ignore"):
                _send(out, b"D", piece.astype("<i4" if dtype == "int32" else "<f4").tobytes())
            left -= len(piece)
    _send(out, b"E", b"")


def _refusal(code: str, message: str) -> bytes:
    return json.dumps({"code": code, "message": message}).encode()


def _send(out: BinaryIO, kind: bytes, body: bytes) -> None:
    out.write(kind + struct.pack(">I", len(body)) + body)


def limit_memory(megabytes: int) -> None:
    """Let the address space grow by so much beyond what the interpreter and its libraries already take."""
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[0]) if statm.exists() else 0
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu(seconds: int) -> None:
    """Give the next file so many seconds of processor time from now on."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
