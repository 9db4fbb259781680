"""Bad files: one delivery for every quarantine code that a file alone can earn, made from the site's own limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, lfilter, resample_poly

from otoloop.simulate.deliveries import Delivery
from otoloop.simulate.encode import constant_flac, flac, to_int16, wav

Wave = NDArray[np.float32]
Limits = Mapping[str, Any]
Made = tuple[str, bytes]
"""Extension and bytes."""
LARGEST_WRITTEN_MB = 16
"""A file over the size limit is only made when the limit is at most this."""


def default_limits() -> dict[str, Any]:
    """The limits of params.yaml when nothing is set there."""
    from otoloop.params import IntakeParams

    return IntakeParams.model_validate({}).model_dump()


def bad_deliveries(folder: str, wave: Wave, limits: Limits, rng: np.random.Generator) -> list[Delivery]:
    """One delivery per code (several where there is more than one way to be wrong), named like any other file.

    Args:
        folder: start of the keys.
        wave: an ordinary recording at 16 kHz to spoil, at least two seconds.
        limits: section intake of params.yaml.
        rng: for noise and names.
    """
    wave = (0.5 * wave / np.abs(wave).max()).astype(np.float32)
    made = [(code, accept, make(wave, limits, rng)) for code, accept, make in _BAD]
    numbers = rng.permutation(900)[: len(made)] + 100
    out = [
        Delivery(f"{folder}/phone_{n}.{ext}", "audio", data, expected=code, accept=accept, why=_why(code))
        for n, (code, accept, (ext, data)) in zip(numbers.tolist(), made, strict=True)
    ]
    if limits["max_mb"] <= LARGEST_WRITTEN_MB:
        size = int((limits["max_mb"] + 0.5) * 1e6 * 1.05)
        head = wav(to_int16(wave), 16_000, declare=size - 44)
        key = f"{folder}/phone_099.wav"
        out.append(Delivery(key, "audio", head, expected="too_large", why=_why("too_large"), sparse=size))
    return out


def _why(code: str) -> str:
    return f"made to be refused: {code.replace('_', ' ')}"


def _picture(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    """A picture with the name of a recording."""
    return "wav", b"\x89PNG\r\n\x1a\n" + rng.bytes(4000)


def _cut_off(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    """An upload that broke off: the head declares four times what is there."""
    sound = to_int16(wave)
    return "wav", wav(sound, 16_000, declare=8 * len(sound))


def _wma(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    """WMA inside a WAV file."""
    return "wav", wav(to_int16(wave), 16_000, tag=0x0161)


def _low_rate(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    return "wav", wav(to_int16(resample_poly(wave, 1, 8)), int(limits["min_rate_hz"]) // 2)


def _many_channels(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    channels = int(limits["max_channels"]) + 4
    return "wav", wav(np.repeat(to_int16(wave[:16_000])[:, None], channels, axis=1), 16_000)


def _short(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    return "wav", wav(to_int16(wave[: int(0.4 * limits["min_seconds"] * 16_000)]), 16_000)


def _long(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    return "flac", constant_flac(limits["max_seconds"] * 1.02 + 5, 16_000, 1, 900)


def _bomb(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    """As long, fast and wide as allowed, gigabytes when decoded, kilobytes as a file."""
    channels = min(8, int(limits["max_channels"]))
    return "flac", constant_flac(limits["max_seconds"] * 0.99, int(limits["max_rate_hz"]), channels, 700)


def _not_finite(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    sound = wave.copy()
    sound[5000:5010] = np.nan
    sound[9000] = np.inf
    return "wav", wav(sound, 16_000)


def _silent(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    """A dead microphone: the last bit flickers."""
    return "wav", wav(rng.integers(-1, 2, len(wave)).astype(np.int16), 16_000)


def _clipped(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    return "wav", wav(to_int16(wave * (4 / (wave.std() + 1e-9)) * 0.5), 16_000)


def _dc(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    return "wav", wav(to_int16(0.3 * wave + 2 * limits["max_dc_offset"] + 0.1), 16_000)


def _dropouts(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    sound, gap = to_int16(wave), int(16_000 * (limits["max_dropout_s"] * 1.5 + 0.1))
    for start in (len(sound) // 5, len(sound) // 2):
        sound[start : start + gap] = 0
    return "wav", wav(sound, 16_000)


def _upsampled(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    """Recorded at 5.3 kHz, saved at 48 kHz."""
    narrow = resample_poly(lfilter(firwin(301, 2200, fs=16_000), np.ones(1), wave.astype(np.float64)), 1, 3)
    return "wav", wav(to_int16(resample_poly(narrow, 9, 1, window=("kaiser", 12.0))), 48_000)


def _noise(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    """White noise, the machine lost in it."""
    noise = rng.standard_normal(len(wave)) + 10 ** ((limits["min_snr_db"] - 15) / 20) * wave / wave.std()
    return "wav", wav(to_int16(0.05 * noise), 16_000)


def _corrupt(wave: Wave, limits: Limits, rng: np.random.Generator) -> Made:
    """A FLAC file with its middle overwritten."""
    data = bytearray(flac(to_int16(wave), 16_000))
    middle, span = len(data) // 3, len(data) // 3
    data[middle : middle + span] = rng.bytes(span)
    return "flac", bytes(data)


_BAD: tuple[tuple[str, tuple[str, ...], Callable[[Wave, Limits, np.random.Generator], Made]], ...] = (
    ("bad_magic", (), _picture),
    ("header_mismatch", (), _cut_off),
    ("unsupported_codec", (), _wma),
    ("rate_out_of_range", (), _low_rate),
    ("channels_out_of_range", (), _many_channels),
    ("too_short", (), _short),
    ("too_long", (), _long),
    ("resource_limit", ("silent", "dc_offset", "dropouts", "upsampled", "low_snr"), _bomb),
    ("not_finite", (), _not_finite),
    ("silent", (), _silent),
    ("clipped", (), _clipped),
    ("dc_offset", (), _dc),
    ("dropouts", (), _dropouts),
    ("upsampled", (), _upsampled),
    ("low_snr", (), _noise),
    ("decode_failed", ("header_mismatch",), _corrupt),
)
