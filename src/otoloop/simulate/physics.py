"""From a machine to the microphone: source and bed, room, microphone, neighbours, noise, level.

``render`` is the only entrance. It runs on numpy and on torch (CPU or GPU) with the same equations; all randomness
comes in through ``noise``, so that both can be compared sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otoloop.simulate import machines, sounds
from otoloop.simulate.dsp import (
    RATE,
    Array,
    Clock,
    Noise,
    Params,
    band,
    col,
    colour,
    f32,
    gain,
    harmonics,
    power,
    spectrum_noise,
    unit,
    wrap,
)

Source = Callable[[Params, Clock, Array, Noise], Array]

SOURCES: dict[str, Source] = {
    "imbalance": machines.imbalance,
    "bearing_outer": machines.bearing_outer,
    "bearing_inner": machines.bearing_inner,
    "bearing_ball": machines.bearing_ball,
    "gear_wear": machines.gear_wear,
    "belt_squeal": machines.belt_squeal,
    "air_leak": machines.air_leak,
    "cavitation": machines.cavitation,
    "electrical_hum": machines.electrical_hum,
    "loose_part": machines.loose_part,
    "rub": machines.rub,
    "blade_pass": machines.blade_pass,
    "valve_knock": machines.valve_knock,
    "inverter_whine": machines.inverter_whine,
    "unknown": sounds.unknown,
}
FAULTS: tuple[str, ...] = ("normal", "silence", *SOURCES)
"""Every kind of sound that can be rendered."""


def render(fault: str, p: Params, c: Clock, noise: Noise) -> Array:
    """Waves ``[B, T]`` float32 at 16 kHz, peak below one, of a batch that has one fault in common.

    Args:
        fault: one of ``FAULTS``.
        p: arrays ``[B]`` or ``[B, k]`` as ``scenes`` makes them, in the array type of ``c.xp``.
        c: time and frequency axes.
        noise: gives the next standard normal draws.
    """
    if fault == "silence":
        return f32(c, sounds.silence(p, c, noise))
    x = machines.shaft_turns(p, c)
    signal = in_room(p, c, dry(fault, p, c, x, noise))
    total = signal + background(p, c, noise) * c.xp.sqrt(power(c, signal)) * gain(c, -col(p, "snr_db"))
    peak = c.xp.amax(c.xp.abs(total), axis=-1, keepdims=True)
    return f32(c, total * (gain(c, col(p, "level_db")) / (peak + 1e-9)))


def dry(fault: str, p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """What leaves the machine: its running bed with the fault ``fault_db`` above it (faulty machines run, too)."""
    running = machines.bed(p, c, x, noise)
    if fault == "normal":
        return running
    return unit(c, SOURCES[fault](p, c, x, noise)) + running * gain(c, -col(p, "fault_db"))


def in_room(p: Params, c: Clock, x: Array) -> Array:
    """Direct sound plus a reverberant tail, then the microphone.

    Impulse response: 1 at zero and decaying noise exp(-6.91 t / T60) (Polack's model) ``drr_db`` below it;
    ``room_noise`` ``[B, L]`` is the room's own sequence, the same for every clip taken there.
    """
    tail = p["room_noise"][:, : c.n]
    seconds = f32(c, c.t[:, : tail.shape[1]])
    tail = tail * c.xp.exp(-6.91 * seconds / col(p, "t60"))
    tail = tail / c.xp.sqrt(c.xp.sum(tail * tail, axis=-1, keepdims=True)) * gain(c, -col(p, "drr_db"))
    dull = 1.0 / (1.0 + c.f / 6000.0)
    response = (1.0 + c.xp.fft.rfft(tail, n=c.n) * dull) * microphone(p, c)
    return c.xp.fft.irfft(c.xp.fft.rfft(f32(c, x)) * response, n=c.n)


def microphone(p: Params, c: Clock) -> Array:
    """Smooth amplitude response: a tilt in dB per octave about 1 kHz, a broad bump, and a low cut."""
    octaves = c.xp.log((c.f + 20.0) / 1000.0) / 0.6931472
    bump = (octaves - col(p, "mic_bump_oct")) / 0.8
    db = col(p, "mic_tilt") * octaves + col(p, "mic_bump_db") * c.xp.exp(-bump * bump)
    return f32(c, gain(c, db) / (1.0 + (col(p, "mic_low") / (c.f + 1.0)) ** 4))


def background(p: Params, c: Clock, noise: Noise) -> Array:
    """The factory: coloured noise with a broad hump, a few distant events, and a neighbouring machine; unit RMS."""
    octaves = c.xp.log((c.f + 20.0) / col(p, "hump_hz")) / 0.6931472
    hump = gain(c, col(p, "hump_db") * c.xp.exp(-octaves * octaves))
    shape = colour(c, col(p, "noise_slope"), col(p, "noise_low")) * hump
    steady = spectrum_noise(c, shape * microphone(p, c), noise)
    far = spectrum_noise(c, band(c, col(p, "event_lo"), 4.0 * col(p, "event_lo"), 2.0), noise)
    seconds = f32(c, c.t)
    envelope = 0.0
    for k in range(p["event_at"].shape[1]):
        at, width, amp = (p[name][:, k : k + 1] for name in ("event_at", "event_width", "event_amp"))
        envelope = envelope + amp * c.xp.exp(-(((seconds - at) / width) ** 2))
    turns = wrap(c, col(p, "neighbour_hz") * c.t)
    neighbour = unit(c, harmonics(c, turns, p["neighbour_amp"], p["rotor_phase"][:, : p["neighbour_amp"].shape[1]]))
    return unit(c, steady + far * envelope + neighbour * gain(c, col(p, "neighbour_db")))


def samples(seconds: float) -> int:
    """Samples of a clip, even, so that the FFT pair is exact."""
    return 2 * round(seconds * RATE / 2)


def clock(xp: Any, seconds: float, device: str | None = None) -> Clock:
    """The axes for clips of ``seconds``."""
    return Clock.make(xp, samples(seconds), device)
