"""Whatever the composer writes is found again with its value and kind, in both languages, and nothing is invented."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from otoloop.reasoning.claims import extract
from otoloop.reasoning.composer import compose
from otoloop.reasoning.trace import format_trace
from otoloop.reasoning.vocab import faults
from otoloop.records import Measured

THIRDS = (
    50,
    63,
    80,
    100,
    125,
    160,
    200,
    250,
    315,
    400,
    500,
    630,
    800,
    1000,
    1250,
    1600,
    2000,
    2500,
    3150,
    4000,
    5000,
    6300,
    8000,
)
# what the cue of a fault says of the sound, read by a person from faults.yaml
CUES = {
    "normal": ("impulsive", False), "bearing_outer": ("impulsive", True), "bearing_inner": ("impulsive", True),
    "bearing_ball": ("impulsive", True), "electrical_hum": ("hum", True), "blade_pass": ("tonal", True),
    "gear_wear": ("tonal", True), "inverter_whine": ("tonal", True),
}  # fmt: skip
ORDER_OF = {"bearing_outer": "outer_race_order", "bearing_inner": "inner_race_order", "bearing_ball": "ball_order"}


def fact(strategy):
    return st.one_of(st.none(), strategy).map(lambda v: Measured(value=v, uncertainty=0.0, reliable=v is not None))


@st.composite
def evidences(draw):
    keys = {
        "speed_rpm": st.floats(300, 6000),
        "impulse_rate_hz": st.floats(1, 400),
        "hum_hz": st.sampled_from([100.0, 120.0]),
        "modulation_hz": st.floats(0.5, 40),
        "band": st.sampled_from(["low", "mid", "high"]),
        "impulsive": st.booleans(),
        "steady": st.booleans(),
        "outer_race_order": st.floats(2, 6),
        "inner_race_order": st.floats(6.5, 9),
        "ball_order": st.floats(9.5, 14),
        "gear_mesh_hz": st.floats(100, 4000),
    }
    evidence = {k: draw(fact(s)) for k, s in keys.items()}
    found = draw(st.lists(st.floats(50, 8000), max_size=3))
    evidence["tones"] = Measured(value=[{"f_hz": f, "level_db": 9.0} for f in found], reliable=bool(found))
    orders = [evidence[k].value for k in ("outer_race_order", "inner_race_order", "ball_order") if evidence[k].value]
    ratio = (
        draw(st.sampled_from(orders)) * draw(st.floats(0.98, 1.02)) if orders else draw(st.none() | st.floats(1, 20))
    )
    evidence["impacts_per_turn"] = Measured(value=ratio, reliable=ratio is not None)
    return evidence


def expected(evidence, fault, kind, style):
    """The claims a trace must make, from the composer's contract alone."""
    if style == "direct":
        return []
    rows = [CUES[fault.id]] if fault.id in CUES else []
    known = {k: m.value for k, m in evidence.items() if m.reliable and m.value is not None}
    tones = [t["f_hz"] for t in known.get("tones", [])]
    if "band" in known:
        rows.append(("band", known["band"]))
    if kind == "audio_only":
        rows += [("tone_hz", min(THIRDS, key=lambda c: max(c / tones[0], tones[0] / c)))] if tones else []
        rows += [("impulsive", known["impulsive"])] if "impulsive" in known else []
        if 1 <= known.get("modulation_hz", 0) <= 20:
            rows.append(("modulation_hz", round(known["modulation_hz"])))
        elif known.get("steady"):
            rows.append(("steady", True))
        return rows
    for key, digits in (("speed_rpm", 0), ("impulse_rate_hz", 1), ("hum_hz", 0), ("modulation_hz", 1)):
        rows += [(key, round_as_text(known[key], digits))] if key in known else []
    rows += [("tone_hz", round_as_text(tones[0], 0))] if tones else []
    return rows + combined(known, tones, fault)


def combined(known, tones, fault):
    orders = {
        k: round_as_text(known[k], 2) for k in ("outer_race_order", "inner_race_order", "ball_order") if k in known
    }
    if "impacts_per_turn" in known and orders:
        ratio = round_as_text(known["impacts_per_turn"], 2)
        best = min(orders, key=lambda k: abs(orders[k] / ratio - 1))
        if abs(orders[best] / ratio - 1) <= 0.05 and ORDER_OF.get(fault.id) == best:
            return [("impacts_per_turn", ratio), ("nearest_order", best), (best, orders[best])]
    if fault.id == "gear_wear" and "gear_mesh_hz" in known and tones:
        mesh = round_as_text(known["gear_mesh_hz"], 0)
        return [("gear_mesh_hz", mesh)] if abs(tones[0] / mesh - 1) < 0.05 else []
    return []


def round_as_text(value, digits):
    return float(f"{value:.{digits}f}")


@settings(max_examples=400, deadline=None)
@given(
    evidences(),
    st.sampled_from(sorted(faults())),
    st.sampled_from(["audio_only", "with_evidence"]),
    st.sampled_from(["cot", "cot", "direct"]),
    st.sampled_from(["en", "ja"]),
    st.sampled_from([None, "b"]),
    st.integers(0, 99),
)
def test_the_composers_sentences_are_read_back(evidence, name, kind, style, lang, letter, seed):
    fault = faults()[name]
    trace = compose(evidence, fault, kind=kind, style=style, lang=lang, letter=letter, rng=random.Random(seed))
    text = format_trace(trace)
    found = sorted(((c.kind, c.value) for c in extract(text)), key=str)
    wanted = sorted(
        (
            (k, float(v) if isinstance(v, int) and not isinstance(v, bool) else v)
            for k, v in expected(evidence, fault, kind, style)
        ),
        key=str,
    )
    assert found == wanted, text


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_survived_and_spans_lie_inside(text):
    for claim in extract(text):
        assert 0 <= claim.span[0] < claim.span[1] <= len(text)
        assert claim.text == text[slice(*claim.span)]
