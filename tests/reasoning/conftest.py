"""Signals built here from sines, clicks and noise, so that expected values owe nothing to the code under test."""

from __future__ import annotations

import numpy as np
import pytest

RATE = 16000


def built(
    seconds: float = 4.0, *, tone: float | None = None, impacts: float | None = None, hum: float | None = None,
    swell: float | None = None, noise: float = 0.01, seed: int = 0, ring: float = 3000.0,
) -> np.ndarray:  # fmt: skip
    """A clip with just these parts: a sine, ringing clicks at an even rate, a harmonic hum, an amplitude modulation."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    x = noise * rng.standard_normal(t.size)
    if tone:
        x = x + 0.1 * np.sin(2 * np.pi * tone * t)
    if hum:
        x = x + sum(0.2 / k * np.sin(2 * np.pi * hum * k * t) for k in (1, 2, 3, 4))
    if impacts:
        since = (t * impacts % 1) / impacts
        x = x + 0.5 * np.exp(-since * 900) * np.sin(2 * np.pi * ring * since)
    if swell:
        x = x * (1 + 0.7 * np.sin(2 * np.pi * swell * t))
    return (x / max(1.0, 1.1 * np.abs(x).max())).astype(np.float32)


@pytest.fixture(scope="session")
def build():
    return built


def trace_of(
    caption: str,
    reasoning: str = "This fits rotor rub.",
    response: str = "rotor rub",
    summary: str = "",
    plan: str = "Listen.",
) -> str:
    """A well-formed trace around a caption."""
    summary = summary or f"So it is {response}."
    return (
        f"<THINK><PLANNING>{plan}</PLANNING><CAPTION>{caption}</CAPTION><REASONING>{reasoning}</REASONING>"
        f"<SUMMARY>{summary}</SUMMARY></THINK><RESPONSE>{response}</RESPONSE>"
    )


@pytest.fixture(scope="session")
def trace():
    return trace_of
