"""Listen to landed files: decode safely, name the content, protect speech, measure. Several at a time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np

from otoloop.audio.decode import Decoded, Decoder
from otoloop.audio.evidence import RATE, mono
from otoloop.audio.evidence import measure as measure_evidence
from otoloop.audio.fingerprint import content_id
from otoloop.audio.quality import measures as measure_quality
from otoloop.audio.refusals import refuse
from otoloop.catalog.clips import evidence_json
from otoloop.errors import OtoloopError
from otoloop.params import IntakeParams
from otoloop.records import Verdict

LEAST_SPEECH_S = 0.3
"""Less speech than this in a recording is taken for a machine's own sound."""
LEAST_EVIDENCE_S = 0.25
MANY_FILES = 32
MOST_EARS = 8
KEPT = ".kept"
"""Ending of the file in which a process of its own leaves the sound that may be kept."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in one file. ``data`` is the canonical encoding of the sound that may be kept.

    ``clip`` is the content id of that sound, ``raw`` that of the file; they differ when speech was scrambled.
    """

    clip: str
    raw: str
    rate: int
    channels: int
    seconds: float
    speech_s: float
    measures: Mapping[str, Any]
    evidence: Mapping[str, Any]
    fingerprint: str
    data: bytes = field(repr=False)
    content_type: str

    @property
    def parent(self) -> str | None:
        """The raw recording when it is not what is kept."""
        return self.raw if self.raw != self.clip else None


class Listeners:
    """Several ears at work; close them, or use as a context. Results come in the order of the files.

    A few files are heard in this process, many by processes of their own: half the work of measuring is Python's.
    """

    def __init__(self, params: IntakeParams, files: int) -> None:
        """``files`` is how many are expected."""
        self.params = params
        many = files >= MANY_FILES and (os.cpu_count() or 1) > 1
        count = min(MOST_EARS, os.cpu_count() or 1, files // 8) if many else 1
        self._all: list[_Ear] = [_FarEar(params) if many else _NearEar(params) for _ in range(count)]
        self._free: SimpleQueue[_Ear] = SimpleQueue()
        for ear in self._all:
            self._free.put(ear)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="otoloop-listen")

    def __enter__(self) -> Listeners:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for ear in self._all:
            ear.close()

    def hear_all(self, files: Iterable[tuple[Path, str]]) -> Iterator[Heard | Verdict]:
        """What is heard in each (file, speech policy); a refusal where nothing can be."""
        return self._pool.map(self._one, files)

    def _one(self, file: tuple[Path, str]) -> Heard | Verdict:
        ear = self._free.get()
        try:
            return ear.hear(*file)
        finally:
            self._free.put(ear)


class _Ear(Protocol):
    """Something that listens to one file at a time."""

    def hear(self, path: Path, policy: str) -> Heard | Verdict: ...

    def close(self) -> None: ...


class _NearEar:
    """An ear in this process."""

    def __init__(self, params: IntakeParams) -> None:
        self._params, self._decoder = params, Decoder(params)

    def hear(self, path: Path, policy: str) -> Heard | Verdict:
        return hear_file(self._decoder, path, policy, self._params)

    def close(self) -> None:
        self._decoder.close()


class _FarEar:
    """An ear in a process of its own (`listen_worker`), started with its first file; it ends when we do."""

    def __init__(self, params: IntakeParams) -> None:
        self._params = params
        self._child: subprocess.Popen[str] | None = None

    def hear(self, path: Path, policy: str) -> Heard | Verdict:
        child = self._started()
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(json.dumps({"path": str(path), "policy": policy}) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            return refuse("decode_failed", "Measuring this file ended the process that did it.")
        answer = json.loads(line)
        if "failed" in answer:
            raise OtoloopError(**answer["failed"])
        if "refused" in answer:
            return Verdict(**answer["refused"])
        kept = path.with_suffix(KEPT)
        data = kept.read_bytes()
        kept.unlink()
        return Heard(**answer["heard"], data=data)

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "otoloop.intake.listen_worker", self._params.model_dump_json()],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        return self._child

    def close(self) -> None:
        if self._child is not None and self._child.stdin is not None and self._child.stdout is not None:
            with contextlib.suppress(BrokenPipeError):
                self._child.stdin.close()
            self._child.stdout.close()
            self._child.wait()
            self._child = None


def hear_file(decoder: Decoder, path: Path, policy: str, params: IntakeParams) -> Heard | Verdict:
    """Decode a file of unknown origin and measure it; see `hear`."""
    decoded = decoder.decode(path)
    return decoded if isinstance(decoded, Verdict) else hear(decoded, policy, params)


def hear(decoded: Decoded, policy: str, params: IntakeParams) -> Heard | Verdict:
    """Measure a decoded recording under a speech policy (drop, scramble or keep).

    Returns:
        what was heard, or a refusal with the code ``speech_policy``.
    """
    raw = content_id(decoded)
    kept, speech_s = decoded, 0.0
    if policy != "keep":
        kept, speech_s = _without_speech(decoded, raw)
        if policy == "drop" and speech_s >= LEAST_SPEECH_S:
            message = (
                f"People are heard for {speech_s:.1f} s and the policy of this machine is to drop such recordings."
            )
            return refuse("speech_policy", message)
    found = measure_quality(kept)
    fingerprint = str(found.pop("near_hash"))
    data, content_type = canonical(kept)
    return Heard(
        clip=raw if kept is decoded else content_id(kept), raw=raw, rate=kept.rate, channels=kept.channels,
        seconds=kept.seconds, speech_s=speech_s, measures=found, evidence=_evidence(kept), fingerprint=fingerprint,
        data=data, content_type=content_type,
    )  # fmt: skip


def _evidence(clip: Decoded) -> dict[str, Any]:
    """Facts about the sound; none when there is too little of it."""
    if clip.seconds < LEAST_EVIDENCE_S:
        return {}
    return evidence_json(measure_evidence(clip.floats(), clip.rate))


def _without_speech(decoded: Decoded, raw: str) -> tuple[Decoded, float]:
    """The recording with its speech made unintelligible (16 kHz, one channel), itself when nobody speaks; seconds."""
    from otoloop.audio.speech import scramble, speech_spans

    wave = mono(decoded.floats(), decoded.rate)
    spans = speech_spans(wave)
    speech_s = float(sum(end - start for start, end in spans))
    if speech_s < LEAST_SPEECH_S:
        return decoded, speech_s
    hidden = scramble(wave, spans, seed=int(raw[:12], 16))
    samples = np.round(np.clip(hidden, -1, 1) * 32767).astype(np.int32) << 16
    return Decoded(samples[:, None], RATE, 1, "PCM_16", "flac"), speech_s


def canonical(clip: Decoded) -> tuple[bytes, str]:
    """The sound as a file that depends on its samples only: no tags, names or places of the recorder go along.

    FLAC where it is lossless (integers of up to 24 bits, 8 channels), else WAV.
    """
    import soundfile

    exact = clip.samples.dtype == np.int32
    low = int(np.bitwise_or.reduce(clip.samples, axis=None)) if exact else 1
    out = io.BytesIO()
    if exact and low & 0xFF == 0 and clip.channels <= 8:
        subtype = "PCM_16" if low & 0xFFFF == 0 else "PCM_24"
        soundfile.write(out, clip.samples, clip.rate, format="FLAC", subtype=subtype)
        return out.getvalue(), "audio/flac"
    soundfile.write(out, clip.samples, clip.rate, format="WAV", subtype="PCM_32" if exact else "FLOAT")
    return out.getvalue(), "audio/wav"
