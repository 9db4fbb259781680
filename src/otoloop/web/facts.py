"""Evidence as a table for people: names, values with uncertainty, and whether to believe them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from otoloop.records import Evidence, Measured

_HEARD = (
    ("rms_dbfs", "Level", "dBFS"),
    ("crest_db", "Crest", "dB"),
    ("kurtosis", "Kurtosis", ""),
    ("band", "Strongest band", ""),
    ("tones", "Tones", "Hz"),
    ("f0_hz", "Fundamental", "Hz"),
    ("hum_hz", "Mains hum", "Hz"),
    ("impulsive", "Impacts", ""),
    ("impulse_rate_hz", "Impact rate", "/s"),
    ("modulation_hz", "Modulation", "/s"),
    ("modulation_depth", "Depth", ""),
    ("steady", "Steady level", ""),
    ("centroid_hz", "Centroid", "Hz"),
    ("flatness", "Flatness", ""),
)
_TOLD = (
    ("speed_rpm", "Speed", "rpm"),
    ("shaft_hz", "Shaft", "/s"),
    ("impacts_per_turn", "Impacts per turn", ""),
    ("outer_race_order", "Outer race order", ""),
    ("inner_race_order", "Inner race order", ""),
    ("ball_order", "Ball order", ""),
    ("gear_mesh_hz", "Gear mesh", "Hz"),
    ("mains_hz", "Mains", "Hz"),
    ("vibration_rms_mm_s", "Vibration", "mm/s"),
    ("current_a", "Current", "A"),
    ("temperature_c", "Temperature", "°C"),
)
_QUALITY = (
    ("rms_dbfs", "Level", "dBFS"),
    ("peak_dbfs", "Peak", "dBFS"),
    ("snr_db", "Signal to noise", "dB"),
    ("clipped_share", "Share overdriven", ""),
    ("dc_offset", "Offset", ""),
    ("dropout_s", "Longest gap", "s"),
    ("bandwidth_share", "Share of bandwidth", ""),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One fact."""

    name: str
    value: str
    reliable: bool


def tables(evidence: Evidence) -> list[tuple[str, list[Row]]]:
    """Facts heard in the sound, and facts of sensors and geometry; what is unknown is left out."""
    found = [
        (title, _rows(evidence, keys))
        for title, keys in (("Measured in the sound", _HEARD), ("Sensors and geometry", _TOLD))
    ]
    return [(title, rows) for title, rows in found if rows]


def measured(measures: Mapping[str, Any]) -> list[tuple[str, list[Row]]]:
    """What the quality checks measured, as a table of its own; empty if nothing was kept."""
    rows = [
        Row(name, f"{measures[key]:.4g} {unit}".strip(), True)
        for key, name, unit in _QUALITY
        if isinstance(measures.get(key), int | float)
    ]
    return [("Quality of the recording", rows)] if rows else []


def _rows(evidence: Evidence, keys: tuple[tuple[str, str, str], ...]) -> list[Row]:
    known = [
        (name, unit, evidence[key]) for key, name, unit in keys if key in evidence and evidence[key].value is not None
    ]
    return [Row(name, _shown(fact, unit), fact.reliable) for name, unit, fact in known]


def _shown(fact: Measured, unit: str) -> str:
    value: Any = fact.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(f"{t['f_hz']:.0f}" for t in value[:5]) + " Hz" if value else "none"
    spread = f" ± {fact.uncertainty:.2g}" if fact.uncertainty else ""
    return f"{value:.4g}{spread} {unit}".strip()
