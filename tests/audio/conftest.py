"""Sounds made in the test itself, so that what is measured is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

RATE = 16000


def _t(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE)) / RATE


def noise(seed: int, seconds: float = 4.0, rms: float = 0.05) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=len(_t(seconds))) * rms).astype(np.float32)


def tone(hz: float, amp: float = 0.1, seconds: float = 4.0, start: float = 0.0, end: float = 1e9) -> np.ndarray:
    t = _t(seconds)
    return (amp * np.sin(2 * np.pi * hz * t + 1.0) * ((t >= start) & (t < end))).astype(np.float32)


def harmonics(hz: float, amps: list[float], seconds: float = 4.0) -> np.ndarray:
    return np.sum([tone(hz * (k + 1), a, seconds) for k, a in enumerate(amps)], axis=0).astype(np.float32)


def swelling(seed: int, hz: float, depth: float, seconds: float = 4.0) -> np.ndarray:
    return (noise(seed, seconds) * (1 + depth * np.cos(2 * np.pi * hz * _t(seconds)))).astype(np.float32)


def impacts(
    rate: float, ring_hz: float = 3300.0, decay_s: float = 0.002, jitter: float = 0.01, seed: int = 0,
    seconds: float = 4.0,
) -> np.ndarray:  # fmt: skip
    """Impacts `rate` times a second, each late by a random share of the interval, ringing at `ring_hz`."""
    rng, n = np.random.default_rng(seed), round(seconds * RATE)
    times = (np.arange(int(seconds * rate)) + rng.random(int(seconds * rate)) * jitter) / rate
    hits = np.zeros(n)
    hits[np.minimum((times * RATE).astype(int), n - 1)] = np.exp(0.15 * rng.normal(size=len(times)))
    s = np.arange(round(0.1 * RATE)) / RATE
    ring = np.exp(-s / decay_s) * np.sin(2 * np.pi * ring_hz * s)
    out = np.convolve(hits, ring)[:n]
    return (out / np.sqrt(np.mean(out**2)) * 0.05).astype(np.float32)


@pytest.fixture(scope="session")
def sounds() -> SimpleNamespace:
    """Makers of sounds: noise, tone, harmonics, swelling, impacts."""
    return SimpleNamespace(
        noise=noise, tone=tone, harmonics=harmonics, swelling=swelling, impacts=impacts, rate=RATE,
    )  # fmt: skip
