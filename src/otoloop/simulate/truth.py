"""What is true of each simulated clip, as columns, as machines.yaml has it, and as sensors read it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoloop.simulate.draws import Draw, Floats, lin, log

Columns = dict[str, NDArray[Any]]
GEOMETRY = ("n_balls", "d_ball_mm", "d_pitch_mm", "contact_deg", "teeth", "blades")
GEARED, BLADED = ("gearbox", "conveyor"), ("fan", "pump")

VIBRATION: dict[str, tuple[float, float]] = {
    "imbalance": (4.5, 11.0), "bearing_outer": (2.4, 6.0), "bearing_inner": (2.4, 6.0), "bearing_ball": (2.0, 5.0),
    "loose_part": (3.5, 9.0), "rub": (3.0, 8.0), "gear_wear": (2.5, 6.5), "cavitation": (1.8, 4.5),
    "valve_knock": (2.0, 5.0),
}  # fmt: skip
"""RMS velocity in mm/s by fault; the others run at 0.5 to 1.8 (zones of ISO 20816)."""
WARMING: dict[str, float] = {
    "bearing_outer": 14, "bearing_inner": 14, "bearing_ball": 12, "electrical_hum": 12, "rub": 10, "belt_squeal": 8,
    "gear_wear": 9,
}  # fmt: skip
"""Degrees above the machine's usual temperature by fault, at middle severity."""


def truth_columns(
    fault: NDArray[np.str_], p: dict[str, Floats], ind: Draw, ses: Draw, clip: Draw, mains: Floats
) -> Columns:
    """All truth columns ``[n]``; NaN where a quantity does not apply to the row's fault."""
    columns: Columns = {
        "speed_rpm": 60 * p["shaft_hz"], "snr_db": p["snr_db"], "severity": p["severity"], "level_dbfs": p["level_db"],
        "mains_hz": mains, "room": np.where(p["room"] > 0, "hall", "workshop"),
        "mic": np.asarray(("bright", "dull", "boomy"))[p["mic"].astype(int)],
        "nominal_speed_rpm": np.round(60 * p["shaft_hz"] / lin(ses("slip_from_nominal"), 0.97, 1.0) / 5) * 5,
        **{k: p[k] for k in GEOMETRY}, **{k: p[k] for k in ("outer_order", "inner_order", "ball_order", "cage_order")},
    }  # fmt: skip
    columns |= _rates(fault, p) | _readings(fault, p, ind, ses, clip)
    quiet = fault == "silence"
    for name in ("speed_rpm", "snr_db"):
        columns[name] = np.where(quiet, np.nan, columns[name])
    return columns


def _by_fault(fault: NDArray[np.str_], values: dict[str, Any]) -> Floats:
    """A column with each fault's own values, NaN elsewhere."""
    out = np.full(len(fault), np.nan)
    for name, value in values.items():
        out = np.where(fault == name, value, out)
    return out


def _rates(fault: NDArray[np.str_], p: dict[str, Floats]) -> Columns:
    """Impacts per second, tones and modulations that the equations put into the sound."""
    f = p["shaft_hz"]
    return {
        "impulse_rate_hz": _by_fault(fault, {
            "bearing_outer": p["outer_order"] * f, "bearing_inner": p["inner_order"] * f,
            "bearing_ball": p["ball_order"] * f, "loose_part": p["hits"] * f, "valve_knock": f,
        }),
        "tone_hz": _by_fault(fault, {
            "blade_pass": p["blades"] * f, "gear_wear": p["teeth"] * f, "belt_squeal": p["squeal_hz"],
            "inverter_whine": p["carrier_hz"], "electrical_hum": p["hum_hz"], "imbalance": f,
        }),
        "hum_hz": _by_fault(fault, {"electrical_hum": np.round(p["hum_hz"])}),
        "modulation_hz": _by_fault(fault, {
            "bearing_inner": f, "bearing_ball": p["cage_order"] * f, "imbalance": p["throb_hz"],
            "rub": f, "gear_wear": f,
        }),
        "modulation_depth": _by_fault(fault, {
            "bearing_inner": 0.95, "bearing_ball": 1.0, "imbalance": p["throb_depth"], "rub": 0.95,
            "gear_wear": p["side_amp"][:, 0],
        }),
    }  # fmt: skip


def _readings(fault: NDArray[np.str_], p: dict[str, Floats], ind: Draw, ses: Draw, clip: Draw) -> Columns:
    """Vibration, current and temperature that go with the fault and its severity."""
    span = np.asarray([VIBRATION.get(f, (0.5, 1.8)) for f in fault]).T
    place = np.clip((p["severity"] - 1 + clip("vibration")) / 3, 0, 1)
    warm = np.asarray([WARMING.get(f, 0.0) for f in fault])
    load = lin(ses("load"), 0.75, 1.0) * np.where(fault == "cavitation", 0.85, np.where(fault == "rub", 1.15, 1.0))
    return {
        "vibration_rms_mm_s": span[0] + (span[1] - span[0]) * place, "current_a": log(ind("current"), 3, 60) * load,
        "temperature_c": lin(ind("warmth"), 32, 48) + lin(ses("weather"), -4, 6) + warm * (0.4 + 0.3 * p["severity"]),
    }  # fmt: skip


SHOWN = (
    "speed_rpm", "impulse_rate_hz", "tone_hz", "hum_hz", "modulation_hz", "modulation_depth", "snr_db", "severity",
    "vibration_rms_mm_s", "current_a", "temperature_c", "mains_hz", "room", "mic",
)  # fmt: skip


def plain_truth(truth: Columns, i: int) -> dict[str, Any]:
    """What is true of row ``i`` as JSON values; null where a quantity does not apply."""
    row = {k: truth[k][i] for k in SHOWN}
    return {k: str(v) if isinstance(v, str) else None if np.isnan(v) else round(float(v), 4) for k, v in row.items()}


def machine_mapping(truth: Columns, i: int, site: str, kind: str, individual: int) -> dict[str, Any]:
    """Row ``i``'s machine as machines.yaml describes it; gears and blades only where the kind has them."""
    g = {k: float(truth[k][i]) for k in GEOMETRY}
    row: dict[str, Any] = {
        "site": site, "machine": f"{kind}-{individual:04d}", "kind": kind,
        "nominal_speed_rpm": float(truth["nominal_speed_rpm"][i]), "mains_hz": float(truth["mains_hz"][i]),
        "bearing": {"n_balls": int(g["n_balls"]), **{k: round(g[k], 2) for k in GEOMETRY[1:4]}},
    }  # fmt: skip
    if kind in GEARED:
        row["gears"] = [{"n_teeth": int(g["teeth"])}]
    if kind in BLADED:
        row["n_blades"] = int(g["blades"])
    return row


def sensor_summary(truth: Columns, i: int) -> dict[str, float]:
    """Row ``i``'s sensors; no speed where the machine's speed is not known (silence)."""
    row = {k: round(float(truth[k][i]), 2) for k in ("vibration_rms_mm_s", "current_a", "temperature_c")}
    speed = float(truth["speed_rpm"][i])
    return row if np.isnan(speed) else {"speed_rpm": round(speed, 1), **row}
