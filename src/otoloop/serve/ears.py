"""From the bytes of a sound to what a model hears of it and what is measured from it, the same way as at the intake."""

from __future__ import annotations

import queue
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from otoloop.audio.decode import Decoded, Decoder
from otoloop.audio.evidence import measure, mono
from otoloop.audio.fingerprint import content_id
from otoloop.audio.refusals import REMEDIES, Refused
from otoloop.params import IntakeParams, ServeParams
from otoloop.records import Evidence, Verdict
from otoloop.serve import mp3
from otoloop.serve.refusals import Refusal

MIN_SECONDS = 0.1
_REMEDIES = {
    "too_long": "Cut out the part in question.",
    "too_short": "Record longer, four seconds or more.",
    "too_large": "Cut out the part in question, or send it as FLAC.",
    "bad_magic": "Send WAV, FLAC or MP3; a name that ends in .wav does not make a file audio.",
    "decode_failed": "The file is damaged: send it again, or record again.",
    "header_mismatch": "The file was cut off or altered on its way: send it again.",
    "rate_out_of_range": "Record at 16000 Hz or more.",
    "channels_out_of_range": "Record fewer channels.",
    "resource_limit": "Cut out the part in question, or record fewer channels.",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """A sound: ``wave`` float32 [T] at 16 kHz, measured facts, its content id, and the file that holds it."""

    wave: np.ndarray[Any, Any]
    facts: Evidence
    clip: str
    seconds: float
    file: bytes
    ending: str


class Ears:
    """Decoders that are kept, since a child process takes a while to start; safe to share between threads."""

    def __init__(self, intake: IntakeParams, serve: ServeParams, count: int = 2) -> None:
        """Take the intake's limits of form, and the gateway's of length and size."""
        limits = {"max_seconds": serve.max_seconds, "min_seconds": MIN_SECONDS, "max_mb": serve.max_body_mb}
        self.params = intake.model_copy(update=limits)
        self._free: queue.Queue[Decoder] = queue.Queue()
        for _ in range(count):
            self._free.put(Decoder(self.params))
        self._count = count

    def close(self) -> None:
        """End the children, those in use when they are given back."""
        for _ in range(self._count):
            self._free.get().close()

    def hear(self, data: bytes) -> Heard:
        """Decode and measure a sound of unknown origin.

        Raises:
            Refusal: 400 with a code of the intake, as it would refuse such a file.
        """
        with tempfile.TemporaryDirectory(prefix="otoloop-heard-") as folder:
            path = Path(folder) / "sound"
            path.write_bytes(data)
            try:
                if mp3.looks_like(data):
                    path = self._as_wav(path)
                clip = self._decoded(path)
            except Refused as refused:
                raise _refusal(refused.code, refused.message) from None
            return _heard(clip, path.read_bytes())

    def _as_wav(self, path: Path) -> Path:
        mp3.to_wav(path, path.with_suffix(".wav"), self.params)
        return path.with_suffix(".wav")

    def _decoded(self, path: Path) -> Decoded:
        with self._decoder() as decoder:
            found = decoder.decode(path)
        if isinstance(found, Verdict):
            raise _refusal(str(found.reason_code), found.message)
        return found

    @contextmanager
    def _decoder(self) -> Iterator[Decoder]:
        decoder = self._free.get()
        try:
            yield decoder
        finally:
            self._free.put(decoder)


def _heard(clip: Decoded, file: bytes) -> Heard:
    wave = clip.floats()
    return Heard(
        wave=mono(wave, clip.rate), facts=measure(wave, clip.rate), clip=content_id(clip), seconds=clip.seconds,
        file=file, ending=f".{clip.format}",
    )  # fmt: skip


def _refusal(code: str, message: str) -> Refusal:
    remedy = _REMEDIES.get(code) or REMEDIES.get(code, "Record it again.")  # type: ignore[call-overload]
    return Refusal(400, code, message, remedy, "messages")
