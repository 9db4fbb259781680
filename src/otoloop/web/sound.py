"""The sound of a clip for a page: bytes with Range, a picture as the model hears it, peaks for the waveform."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import HTTPException, Response

from otoloop.audio.evidence import RATE
from otoloop.audio.load import load
from otoloop.audio.picture import MELS, log_mel

KEPT = 16
COLUMNS = 1600
PEAKS = 1400
Fetch = Callable[[str], bytes]
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def from_store(workspace: Path) -> Fetch:
    """Reads clips from the workspace's store, connecting when the first is asked for."""
    client: list[Any] = []

    def fetch(clip: str) -> bytes:
        from otoloop.store import connect
        from otoloop.store.content import get_audio

        if not client:
            client.append(connect(workspace))
        return get_audio(client[0], clip)

    return fetch


@dataclass(slots=True)
class Sounds:
    """Clips of a page, the last few kept in memory."""

    fetch: Fetch
    _bytes: Callable[[str], bytes] = field(init=False)
    _waves: Callable[[str], np.ndarray[Any, Any]] = field(init=False)
    _pictures: Callable[[str], bytes] = field(init=False)

    def __post_init__(self) -> None:
        """Make the caches."""
        self._bytes = lru_cache(KEPT)(self.fetch)
        self._waves = lru_cache(KEPT)(lambda clip: load(self._bytes(clip)))
        self._pictures = lru_cache(KEPT)(lambda clip: picture(self._waves(clip)))

    def picture(self, clip: str) -> bytes:
        """A PNG, one row a mel band, 0 to 8 kHz from bottom to top, without margins."""
        return self._pictures(clip)

    def peaks(self, clip: str) -> list[float]:
        """Loudest sample (with sign) of each of at most `PEAKS` stretches."""
        wave = self._waves(clip)
        size = -(-len(wave) // PEAKS)
        parts = np.pad(wave, (0, -len(wave) % size)).reshape(-1, size)
        rows = np.abs(parts).argmax(1)
        return [round(float(v), 4) for v in parts[np.arange(len(parts)), rows]]

    def answer(self, clip: str, wanted: str | None) -> Response:
        """The clip's bytes, or the part that a Range header asks for.

        Raises:
            HTTPException: 416, the range lies outside.
        """
        data = self._bytes(clip)
        headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}
        kind = (
            "audio/flac" if data[:4] == b"fLaC" else "audio/wav" if data[:4] == b"RIFF" else "application/octet-stream"
        )
        if not wanted:
            return Response(data, media_type=kind, headers=headers)
        start, end = byte_range(wanted, len(data))
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        return Response(data[start : end + 1], 206, headers, kind)


def byte_range(wanted: str, size: int) -> tuple[int, int]:
    """First and last byte of a Range header with one range (RFC 9110, 14.2).

    Raises:
        HTTPException: 416, it is malformed or outside.
    """
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or not (match[1] or match[2]):
        raise HTTPException(416, "Only one byte range can be asked for.")
    start = int(match[1]) if match[1] else max(0, size - int(match[2]))
    end = min(int(match[2]), size - 1) if match[1] and match[2] else size - 1
    if start > end:
        raise HTTPException(416, "The range lies outside the file.", {"Content-Range": f"bytes */{size}"})
    return start, end


def picture(wave: np.ndarray[Any, Any]) -> bytes:
    """The log-mel spectrogram that Qwen2-Audio hears, as a PNG without axes."""
    from matplotlib.image import imsave

    level = log_mel(wave)
    every = max(1, -(-level.shape[1] // COLUMNS))
    level = np.maximum.reduceat(level, np.arange(0, level.shape[1], every), axis=1)
    out = io.BytesIO()
    low, high = np.percentile(level, 12), level.max()
    imsave(out, level, cmap="magma", origin="lower", format="png", vmin=low, vmax=high, metadata={"Software": ""})
    return out.getvalue()


def height(hz: float) -> float:
    """Where a frequency lies in the picture: 0 at the bottom, 1 at 8 kHz (Slaney's mel scale, as in `log_mel`)."""
    return _mel(hz) / _mel(RATE / 2)


def _mel(hz: float) -> float:
    return 3 * hz / 200 if hz < 1000 else 15 + float(np.log(hz / 1000) / np.log(6.4)) * 27


assert MELS == 128, "the picture's height in the style sheet follows the number of mel bands"
