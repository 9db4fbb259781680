"""What distinguishes one machine, room and microphone from the next: parameters of the equations, drawn in bulk.

``ind`` draws belong to the machine, ``ses`` to the recording session, ``clip`` to the single clip.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from otoloop.simulate.draws import Draw, Floats, lin, log, pick

Table = dict[str, Floats]
ROOMS = ("workshop", "hall")
MICS = ("bright", "dull", "boomy")
ROOM_TAIL = 14_400
ROOM_BANK = 48


def geometry(ind: Draw) -> Table:
    """Bearing, gear and impeller of each machine."""
    balls = np.floor(lin(ind("n_balls"), 7, 15))
    pitch = np.round(lin(ind("d_pitch"), 28, 90), 1)
    ball = np.round(pitch * lin(ind("ball_ratio"), 0.16, 0.30) * 8.5 / np.maximum(balls, 8.5), 2)
    return {
        "n_balls": balls, "d_ball_mm": ball, "d_pitch_mm": pitch,
        "contact_deg": pick(ind("contact"), (0, 0, 0, 15, 25)),
        "teeth": np.floor(lin(ind("teeth"), 19, 48)), "blades": np.floor(lin(ind("blades"), 5, 13)),
    }  # fmt: skip


def orders(geo: Table) -> Table:
    """Impacts per turn of the four defect rates (Harris): outer, inner, twice the ball spin, and the cage."""
    ratio = geo["d_ball_mm"] / geo["d_pitch_mm"] * np.cos(np.radians(geo["contact_deg"]))
    return {
        "outer_order": geo["n_balls"] / 2 * (1 - ratio),
        "inner_order": geo["n_balls"] / 2 * (1 + ratio),
        "ball_order": (1 - ratio**2) * geo["d_pitch_mm"] / geo["d_ball_mm"],
        "cage_order": (1 - ratio) / 2,
    }


def running(ind: Draw, ses: Draw, clip: Draw) -> Table:
    """Rotor, load and flow of a machine that runs."""
    k = np.arange(8)
    tilt = lin(ind("rotor_tilt"), 0.15, 0.9)[:, None]
    return {
        "shaft_phase": clip("shaft_phase"), "load_phase": clip("load_phase"), "rotor_phase": ind("rotor_phase", 8),
        "rotor_amp": np.exp(-tilt * k) * log(ind("rotor_amp", 8), 0.3, 1.6),
        "drift": log(ses("drift", 2), 0.0006, 0.006), "drift_hz": lin(clip("drift_hz", 2), 0.1, 0.8),
        "drift_phase": 6.28 * clip("drift_phase", 2),
        "load_depth": lin(ses("load_depth"), 0.0, 0.18), "load_hz": lin(ses("load_hz"), 0.1, 0.5),
        "flow_slope": lin(ind("flow_slope"), 0.35, 1.0), "flow_low": lin(ind("flow_low"), 60, 150),
        "flow_db": lin(ind("flow_db"), -6, 6),
    }  # fmt: skip


def bearing(ind: Draw, ses: Draw, clip: Draw) -> Table:
    """Resonances that impacts excite, slip, and the shape of the load zone."""
    first = log(ind("res_hz"), 1700, 4200)
    spacing = np.stack([np.ones_like(first), lin(ind("res_2"), 1.3, 1.7), lin(ind("res_3"), 0.4, 0.6)], axis=1)
    return {
        "res_hz": np.minimum(first[:, None] * spacing, 7000), "res_decay": log(ind("res_decay", 3), 0.0008, 0.0022),
        "res_amp": np.stack([np.ones_like(first), lin(ind("res_amp2"), 0.2, 0.7), lin(ind("res_amp3"), 0.1, 0.5)], 1),
        "slip": lin(ses("slip"), 0.01, 0.05), "zone_phase": clip("zone_phase"),
        "zone_sharp": lin(ind("zone_sharp"), 1.6, 3.5),
        "wax_sharp": lin(ind("wax_sharp"), 1.0, 2.0), "race_ratio": lin(ind("race_ratio"), 0.2, 0.6),
    }  # fmt: skip


def rotating(ind: Draw, ses: Draw, clip: Draw) -> Table:
    """Unbalance, gears, blades and rub."""
    h = np.arange(5)
    return {
        "unbalance_amp": np.array([1.0, 0.5, 0.28, 0.15, 0.08]) * log(ind("unbalance", 5), 0.6, 1.6),
        "throb_depth": lin(ses("throb_depth"), 0.5, 0.95), "throb_hz": log(ses("throb_hz"), 0.6, 3.0),
        "rumble_hz": lin(ind("rumble_hz"), 120, 260),
        "mesh_pm": lin(ind("mesh_pm"), 0.02, 0.10), "mesh_phase": ind("mesh_phase", 5),
        "mesh_amp": np.exp(-lin(ind("mesh_tilt"), 0.15, 0.6)[:, None] * h) * log(ind("mesh_amp", 5), 0.5, 1.5),
        "side_amp": np.array([0.75, 0.4, 0.25]) * log(ind("side", 3), 0.7, 1.4), "side_phase": ind("side_phase", 3),
        "blade_amp": np.exp(-lin(ind("blade_tilt"), 0.9, 1.8)[:, None] * h[:4]) * log(ind("blade_amp", 4), 0.7, 1.4),
        "stream_db": lin(ind("stream_db"), -14, -5),
        "scrape_lo": log(ind("scrape_lo"), 500, 1500), "scrape_hi": log(ind("scrape_hi"), 2600, 5500),
        "arc": lin(ind("arc"), 3.0, 9.0),
    }  # fmt: skip


def friction(ind: Draw, ses: Draw, clip: Draw) -> Table:
    """Belt squeal, air leak and cavitation."""
    per_second = log(ind("bubbles"), 35, 140)
    return {
        "squeal_hz": log(ind("squeal_hz"), 1000, 3000) * lin(ses("squeal_hz"), 0.93, 1.07),
        "squeal_wobble": lin(ind("wobble"), 0.02, 0.06), "squeal_sway_hz": lin(ses("sway"), 2.5, 7),
        "squeal_amp": np.array([1.0, 0.6, 0.35, 0.2]) * log(ind("squeal_amp", 4), 0.6, 1.6),
        "gate_hz": log(clip("gate_hz", 3), 0.35, 1.8), "gate_phase": clip("gate_phase", 3),
        "gate_level": lin(ses("gate"), -0.3, 0.6),
        "hiss_hz": log(ind("hiss_hz"), 2000, 3600), "hiss_top": lin(ind("hiss_top"), 6500, 9500),
        "bubble_threshold": -ndtri(per_second / 16000), "casing_hz": log(ind("casing_hz", 3), 700, 3800),
        "casing_width": log(ind("casing_width", 3), 120, 420),
    }  # fmt: skip


def knocking(ind: Draw, ses: Draw, clip: Draw) -> Table:
    """Loose parts and valves."""
    clank = log(ind("clank_hz", 5), 500, 5000)
    return {
        "hits": pick(ind("hits"), (1, 1, 2)), "clatter": lin(ses("clatter"), 0.45, 0.85), "clank_hz": clank,
        "clank_decay": log(ind("clank_decay", 5), 0.008, 0.045), "clank_amp": log(ind("clank_amp", 5), 0.3, 1.0),
        "thud_hz": np.stack([log(ind("thud_1"), 60, 130), log(ind("thud_2"), 130, 250)], 1),
        "thud_decay": log(ind("thud_decay", 2), 0.025, 0.06), "thud_amp": log(ind("thud_amp", 2), 0.5, 1.0),
        "knock_jitter": lin(ses("knock_jitter"), 0.01, 0.05),
    }  # fmt: skip


def electric(ind: Draw, ses: Draw, clip: Draw, mains: Floats) -> Table:
    """Hum at twice the mains and the whine of an inverter."""
    k = np.arange(12)
    carrier = log(ind("carrier"), 2000, 6200)
    near = carrier * lin(ind("second_at"), 1.02, 1.12)
    return {
        "hum_hz": 2 * mains * lin(ses("hum"), 0.9993, 1.0007), "hum_phase": ind("hum_phase", 12),
        "hum_amp": np.exp(-lin(ind("hum_tilt"), 0.08, 0.3)[:, None] * k) * log(ind("hum_amp", 12), 0.25, 1.6),
        "carrier_hz": carrier, "output_hz": lin(ses("output"), 18, 60),
        "pwm_amp": np.stack([lin(ind("pwm_1"), 0.1, 0.35), lin(ind("pwm_2"), 0.03, 0.15)], 1),
        "second_hz": np.where(ind("second") < 0.5, near, np.minimum(2 * carrier, 7600)),
        "second_amp": lin(ind("second_amp"), 0.05, 0.35),
    }  # fmt: skip


def strange(clip: Draw) -> Table:
    """Layers of an unknown sound; some voices are left out, so that birds, beeps, speech and wind all occur alone."""
    weight = clip("mix", 4) * (clip("mix_on", 4) < np.array([0.6, 0.35, 0.4, 0.4]))
    weight[weight.sum(1) < 0.1, 0] = 1.0
    return {
        "mix": weight, "note_rate": log(clip("note_rate", 2), 0.5, 9), "note_hz": log(clip("note_hz", 2), 250, 4500),
        "note_spread": lin(clip("note_spread", 2), 0.12, 0.55), "note_glide": lin(clip("note_glide", 2), -2.5, 2.5),
        "note_vibrato": lin(clip("note_vib", 2), 0, 0.04), "note_vib_hz": lin(clip("note_vib_hz", 2), 4, 30),
        "note_decay": log(clip("note_decay", 2), 0.04, 0.8), "note_jitter": lin(clip("note_jitter", 2), 0.05, 0.8),
        "note_amp": np.array([1.0, 0.5, 0.3]) * clip("note_amp", 3) + np.array([0.3, 0, 0]),
        "voice_hz": log(clip("voice_hz"), 95, 260), "voice_pace": lin(clip("voice_pace"), 2.5, 6),
        "hop_rate": log(clip("hop_rate"), 0.6, 5), "hop_hz": log(clip("hop_hz"), 400, 3000),
        "hop_slide": lin(clip("hop_slide"), -0.4, 0.4), "hop_width": log(clip("hop_width"), 40, 600),
        "hop_decay": log(clip("hop_decay"), 0.06, 0.8),
    }  # fmt: skip


def surroundings(ind: Draw, ses: Draw, clip: Draw, seconds: float) -> Table:
    """Room, microphone, factory noise, neighbour and distant events."""
    hall, mic = ind("room") < 0.5, (ind("mic") * 3).astype(int)
    return {
        "room": hall.astype(float), "mic": mic.astype(float), "room_index": np.floor(ind("room_index") * ROOM_BANK),
        "t60": np.where(hall, lin(ind("t60"), 0.8, 1.5), lin(ind("t60"), 0.2, 0.5)),
        "drr_db": np.where(hall, lin(ind("drr"), 3, 9), lin(ind("drr"), 5, 13)),
        "mic_tilt": lin(ind("mic_tilt"), -0.5, 0.5) + np.array([1.5, -1.6, -0.4])[mic],
        "mic_bump_db": np.where(mic == 2, lin(ind("mic_bump"), 5, 9), lin(ind("mic_bump"), -3, 3)),
        "mic_bump_oct": np.where(mic == 2, -2.6, lin(ind("mic_bump_oct"), -1, 2.5)),
        "mic_low": lin(ind("mic_low"), 25, 55),
        "noise_slope": lin(ses("noise_slope"), 0.45, 1.15), "noise_low": lin(ses("noise_low"), 110, 300),
        "hump_hz": log(ses("hump_hz"), 200, 2000), "hump_db": lin(ses("hump_db"), 0, 7),
        "event_lo": log(clip("event_lo"), 200, 1500), "event_at": clip("event_at", 3) * seconds,
        "event_width": log(clip("event_width", 3), 0.03, 0.4),
        "event_amp": np.where(clip("event_on", 3) < 0.3, log(clip("event_amp", 3), 0.3, 1.6), 0.0),
        "neighbour_hz": log(ses("neighbour_hz"), 10, 60), "neighbour_db": lin(ses("neighbour_db"), -20, -5),
        "neighbour_amp": np.exp(-0.6 * np.arange(5)) * log(ind("neighbour_amp", 5), 0.4, 1.5),
    }  # fmt: skip


def room_bank(site_key: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The site's room sequences ``[ROOM_BANK, ROOM_TAIL]``: the diffuse tails that its rooms always have."""
    return np.random.default_rng(site_key).standard_normal((ROOM_BANK, ROOM_TAIL), dtype=np.float32)
