"""Sounds that are no machine fault: silence, and a wide variety of unknown sounds made by composition."""

from __future__ import annotations

from otoloop.simulate.dsp import (
    TABLE,
    Array,
    Clock,
    Noise,
    Params,
    band,
    col,
    cosine,
    f32,
    harmonics,
    lookup,
    spectrum_noise,
    strikes,
    unit,
)


def silence(p: Params, c: Clock, noise: Noise) -> Array:
    """No sound: digital zero, a floor at about -75 dBFS, or the last-bit dither of a dead microphone; final level."""
    return noise(c.n) * col(p, "floor_rms")


def unknown(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Birds, beeps, melodies, sweeps, bubbles, barks, babble, gated noise: weighted layers of events that never repeat.

    Weights ``mix`` ``[B, 4]``: gliding notes, a second voice, speech-like babble, hopping band noise.
    """
    mix = p["mix"]
    y = mix[:, 0:1] * _notes(p, c, 0, noise) + mix[:, 1:2] * _notes(p, c, 1, noise)
    return unit(c, y + mix[:, 2:3] * _babble(p, c, noise) + mix[:, 3:4] * _hopping(p, c, noise))


def _notes(p: Params, c: Clock, voice: int, noise: Noise) -> Array:
    """Events of random pitch: phase f_n s + g_n s^2 / 2 + vibrato, harmonics, and an envelope with attack and decay."""
    xp = c.xp
    rate, pitch, spread, glide, vibrato, vib_hz, decay = (
        p[k][:, voice : voice + 1]
        for k in ("note_rate", "note_hz", "note_spread", "note_glide", "note_vibrato", "note_vib_hz", "note_decay")
    )
    train = strikes(c, rate * c.t + 0.37 * voice, f32(c, rate), p["note_jitter"][:, voice : voice + 1], noise)
    hz = pitch * xp.exp(spread * xp.clip(lookup(c, noise(TABLE), train.index), -2.0, 2.0))
    slope = hz * glide * xp.clip(lookup(c, noise(TABLE), train.index), -1.5, 1.5)
    on = f32(c, lookup(c, noise(TABLE), train.index) < 0.9)
    s = train.since
    top = xp.minimum(xp.maximum(hz + slope * s, 60.0 + 0.0 * s), 7000.0 + 0.0 * s)
    phase = s * (0.5 * hz + 0.5 * top) + vibrato * hz / (6.2831855 * vib_hz) * xp.sin(6.2831855 * vib_hz * s)
    tone = harmonics(c, phase - xp.floor(phase), p["note_amp"][:, :3], p["mesh_phase"][:, :3])
    envelope = (1.0 - xp.exp(-s / 0.006)) * xp.exp(-s / decay)
    return unit(c, tone * envelope * on + 1e-6)


def _babble(p: Params, c: Clock, noise: Noise) -> Array:
    """Voice-like: glottal pulses of moving pitch ringing three formants that change with every syllable."""
    xp = c.xp
    pitch, pace = col(p, "voice_hz"), col(p, "voice_pace")
    bend = 0.18 / (6.283185307179586 * 0.7)
    melody = c.t - bend * xp.cos(6.283185307179586 * 0.7 * c.t + pitch)
    pulses = strikes(c, pitch * melody, pitch, 0.02 + 0.0 * pitch, noise)
    syllable = strikes(c, pace * c.t, f32(c, pace), 0.4 + 0.0 * f32(c, pace), noise)
    y = 0.0
    for centre, width, amp in ((500.0, 0.35, 1.0), (1500.0, 0.3, 0.6), (2600.0, 0.12, 0.3)):
        hz = centre * xp.exp(width * xp.clip(lookup(c, noise(TABLE), syllable.index), -2.0, 2.0))
        y = y + amp * xp.exp(-pulses.since / 0.004) * xp.sin(6.2831855 * hz * pulses.since)
    beat = syllable.since * f32(c, pace)
    shape = xp.maximum(cosine(c, 0.5 * beat - 0.25), 0.0 * beat)
    return unit(c, y * shape * f32(c, lookup(c, noise(TABLE), syllable.index) < 0.8) + 1e-6)


def _hopping(p: Params, c: Clock, noise: Noise) -> Array:
    """Narrow noise whose pitch hops and slides between irregular bursts: low-passed noise on a moving carrier."""
    xp = c.xp
    pace = col(p, "hop_rate")
    train = strikes(c, pace * c.t, f32(c, pace), 0.7 + 0.0 * f32(c, pace), noise)
    hz = col(p, "hop_hz") * xp.exp(0.6 * xp.clip(lookup(c, noise(TABLE), train.index), -2.0, 2.0))
    hz = xp.minimum(hz, 5500.0 + 0.0 * hz)
    s = train.since
    phase = hz * s * (1.0 + col(p, "hop_slide") * s)
    hiss = spectrum_noise(c, band(c, 5.0 + 0.0 * col(p, "hop_width"), col(p, "hop_width"), 2.0), noise)
    envelope = (1.0 - xp.exp(-s / 0.01)) * xp.exp(-s / col(p, "hop_decay"))
    return unit(c, hiss * cosine(c, phase - xp.floor(phase)) * envelope + 1e-6)
