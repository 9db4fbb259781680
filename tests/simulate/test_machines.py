"""Each equation puts its lines and rates where its theory says, found here with plain Fourier analysis."""

import numpy as np
import pytest
from scipy.signal import hilbert, welch

from otoloop.simulate.machines import shaft_turns
from otoloop.simulate.physics import SOURCES, clock, render
from otoloop.simulate.scenes import RowNoise, compose

SECONDS = 8.0


def scene(fault, individual=3, split="train"):
    rng = np.random.default_rng(5)
    n = 1
    return compose(
        rng, np.array([fault]), np.array([individual]), np.array([1]), split=split, seconds=SECONDS, site="spectra",
        snr_db=np.full(n, 40.0),
    )  # fmt: skip


def source(fault, individual=3):
    """The dry fault alone, without drift, and what is true of it."""
    made = scene(fault, individual)
    made.p["drift"][:] = 0
    p, c = made.params(np.array([0])), clock(np, SECONDS)
    wave = SOURCES[fault](p, c, shaft_turns(p, c), RowNoise(made.seeds))[0]
    return wave, {k: v[0] for k, v in made.truth.items()}, {k: v[0] for k, v in p.items()}


def spectrum(x, rate=16_000):
    """(Hz, power) with bins of 1 / 8 Hz."""
    return np.fft.rfftfreq(len(x), 1 / rate), np.abs(np.fft.rfft((x - x.mean()) * np.hanning(len(x)))) ** 2


def envelope(x):
    return np.abs(hilbert(x))


def stands_out(x, hz, width=0.5):
    """How far, in dB, the strongest bin near ``hz`` rises over the median of its wider surroundings."""
    f, power = spectrum(x)
    near = power[np.abs(f - hz) <= width].max()
    around = power[(np.abs(f - hz) > 2 * width) & (np.abs(f - hz) < max(12 * width, 0.3 * hz))]
    return 10 * np.log10(near / np.median(around))


def share(x, lo, hi):
    f, power = welch(x, 16_000, nperseg=4096)
    return power[(f >= lo) & (f <= hi)].sum() / power.sum()


@pytest.mark.parametrize("individual", [3, 8, 21])
@pytest.mark.parametrize(
    ("fault", "order"), [("bearing_outer", "outer"), ("bearing_inner", "inner"), ("bearing_ball", "ball")]
)
def test_bearing_impacts_come_at_the_rate_of_harris(fault, order, individual):
    wave, truth, _ = source(fault, individual)
    ratio = truth["d_ball_mm"] / truth["d_pitch_mm"] * np.cos(np.radians(truth["contact_deg"]))
    turns = truth["speed_rpm"] / 60
    rate = {
        "outer": truth["n_balls"] / 2 * (1 - ratio) * turns,
        "inner": truth["n_balls"] / 2 * (1 + ratio) * turns,
        "ball": (1 / (truth["d_ball_mm"] / truth["d_pitch_mm"])) * (1 - ratio**2) * turns,
    }[order]
    assert truth["impulse_rate_hz"] == pytest.approx(rate, rel=1e-5)
    assert stands_out(envelope(wave), rate) > 12


def test_the_outer_race_is_steady_the_inner_flutters_and_the_ball_waxes():
    def modulation(fault):
        wave, truth, _ = source(fault)
        slow = np.convolve(wave**2, np.hanning(1200) / 600, mode="same")
        hz = {"bearing_ball": truth["cage_order"]}.get(fault, 1.0) * truth["speed_rpm"] / 60
        f, power = spectrum(slow)
        return power[np.abs(f - hz) < 0.4].sum() / (slow.mean() ** 2 * len(slow) ** 2)

    assert modulation("bearing_inner") > 20 * modulation("bearing_outer")
    assert modulation("bearing_ball") > 20 * modulation("bearing_outer")


def test_unbalance_is_strongest_at_once_per_turn_and_throbs():
    wave, truth, p = source("imbalance")
    f, power = spectrum(wave)
    assert f[power.argmax()] == pytest.approx(truth["speed_rpm"] / 60, abs=4)
    assert stands_out(envelope(wave), p["throb_hz"], 0.3) > 6


def test_gear_mesh_has_sidebands_at_the_shaft_rate():
    wave, truth, p = source("gear_wear")
    turn = truth["speed_rpm"] / 60
    assert truth["tone_hz"] == pytest.approx(p["teeth"] * turn, rel=1e-5)
    for line in (truth["tone_hz"], truth["tone_hz"] - turn, truth["tone_hz"] + turn, 2 * truth["tone_hz"]):
        assert stands_out(wave, line) > 20


def test_blades_pass_at_blades_times_speed_and_its_double():
    wave, truth, p = source("blade_pass")
    assert truth["tone_hz"] == pytest.approx(p["blades"] * truth["speed_rpm"] / 60, rel=1e-5)
    assert 80 <= truth["tone_hz"] <= 600
    assert min(stands_out(wave, truth["tone_hz"]), stands_out(wave, 2 * truth["tone_hz"])) > 12


def test_hum_is_a_comb_at_twice_the_mains():
    wave, truth, _ = source("electrical_hum")
    assert truth["tone_hz"] == pytest.approx(2 * truth["mains_hz"], rel=1e-3)
    assert all(stands_out(wave, k * truth["tone_hz"]) > 25 for k in (1, 2, 3, 4))


def test_the_inverter_has_one_steady_tone_with_sidebands():
    wave, truth, p = source("inverter_whine")
    f, power = spectrum(wave)
    assert f[power.argmax()] == pytest.approx(truth["tone_hz"], abs=0.3)
    assert stands_out(wave, truth["tone_hz"] + 2 * p["output_hz"]) > 20
    first, last = (spectrum(half)[1].argmax() for half in np.split(wave, 2))
    assert first == last


def test_the_squeal_wobbles_about_its_pitch_and_pauses():
    wave, truth, _ = source("belt_squeal")
    assert share(wave, 0.9 * truth["tone_hz"], 1.1 * truth["tone_hz"]) > 0.3
    loud = np.convolve(wave**2, np.ones(1600) / 1600, mode="valid")
    assert loud.min() < 0.05 * loud.max()


def test_the_leak_hisses_high_and_steadily():
    wave, _, p = source("air_leak")
    assert share(wave, 0.8 * p["hiss_hz"], 8000) > 0.9
    loud = (wave[: 16_000 * 8].reshape(-1, 1600) ** 2).mean(1)
    assert loud.std() / loud.mean() < 0.15


def test_bubbles_are_irregular_bursts():
    wave, _, _ = source("cavitation")
    assert ((wave - wave.mean()) ** 4).mean() / wave.var() ** 2 > 5
    f, power = spectrum(envelope(wave))
    band = power[(f > 5) & (f < 60)]
    assert band.max() / np.median(band) < 40  # no line stands out: nothing repeats


@pytest.mark.parametrize("fault", ["rub", "valve_knock"])
def test_once_a_turn(fault):
    wave, truth, _ = source(fault)
    assert stands_out(wave**2, truth["speed_rpm"] / 60, 0.2) > 12


def test_the_valve_thuds_low_and_the_rub_scrapes_high():
    assert share(source("valve_knock")[0], 30, 400) > 0.8
    assert share(source("rub")[0], 400, 8000) > 0.9


def test_loose_parts_clatter_about_once_or_twice_a_turn_but_not_regularly():
    wave, truth, p = source("loose_part")
    assert truth["impulse_rate_hz"] == pytest.approx(p["hits"] * truth["speed_rpm"] / 60, rel=1e-5)
    assert stands_out(wave**2, truth["impulse_rate_hz"], 0.2) < stands_out(source("valve_knock")[0] ** 2, 0, 0.2) + 40
    loud = np.convolve(wave**2, np.ones(160) / 160, mode="same")
    hits = np.flatnonzero((loud[1:] > 0.5) & (loud[:-1] <= 0.5))
    gaps = np.diff(hits[np.r_[True, np.diff(hits) > 800]])
    assert gaps.std() / gaps.mean() > 0.15


def test_a_room_lengthens_a_knock():
    made = scene("valve_knock")
    p, c = made.params(np.array([0])), clock(np, SECONDS)
    level = {}
    for t60 in (0.2, 1.4):
        p["t60"][:], p["drr_db"][:] = t60, 0.0
        loud = np.convolve(render("valve_knock", p, c, RowNoise(made.seeds))[0] ** 2, np.ones(400) / 400, mode="same")
        level[t60] = np.percentile(loud, 25) / loud.max()
    assert level[1.4] > 2 * level[0.2]
