"""Claims in the words of other people and models: every line says what must be read out of it, and nothing more."""

import pytest

from otoloop.reasoning.claims import extract

CASES = [
    ("a tone near 2.9 kHz", [("tone_hz", 2900)]),
    ("There is a whistle at approximately 2,900 Hz.", [("tone_hz", 2900)]),
    ("ein Ton: 2,9 kHz", [("tone_hz", 2900)]),
    ("roughly 107 hits per second", [("impulse_rate_hz", 107)]),
    ("107 Hz impacts", [("impulse_rate_hz", 107)]),
    ("Regular knocks, about 107 of them: 107 knocks each second.", [("impulse_rate_hz", 107), ("impulsive", True)]),
    ("one impact every 9.5 ms", [("impulse_rate_hz", 1000 / 9.5)]),
    ("6420 impacts per minute", [("impulse_rate_hz", 107)]),
    ("Impacts repeat at about 107 Hz and a tone at 2.9 kHz is there.", [("impulse_rate_hz", 107), ("tone_hz", 2900)]),
    ("a 2.9 kHz whistle and a 100 Hz hum", [("tone_hz", 2900), ("hum_hz", 100)]),
    ("tones at 500 Hz, 1.2 kHz and 3 kHz", [("tone_hz", 500), ("tone_hz", 1200), ("tone_hz", 3000)]),
    ("the pump turns at 1,480 rpm (24.7 Hz)", [("speed_rpm", 1480), ("shaft_hz", 24.7)]),
    ("the shaft makes 24.7 turns per second, so 4.3 knocks per turn", [("shaft_hz", 24.7), ("impacts_per_turn", 4.3)]),
    ("impacts per revolution: 4.31, close to the BPFO order of 4.3",
     [("impacts_per_turn", 4.31), ("nearest_order", "outer_race_order"), ("outer_race_order", 4.3)]),
    ("The outer race frequency (BPFO) is 106.5 Hz", [("outer_race_hz", 106.5)]),
    ("the gear mesh frequency of 530 Hz", [("gear_mesh_hz", 530)]),
    ("amplitude modulated at 4 Hz", [("modulation_hz", 4)]),
    ("the loudness swells four times per second", [("modulation_hz", 4)]),
    ("RMS level around -23 dBFS, peak level -3 dBFS", [("rms_dbfs", -23), ("peak_dbfs", -3)]),
    ("temperature of 61 °C, vibration 2.3 mm/s, the motor draws 4.2 A",
     [("temperature_c", 61), ("vibration_rms_mm_s", 2.3), ("current_a", 4.2)]),
    ("energy is mostly below 500 Hz", [("band", "low")]),
    ("The spectrum is dominated by high frequencies.", [("band", "high")]),
    ("mid-frequency energy dominates", [("band", "mid")]),
    ("No impacts are heard, but a hum at 100 Hz.", [("impulsive", False), ("hum_hz", 100)]),
    ("neither tones nor impacts", [("tonal", False), ("impulsive", False)]),
    ("no tone, impacts are heard", [("tonal", False), ("impulsive", True)]),
    ("impacts are absent; the level is steady", [("impulsive", False), ("steady", True)]),
    ("衝撃は毎秒約107回で、2.9kHz付近に純音がある。", [("impulse_rate_hz", 107), ("tone_hz", 2900)]),
    ("1秒間に１０７回の衝撃", [("impulse_rate_hz", 107)]),
    ("回転数は毎分1,480回転、温度は61℃。", [("speed_rpm", 1480), ("temperature_c", 61)]),
    ("1回転あたり4.31回の衝撃で外輪次数4.32に近い。",
     [("impacts_per_turn", 4.31), ("outer_race_order", 4.32), ("nearest_order", "outer_race_order")]),
    ("衝撃音は認められず、音量は一定。", [("impulsive", False), ("steady", True)]),
    ("100ヘルツのうなりと2.9キロヘルツの音", [("hum_hz", 100), ("tone_hz", 2900)]),
    ("高域が優勢", [("band", "high")]),
    ("エネルギーの大部分は高域にある。", [("band", "high")]),
    ("衝撃音は聞こえないが、3kHz付近に笛のような音がある。", [("impulsive", False), ("tone_hz", 3000)]),
    ("a hum at 100 Hz and its harmonics (200, 300 and 400 Hz)",
     [("hum_hz", 100), ("tone_hz", 200), ("tone_hz", 300), ("tone_hz", 400)]),
    ("impacts at a rate of roughly one hundred and seven per second", [("impulse_rate_hz", 107)]),
    ("The tone wavers between 2.8 and 3.0 kHz.", [("tone_hz", 2900)]),
    ("107 impacts/s at 24.7 rev/s", [("impulse_rate_hz", 107), ("shaft_hz", 24.7)]),
    ("The speed is 1480.", [("speed_rpm", 1480)]),
    ("As expected, impacts come 150 times a second.", [("impulse_rate_hz", 150)]),
    ("If I listen closely, impacts come 150 times a second.", [("impulse_rate_hz", 150)]),
    ("I could hear impacts 150 times a second.", [("impulse_rate_hz", 150)]),
    ("The ratio of 4.33 is closest to the outer race order (4.32), not the inner race order (6.68).",
     [("impacts_per_turn", 4.33), ("nearest_order", "outer_race_order"), ("outer_race_order", 4.32),
      ("inner_race_order", 6.68)]),
    ("The low-frequency hiss dominates; the level fluctuates.", [("band", "low"), ("steady", False)]),
    ("Impacts come 107.0 times a second, 2.5 % above the expected 104.4 times a second.", [("impulse_rate_hz", 107)]),
]  # fmt: skip

NOTHING = [
    "The sound was sampled at 16 kHz.",
    "If it were an outer race defect, impacts would come 88 times a second.",
    "Listen for impacts and tones.",
    "もし外輪なら、衝撃は毎秒88回のはず。",
    "It was recorded at 48 kHz.",
    "A rumble below 200 Hz.",
    "<PLANNING>Check for impacts, a hum and tones.</PLANNING>",
    "The machine shows valve knock.",
    "a scrape once a turn",
    "dull thuds a few times a second",
    "20 teeth per turn",
    "The recording lasts 4 seconds; option (b) of 4 fits.",
    "a steady hiss",
    "衝撃があれば外輪のはず。",
    "The bearing 6205 was changed in 2021.",
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_free_wording_is_read(text, expected):
    found = sorted(((c.kind, rounded(c.value)) for c in extract(text)), key=str)
    assert found == sorted(((kind, rounded(value)) for kind, value in expected), key=str)


def rounded(value):
    return value if isinstance(value, bool | str) else round(float(value), 6)


@pytest.mark.parametrize("text", NOTHING)
def test_what_is_no_claim_about_this_sound_is_left_alone(text):
    assert extract(text) == []


def test_both_halves_of_a_correction_are_read():
    first, second = extract("The tone is not at 2.9 kHz but at 3.3 kHz.")
    assert (first.negated, first.value, second.negated, second.value) == (True, 2900, False, 3300)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("a tone between 2 and 3 kHz", 2000, 3000), ("tones from 900 Hz to 1.1 kHz", 900, 1100),
        ("95-110 impacts per second", 95, 110), ("107 ± 3 impacts per second", 104, 110),
        ("a tone above 2 kHz", 2000, float("inf")), ("2kHz以上の音", 2000, float("inf")), ("2〜3kHzの音", 2000, 3000),
    ],
)  # fmt: skip
def test_ranges_and_bounds(text, low, high):
    (claim,) = extract(text)
    assert (claim.low, claim.high) == (low, high)


def test_a_denied_tone_is_a_claim_of_its_own():
    (claim,) = extract("There is no tone at 2.9 kHz.")
    assert claim.negated and claim.value == 2900


def test_spans_point_at_the_words_also_after_wide_characters():
    text = "衝撃は毎秒１０７回、ほかに2.9 kHzの音。"
    first, second = extract(text)
    assert "１０７" in text[slice(*first.span)] and "2.9 kHz" in text[slice(*second.span)]
    assert first.text == text[slice(*first.span)]
