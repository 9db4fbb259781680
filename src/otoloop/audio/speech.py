"""Where people talk in a recording, and how to make it unintelligible while the machine stays.

Detection by silero-vad, whose weights lie inside its package and which works offline. This is one of the two files
outside the model code that may import torch.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from otoloop.audio.evidence import RATE

THRESHOLD = 0.35
"""Lower than usual: a word that is missed costs more than a second of machine sound that is hidden."""
MARGIN_S = 0.1
"""Seconds hidden before and after each stretch of speech: the first and last sounds of a word are weak."""
Span = tuple[float, float]


def speech_spans(wave: np.ndarray[Any, Any], threshold: float = THRESHOLD) -> list[Span]:
    """Start and end in seconds of the stretches in which somebody speaks; ``wave`` is 16 kHz mono float32."""
    import torch
    from silero_vad import get_speech_timestamps

    level = float(np.sqrt(np.mean(np.square(wave)))) if len(wave) else 0.0
    if level == 0.0:
        return []
    # quiet speech is speech too: the detector expects about -25 dBFS
    gain = min(max(0.056 / level, 1.0), 0.99 / float(np.abs(wave).max()))
    sound = torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32) * np.float32(gain))
    with torch.inference_mode():
        found = get_speech_timestamps(sound, _detector(), threshold=threshold, sampling_rate=RATE)
    return [(span["start"] / RATE, span["end"] / RATE) for span in found]


def speech_seconds(wave: np.ndarray[Any, Any], threshold: float = THRESHOLD) -> float:
    """Seconds in which somebody speaks."""
    return float(sum(end - start for start, end in speech_spans(wave, threshold)))


@lru_cache(maxsize=1)
def _detector() -> Any:
    """Load the detector, once."""
    from silero_vad import load_silero_vad

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own calls into torch
        return load_silero_vad(onnx=False)


def scramble(wave: np.ndarray[Any, Any], spans: list[Span], seed: int) -> np.ndarray[Any, Any]:
    """Replace each span by noise with the span's own average spectrum; the rest stays as it is, sample by sample.

    Nothing of the words is left to be undone: order, rhythm and pitch go, only the long-term spectrum of the machine
    (and of the voice) remains. Cross-faded over 20 ms. ``seed`` makes the noise; the result depends on nothing else.
    """
    rng = np.random.default_rng(seed)
    out = np.array(wave, dtype=np.float32)
    for start, end in _merged(spans, len(wave) / RATE):
        a, b = round(start * RATE), min(round(end * RATE), len(out))
        if b - a > RATE // 50:
            out[a:b] = _blend(out[a:b], _like(out[a:b], rng), a > 0, b < len(out))
    return out


def _merged(spans: list[Span], length: float) -> list[Span]:
    """Spans with their margins, overlapping ones joined."""
    out: list[Span] = []
    for start, end in sorted((max(0.0, s - MARGIN_S), min(length, e + MARGIN_S)) for s, e in spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((start, end))
    return out


def _like(part: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Noise with the average spectrum of ``part``, smoothed to 60 Hz so that no voice's harmonics remain."""
    size = 4096
    padded = np.pad(part, (0, max(0, size - len(part))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 4]
    power = (np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2).mean(axis=0)
    smooth = np.convolve(np.pad(power, 8, mode="edge"), np.ones(17) / 17, mode="valid")
    spectrum = np.fft.rfft(rng.standard_normal(len(part)))
    where = np.linspace(0, len(smooth) - 1, len(spectrum))
    noise = np.fft.irfft(spectrum * np.sqrt(np.interp(where, np.arange(len(smooth)), smooth)), n=len(part))
    return np.asarray(noise * np.sqrt(np.mean(part**2) / max(float(np.mean(noise**2)), 1e-20)))


def _blend(old: np.ndarray[Any, Any], new: np.ndarray[Any, Any], before: bool, after: bool) -> np.ndarray[Any, Any]:
    """Fade from the old sound into the new one and back at those ends that have a neighbour."""
    n = RATE // 100
    weight = np.ones(len(old))
    fade = np.linspace(0, 1, n)
    if before:
        weight[:n] = fade
    if after:
        weight[-n:] = fade[::-1]
    return (old * np.sqrt(1 - weight**2) * (weight < 1) + new * weight).astype(np.float32)
