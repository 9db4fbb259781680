"""Scenes: splits that do not leak, machines that stay themselves, truth that agrees with geometry and sensors."""

import numpy as np
import pytest

from otoloop.errors import OtoloopError
from otoloop.simulate.physics import FAULTS
from otoloop.simulate.scenes import SHAFT_HZ, compose, sample


def draw(split, n=3400, **more):
    return sample(np.random.default_rng(2), n, faults=FAULTS, split=split, seconds=4.0, **more)


def place(scenes):
    """Where each row's speed lies in its fault's range, 0..1 on a log scale."""
    lo, hi = np.array([SHAFT_HZ[f] for f in scenes.fault]).T
    return np.log(scenes.p["shaft_hz"] / lo) / np.log(hi / lo)


def test_held_out_speeds_are_never_taught():
    taught, held = place(draw("train")), place(draw("heldout"))
    gaps = ((0.19, 0.25), (0.47, 0.53), (0.75, 0.81))
    inside = np.array([(held >= lo - 1e-4) & (held <= hi + 1e-4) for lo, hi in gaps]).any(0)
    assert inside.all()
    assert not np.array([(taught > lo) & (taught < hi) for lo, hi in gaps]).any()


def test_noise_levels_follow_the_split():
    held, train, site = draw("heldout"), draw("train"), draw("site")
    low = held.snr_band == "low"
    assert 0.4 < low.mean() < 0.6
    assert held.p["snr_db"][low].max() <= -4 and held.p["snr_db"][~low].min() >= 0
    assert train.p["snr_db"].min() >= -4 and train.p["snr_db"].max() <= 20
    assert site.p["snr_db"].min() >= -2 and site.p["snr_db"].max() <= 15


def test_faults_have_equal_shares():
    _, count = np.unique(draw("train").fault, return_counts=True)
    assert set(count) == {200}


def test_a_machine_stays_itself_and_other_sites_have_other_machines():
    def one(site, session, seed):
        return compose(
            np.random.default_rng(seed),
            np.array(["rub"]),
            np.array([7]),
            np.array([session]),
            split="site",
            seconds=2.0,
            site=site,
        )

    a, b, c = one("north", 1, 0), one("north", 2, 9), one("south", 1, 0)
    for trait in ("scrape_lo", "n_balls", "t60", "mic_tilt", "rotor_amp"):
        np.testing.assert_array_equal(a.p[trait], b.p[trait])
    assert a.p["scrape_lo"] != c.p["scrape_lo"]
    assert a.p["noise_slope"] != b.p["noise_slope"]


def test_mains_can_be_fixed():
    assert set(draw("site", mains_hz=60.0).truth["mains_hz"]) == {60.0}


def test_truth_agrees_with_machine_and_sensors():
    made = draw("train", 340)
    for i in range(len(made)):
        machine, sensors = made.machine(i), made.sensors(i)
        assert ("gears" in machine) == (made.kind[i] in ("gearbox", "conveyor"))
        assert ("n_blades" in machine) == (made.kind[i] in ("fan", "pump"))
        bearing = machine["bearing"]
        assert bearing["n_balls"] * bearing["d_ball_mm"] < np.pi * bearing["d_pitch_mm"]  # the balls fit
        if made.fault[i] == "silence":
            assert "speed_rpm" not in sensors
            continue
        assert 0.95 < sensors["speed_rpm"] / machine["nominal_speed_rpm"] < 1.02
        if made.fault[i] == "bearing_outer":
            turn = sensors["speed_rpm"] / 60
            ratio = bearing["d_ball_mm"] / bearing["d_pitch_mm"] * np.cos(np.radians(bearing["contact_deg"]))
            assert made.truth["impulse_rate_hz"][i] == pytest.approx(
                bearing["n_balls"] / 2 * (1 - ratio) * turn, rel=0.01
            )
        if made.fault[i] == "gear_wear":
            assert machine["gears"][0]["n_teeth"] * sensors["speed_rpm"] / 60 == pytest.approx(
                made.truth["tone_hz"][i], rel=0.01
            )


def test_an_unknown_fault_is_refused_by_name():
    with pytest.raises(OtoloopError, match="haunting"):
        sample(np.random.default_rng(0), 2, faults=["haunting"], split="train", seconds=1.0)
