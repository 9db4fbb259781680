"""Facts that follow from the sound together with sensors and the machine's geometry: turns, orders, mesh frequency.

Bearing orders (events a turn) are kinematics of a bearing whose outer ring stands still, with n balls of diameter d on
pitch diameter D at contact angle a (Randall & Antoni 2011, Rolling element bearing diagnostics, eq. 1-4): outer race
n/2 (1 - d/D cos a), inner race n/2 (1 + d/D cos a), ball spin D/(2d) (1 - (d/D cos a)^2); a ball defect hits both
races, so it strikes twice a spin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from otoloop.records import Evidence, Measured

SLIP = 0.02
"""Share by which rolling elements slip against pure rolling (1-2 % in practice)."""
SENSOR_UNCERTAINTY = {"speed_rpm": 0.005, "vibration_rms_mm_s": 0.05, "current_a": 0.02, "temperature_c": 0.01}
"""Relative half-width assumed of a sensor whose data sheet is not known."""
NOMINAL_UNCERTAINTY = 0.05
_NONE = Measured(value=None)


def derive(
    evidence: Evidence, sensors: Mapping[str, float] | None = None, machine: Mapping[str, Any] | None = None
) -> dict[str, Measured]:
    """All measured facts plus the derived ones.

    Args:
        evidence: what was measured from the sound.
        sensors: mean values while the clip was recorded (``speed_rpm``, ``vibration_rms_mm_s``, ``current_a``,
            ``temperature_c``).
        machine: its entry of machines.yaml (``nominal_speed_rpm``, ``bearing``, ``gears``, ``mains_hz``).

    Returns:
        A new dict; what cannot be derived has ``value=None``.
    """
    known = dict(evidence)
    machine = machine or {}
    known |= _sensed(sensors or {}, machine)
    speed = known["speed_rpm"]
    known["shaft_hz"] = _scaled(speed, 1 / 60)
    known["impacts_per_turn"] = _ratio(evidence.get("impulse_rate_hz", _NONE), known["shaft_hz"])
    known |= bearing_orders(machine.get("bearing"))
    known["gear_mesh_hz"] = _mesh(known["shaft_hz"], machine.get("gears"))
    known["mains_hz"] = _mains(machine, evidence.get("hum_hz", _NONE))
    return known


def _sensed(sensors: Mapping[str, float], machine: Mapping[str, Any]) -> dict[str, Measured]:
    """Sensor readings; a missing speed falls back to the nominal one, marked unreliable."""
    out = {}
    for key, share in SENSOR_UNCERTAINTY.items():
        value = sensors.get(key)
        out[key] = _NONE if value is None or not math.isfinite(value) else _known(float(value), share)
    nominal = machine.get("nominal_speed_rpm")
    if out["speed_rpm"].value is None and nominal:
        out["speed_rpm"] = Measured(value=float(nominal), uncertainty=nominal * NOMINAL_UNCERTAINTY, reliable=False)
    return out


def _known(value: float, share: float) -> Measured:
    """Make a trusted value with a relative half-width."""
    return Measured(value=value, uncertainty=abs(value) * share, reliable=True)


def bearing_orders(bearing: Mapping[str, Any] | None) -> dict[str, Measured]:
    """Events a turn for a defect of each bearing part, from ``n_balls, d_ball_mm, d_pitch_mm, contact_deg``."""
    keys = ("outer_race_order", "inner_race_order", "ball_order")
    if not bearing or not all(bearing.get(k) for k in ("n_balls", "d_ball_mm", "d_pitch_mm")):
        return dict.fromkeys(keys, _NONE)
    n, ratio = float(bearing["n_balls"]), float(bearing["d_ball_mm"]) / float(bearing["d_pitch_mm"])
    lean = ratio * math.cos(math.radians(float(bearing.get("contact_deg") or 0.0)))
    orders = (n / 2 * (1 - lean), n / 2 * (1 + lean), (1 - lean**2) / ratio)
    return {key: _known(order, SLIP) for key, order in zip(keys, orders, strict=True)}


def _scaled(m: Measured, factor: float) -> Measured:
    """Multiply a measured value."""
    if m.value is None:
        return _NONE
    return Measured(value=m.value * factor, uncertainty=(m.uncertainty or 0.0) * abs(factor), reliable=m.reliable)


def _ratio(above: Measured, below: Measured) -> Measured:
    """Divide; relative uncertainties add in squares (GUM, 5.1.6)."""
    if above.value is None or not below.value:
        return _NONE
    value = above.value / below.value
    share = math.hypot(_share(above), _share(below))
    return Measured(value=value, uncertainty=abs(value) * share, reliable=above.reliable and below.reliable)


def _share(m: Measured) -> float:
    """Relative uncertainty."""
    return (m.uncertainty or 0.0) / abs(float(m.value or 1.0))


def _mesh(shaft: Measured, gears: Sequence[Any] | None) -> Measured:
    """Gear mesh frequency of the first gear on the shaft: teeth times turns a second."""
    teeth = teeth_of(gears)
    return _scaled(shaft, float(teeth)) if teeth else _NONE


def teeth_of(gears: Sequence[Any] | None) -> int | None:
    """Teeth of the driving gear; a gear is a number or a mapping with ``teeth`` or ``n_teeth``."""
    if not gears:
        return None
    first = gears[0]
    teeth = (first.get("teeth") or first.get("n_teeth")) if isinstance(first, Mapping) else first
    return int(teeth) if teeth else None


def _mains(machine: Mapping[str, Any], hum: Measured) -> Measured:
    """Mains frequency: from the machine's entry, else half the hum that was heard."""
    if machine.get("mains_hz"):
        return Measured(value=float(machine["mains_hz"]), uncertainty=0.2, reliable=True)
    return _scaled(hum, 0.5)
