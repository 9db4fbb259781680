"""Measured facts as the ``<EVIDENCE>`` block of a prompt: one short line a fact, only what is reliable.

The same code writes it in drafting, training, evaluation and serving, so that the model always meets one form.
"""

from __future__ import annotations

from otoloop.records import Evidence

# key, label, digits after the point, unit; the order is the order of the block
_LINES: tuple[tuple[str, str, int, str], ...] = (
    ("speed_rpm", "speed", 0, "rpm"),
    ("shaft_hz", "shaft", 1, "/s"),
    ("impulse_rate_hz", "impacts", 1, "/s"),
    ("impacts_per_turn", "impacts per turn", 2, ""),
    ("outer_race_order", "outer race order", 2, ""),
    ("inner_race_order", "inner race order", 2, ""),
    ("ball_order", "ball order", 2, ""),
    ("gear_mesh_hz", "gear mesh", 0, "Hz"),
    ("hum_hz", "hum", 0, "Hz"),
    ("modulation_hz", "modulation", 1, "/s"),
    ("rms_dbfs", "level", 0, "dBFS"),
    ("vibration_rms_mm_s", "vibration", 1, "mm/s"),
    ("temperature_c", "temperature", 0, "C"),
    ("current_a", "current", 1, "A"),
)
_MAX_TONES = 2


def number(value: float, digits: int) -> str:
    """The number as text in the one form that prompts and traces share."""
    return f"{value:.{digits}f}"


def stated(evidence: Evidence, key: str) -> str | None:
    """The fact ``key`` as the block writes it, or None when it is absent or not reliable."""
    fact = evidence.get(key)
    if fact is None or fact.value is None or not fact.reliable:
        return None
    return next(number(float(fact.value), digits) for k, _, digits, _ in _LINES if k == key)


def tones_hz(evidence: Evidence) -> list[float]:
    """Reliable tones, strongest first, in Hz."""
    fact = evidence.get("tones")
    if fact is None or not fact.reliable or not fact.value:
        return []
    return [float(t["f_hz"]) for t in fact.value[:_MAX_TONES]]


def block(evidence: Evidence) -> str:
    """The block with its tags; lines hold ``label value unit``."""
    lines = []
    for key, label, _, unit in _LINES:
        text = stated(evidence, key)
        if text is not None:
            lines.append(f"{label} {text} {unit}".strip())
    lines += [f"tone {number(f, 0)} Hz" for f in tones_hz(evidence)]
    band = evidence.get("band")
    if band is not None and band.value and band.reliable:
        lines.append(f"band {band.value}")
    return "<EVIDENCE>" + "; ".join(lines or ["nothing reliable"]) + "</EVIDENCE>"
