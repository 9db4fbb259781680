"""Facts that follow from sound, sensors and geometry."""

from __future__ import annotations

import math

import pytest

from otoloop.audio.derive import bearing_orders, derive
from otoloop.records import Measured

SKF_6205 = {"n_balls": 9, "d_ball_mm": 7.94, "d_pitch_mm": 39.04, "contact_deg": 0}
RATE = Measured(value=107.0, uncertainty=0.5, reliable=True)


def test_orders_of_a_known_bearing() -> None:
    orders = bearing_orders(SKF_6205)
    # drive-end bearing of the Case Western Reserve test bench: BPFO 3.5848, BPFI 5.4152, ball 2 x 2.357
    assert orders["outer_race_order"].value == pytest.approx(3.5848, abs=2e-3)
    assert orders["inner_race_order"].value == pytest.approx(5.4152, abs=2e-3)
    assert orders["ball_order"].value == pytest.approx(4.7135, abs=2e-3)
    assert orders["outer_race_order"].value + orders["inner_race_order"].value == pytest.approx(9)


def test_impacts_per_turn_carry_both_uncertainties() -> None:
    known = derive({"impulse_rate_hz": RATE}, {"speed_rpm": 1790.0}, {"bearing": SKF_6205, "gears": [{"n_teeth": 23}]})
    assert known["shaft_hz"].value == pytest.approx(29.833, abs=1e-3)
    turn = known["impacts_per_turn"]
    assert turn.reliable and turn.value == pytest.approx(3.5866, abs=1e-3)
    assert turn.uncertainty == pytest.approx(turn.value * math.hypot(0.5 / 107, 0.005), rel=1e-6)
    assert known["gear_mesh_hz"].value == pytest.approx(23 * 29.8333, abs=0.01)
    assert known["impulse_rate_hz"] is RATE


def test_nominal_speed_is_used_but_not_believed() -> None:
    known = derive({"impulse_rate_hz": RATE}, None, {"nominal_speed_rpm": 1500})
    assert known["speed_rpm"] == Measured(value=1500.0, uncertainty=75.0, reliable=False)
    assert not known["impacts_per_turn"].reliable
    assert known["impacts_per_turn"].value == pytest.approx(4.28)


@pytest.mark.parametrize("sensors", [None, {}, {"speed_rpm": float("nan")}])
def test_nothing_known_gives_nothing(sensors: dict[str, float] | None) -> None:
    known = derive({}, sensors, None)
    missing = ("speed_rpm", "shaft_hz", "impacts_per_turn", "outer_race_order", "gear_mesh_hz", "mains_hz", "current_a")
    assert all(known[key] == Measured(value=None) for key in missing)


def test_a_standing_machine_has_no_impacts_per_turn() -> None:
    known = derive({"impulse_rate_hz": RATE}, {"speed_rpm": 0.0})
    assert known["shaft_hz"].value == 0.0
    assert known["impacts_per_turn"].value is None


def test_mains_from_the_machine_or_from_the_hum() -> None:
    hum = Measured(value=100.0, uncertainty=1.0, reliable=True)
    assert derive({"hum_hz": hum})["mains_hz"] == Measured(value=50.0, uncertainty=0.5, reliable=True)
    assert derive({"hum_hz": hum}, None, {"mains_hz": 60})["mains_hz"].value == 60.0
