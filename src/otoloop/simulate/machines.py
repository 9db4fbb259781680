"""Equations of machine sounds: what runs, and what goes wrong with it. One function per source.

Each takes (parameters, clock, shaft turns float64 ``[B, T]``, noise) and returns the dry sound ``[B, T]`` of unit RMS.
``x`` below is shaft turns, f_r the shaft rate in Hz, s the seconds since the last event.
"""

from __future__ import annotations

from otoloop.simulate.dsp import (
    TABLE,
    Array,
    Clock,
    Noise,
    Params,
    band,
    col,
    colour,
    cosine,
    f32,
    filtered,
    gain,
    harmonics,
    lookup,
    poisson,
    ring,
    smooth_gate,
    spectrum_noise,
    strikes,
    unit,
    wrap,
)


def shaft_turns(p: Params, c: Clock) -> Array:
    """Turns of the shaft under slow speed drift, in closed form.

    f_r(t) = f0 (1 + sum_j a_j sin(2 pi v_j t + phi_j)) integrates to
    x(t) = x0 + f0 (t - sum_j a_j / (2 pi v_j) (cos(2 pi v_j t + phi_j) - cos phi_j)).
    """
    x = c.t
    for j in range(p["drift_hz"].shape[1]):
        a, v, phi = (p[k][:, j : j + 1] for k in ("drift", "drift_hz", "drift_phase"))
        x = x - a / (6.283185307179586 * v) * (c.xp.cos(6.283185307179586 * v * c.t + phi) - c.xp.cos(phi))
    return col(p, "shaft_hz") * x + col(p, "shaft_phase")


def bed(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """A machine that runs well: quiet rotor harmonics sum_k a_k cos(2 pi k x + phi_k) plus coloured flow noise."""
    rotor = unit(c, harmonics(c, wrap(c, x), p["rotor_amp"], p["rotor_phase"]))
    swell = 1.0 + col(p, "load_depth") * cosine(c, wrap(c, col(p, "load_hz") * c.t + col(p, "load_phase")))
    flow = spectrum_noise(c, colour(c, col(p, "flow_slope"), col(p, "flow_low")), noise)
    return unit(c, rotor + swell * flow * gain(c, col(p, "flow_db")))


def imbalance(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Unbalance: force m e w^2 at once per turn (ISO 21940-11), strong 1x and falling low harmonics, throbbing.

    y = (1 + d cos 2 pi f_b t) sum_k a_k cos(2 pi k x + phi_k); the throb f_b is the beat with a close neighbour.
    """
    rotor = harmonics(c, wrap(c, x), p["unbalance_amp"], p["rotor_phase"][:, : p["unbalance_amp"].shape[1]])
    throb = 1.0 + col(p, "throb_depth") * cosine(c, wrap(c, col(p, "throb_hz") * c.t + col(p, "load_phase")))
    rumble = spectrum_noise(c, band(c, 30.0, col(p, "rumble_hz")), noise)
    return unit(c, throb * (unit(c, rotor) + 0.45 * rumble))


def _impacts(p: Params, c: Clock, x: Array, order: Array, noise: Noise) -> tuple[Array, Array]:
    """Impacts at ``order`` times the shaft rate with random slip, ringing the bearing; and their numbers."""
    train = strikes(c, order * x, f32(c, order * col(p, "shaft_hz")), col(p, "slip"), noise)
    size = lookup(c, c.xp.exp(0.15 * noise(TABLE)), train.index)
    return size * ring(c, train.since, p["res_hz"], p["res_decay"], p["res_amp"]), train.index


def bearing_outer(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Outer race defect: a steady train at BPFO = n/2 (1 - d/D cos a) f_r (Harris, Rolling Bearing Analysis).

    The defect stays in the load zone, so every impact is alike.
    """
    y, _ = _impacts(p, c, x, col(p, "outer_order"), noise)
    return unit(c, y)


def bearing_inner(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Inner race defect: impacts at BPFI = n/2 (1 + d/D cos a) f_r, fluttering at f_r.

    The defect turns through the load zone, which weighs it:
    ((1 + cos 2 pi x) / 2)^q, near zero outside the load zone (Stribeck load distribution).
    """
    y, _ = _impacts(p, c, x, col(p, "inner_order"), noise)
    zone = 0.5 + 0.5 * cosine(c, wrap(c, x + col(p, "zone_phase")))
    return unit(c, y * (0.05 + 0.95 * zone ** col(p, "zone_sharp")))


def bearing_ball(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Rolling element defect: impacts at 2 BSF = D/d (1 - (d/D cos a)^2) f_r, waxing and waning at the cage rate.

    The spot strikes both races in turn, one louder; the cage, FTF = 1/2 (1 - d/D cos a) f_r, carries it through
    the load.
    """
    y, index = _impacts(p, c, x, col(p, "ball_order"), noise)
    alternate = 1.0 - col(p, "race_ratio") * f32(c, index % 2)
    zone = 0.5 + 0.5 * cosine(c, wrap(c, col(p, "cage_order") * x + col(p, "zone_phase")))
    scrape = spectrum_noise(c, band(c, 0.5 * p["res_hz"][:, :1], 1.6 * p["res_hz"][:, :1]), noise)
    return unit(c, (unit(c, y * alternate) + 0.25 * scrape) * zone ** col(p, "wax_sharp"))


def gear_wear(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Worn gear: mesh tone z f_r and harmonics with sidebands at +- k f_r (McFadden, MSSP 1986).

    y = (1 + sum_j b_j cos(2 pi j x + psi_j)) sum_h g_h cos(2 pi (h z x) + m sin 2 pi x).
    """
    turn = wrap(c, x)
    wobble = col(p, "mesh_pm") * c.xp.sin(6.2831855 * turn)
    mesh = harmonics(c, wrap(c, col(p, "teeth") * x) + wobble, p["mesh_amp"], p["mesh_phase"])
    side = c.xp.maximum(1.0 + harmonics(c, turn, p["side_amp"], p["side_phase"]), 0.05 + 0.0 * turn)
    return unit(c, unit(c, mesh * side) + 0.12 * spectrum_noise(c, colour(c, col(p, "flow_slope"), 200.0), noise))


def belt_squeal(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Stick-slip of a belt: a wobbling harmonic squeal that comes and goes (friction-induced vibration).

    Phase f_s t - f_s w / (2 pi v) cos(2 pi v t): pitch sways by +- w, v times a second; gated by slow random cosines.
    """
    sway = col(p, "squeal_wobble") / (6.283185307179586 * col(p, "squeal_sway_hz"))
    turns = col(p, "squeal_hz") * (c.t - sway * c.xp.cos(6.283185307179586 * col(p, "squeal_sway_hz") * c.t))
    tone = harmonics(c, wrap(c, turns), p["squeal_amp"], p["mesh_phase"][:, : p["squeal_amp"].shape[1]])
    rasp = spectrum_noise(c, band(c, 0.8 * col(p, "squeal_hz"), 1.6 * col(p, "squeal_hz")), noise)
    gate = smooth_gate(c, p["gate_hz"], p["gate_phase"], col(p, "gate_level"))
    return unit(c, (unit(c, tone) + 0.2 * rasp) * (0.02 + gate))


def air_leak(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Leaking compressed air: steady broadband hiss of a turbulent jet above 2 to 3 kHz (Lighthill's jet noise)."""
    hiss = spectrum_noise(c, band(c, col(p, "hiss_hz"), col(p, "hiss_top"), 3.0), noise)
    flicker = 1.0 + 0.06 * cosine(c, wrap(c, col(p, "load_hz") * c.t + col(p, "load_phase")))
    return unit(c, hiss * flicker)


def cavitation(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Collapsing vapour bubbles: Poisson impulses of log-normal size, each a short burst of band noise (gravel).

    A sparse train and a dense one through broad resonances of the casing (Brennen, Cavitation and Bubble Dynamics).
    """
    coarse = poisson(c, col(p, "bubble_threshold"), 0.9, noise)
    kernel = 0.0
    for m in range(p["casing_hz"].shape[1]):
        fc, width = p["casing_hz"][:, m : m + 1], p["casing_width"][:, m : m + 1]
        kernel = kernel + 1.0 / (1.0 + 1j * (c.f - fc) / width)
    dense = spectrum_noise(c, band(c, 0.5 * p["casing_hz"][:, :1], 2.5 * p["casing_hz"][:, :1], 2.0), noise)
    return unit(c, unit(c, filtered(c, coarse, kernel)) + 0.3 * dense)


def electrical_hum(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Magnetostriction and loose laminations: a comb at twice the mains, 100 or 120 Hz, dead steady, many harmonics."""
    turns = wrap(c, col(p, "hum_hz") * c.t)
    return unit(c, harmonics(c, turns, p["hum_amp"], p["hum_phase"]))


def loose_part(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """A loose part: metallic clatter of many modes, one or two hits a turn, each late, unequal, some missing."""
    train = strikes(c, col(p, "hits") * x, f32(c, col(p, "hits") * col(p, "shaft_hz")), col(p, "clatter"), noise)
    dice = noise(TABLE)
    size = lookup(c, c.xp.where(dice < -0.9, 0.0 * dice, c.xp.exp(0.5 * dice)), train.index)
    return unit(c, size * ring(c, train.since, p["clank_hz"], p["clank_decay"], p["clank_amp"]))


def rub(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """A rotor touching its casing: band noise swelling and dying once per turn.

    y = band noise * exp(kappa (cos 2 pi x - 1)), the contact arc being about 1 / sqrt(kappa) of a turn.
    """
    scrape = spectrum_noise(c, band(c, col(p, "scrape_lo"), col(p, "scrape_hi"), 3.0), noise)
    arc = c.xp.exp(col(p, "arc") * (cosine(c, wrap(c, x + col(p, "zone_phase"))) - 1.0))
    heavy = 1.0 + 0.25 * cosine(c, wrap(c, col(p, "load_hz") * c.t + col(p, "load_phase")))
    return unit(c, scrape * (0.04 + arc) * heavy)


def blade_pass(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Blades passing the cutwater: n f_r and a few harmonics, breathing, over flow noise (Tyler & Sofrin 1962)."""
    tone = harmonics(c, wrap(c, col(p, "blades") * x), p["blade_amp"], p["mesh_phase"][:, : p["blade_amp"].shape[1]])
    swell = 1.0 + 0.15 * cosine(c, wrap(c, col(p, "throb_hz") * c.t + col(p, "load_phase")))
    flow = spectrum_noise(c, colour(c, col(p, "flow_slope"), 80.0), noise)
    return unit(c, unit(c, tone * swell) + flow * gain(c, col(p, "stream_db")))


def valve_knock(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """A knocking compressor valve: a low thud per stroke, plate and seat ringing at 60 to 250 Hz, with a dull click."""
    train = strikes(c, x, f32(c, col(p, "shaft_hz")), col(p, "knock_jitter"), noise)
    size = lookup(c, c.xp.exp(0.12 * noise(TABLE)), train.index)
    thud = ring(c, train.since, p["thud_hz"], p["thud_decay"], p["thud_amp"])
    click = spectrum_noise(c, band(c, 200.0, 1200.0, 2.0), noise) * c.xp.exp(-train.since / 0.004)
    return unit(c, size * (thud + 0.25 * click))


def inverter_whine(p: Params, c: Clock, x: Array, noise: Noise) -> Array:
    """Pulse-width modulation: a dead steady switching tone f_c, sidebands at f_c +- 2 k f_out, and a second tone."""
    y = cosine(c, wrap(c, col(p, "carrier_hz") * c.t))
    for k in range(p["pwm_amp"].shape[1]):
        shift = (k + 1) * 2 * col(p, "output_hz")
        amp = p["pwm_amp"][:, k : k + 1]
        y = y + amp * cosine(c, wrap(c, (col(p, "carrier_hz") + shift) * c.t + 0.3))
        y = y + amp * cosine(c, wrap(c, (col(p, "carrier_hz") - shift) * c.t + 0.7))
    second = col(p, "second_amp") * cosine(c, wrap(c, col(p, "second_hz") * c.t))
    return unit(c, y + second)
