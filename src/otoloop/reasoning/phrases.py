"""The sentences that state measured facts, one template a claim kind and language.

Composer and claim reader share this table, so that whatever is written can be read back and checked against the sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrase:
    """Templates with ``{v}`` for the value; ``digits`` after the point where it is copied from evidence."""

    unit: str
    digits: int
    en: str
    ja: str

    def say(self, lang: str, value: str) -> str:
        """The sentence in ``lang`` with ``value`` put in."""
        return (self.ja if lang == "ja" else self.en).format(v=value)


NUMERIC: Mapping[str, Phrase] = {
    "speed_rpm": Phrase("rpm", 0, "the speed is {v} rpm", "回転数は{v} rpm"),
    "shaft_hz": Phrase("/s", 1, "the shaft turns {v} times a second", "軸は毎秒{v}回転"),
    "impulse_rate_hz": Phrase("/s", 1, "impacts come {v} times a second", "衝撃は毎秒{v}回"),
    "impacts_per_turn": Phrase("", 2, "{v} impacts per turn", "一回転に{v}回の衝撃"),
    "outer_race_order": Phrase("", 2, "the outer race order {v}", "外輪次数{v}"),
    "inner_race_order": Phrase("", 2, "the inner race order {v}", "内輪次数{v}"),
    "ball_order": Phrase("", 2, "the ball order {v}", "転動体次数{v}"),
    "gear_mesh_hz": Phrase("Hz", 0, "the gear mesh lies at {v} Hz", "かみ合い周波数は{v} Hz"),
    "hum_hz": Phrase("Hz", 0, "a hum stands at {v} Hz", "{v} Hzのうなり"),
    "modulation_hz": Phrase("/s", 1, "the level swells {v} times a second", "音量は毎秒{v}回うねる"),
    "tone_hz": Phrase("Hz", 0, "a tone stands at {v} Hz", "{v} Hzに音"),
    "rms_dbfs": Phrase("dBFS", 0, "the level is {v} dBFS", "レベルは{v} dBFS"),
    "vibration_rms_mm_s": Phrase("mm/s", 1, "the vibration is {v} mm/s", "振動は{v} mm/s"),
    "temperature_c": Phrase("C", 0, "the temperature is {v} C", "温度は{v} C"),
    "current_a": Phrase("A", 1, "the current is {v} A", "電流は{v} A"),
}

# Rounded to what the model can hear; "near" and "about" mark them as heard, not measured.
HEARD: Mapping[str, Phrase] = {
    "tone_hz": Phrase("Hz", 0, "a tone stands near {v} Hz", "{v} Hz付近に音"),
    "modulation_hz": Phrase("/s", 0, "the level swells about {v} times a second", "音量は毎秒約{v}回うねる"),
}

FLAGS: Mapping[tuple[str, bool], tuple[str, str]] = {
    ("impulsive", True): ("impacts are heard", "衝撃が聞こえる"),
    ("impulsive", False): ("no impacts are heard", "衝撃は聞こえない"),
    ("steady", True): ("the level is steady", "音量は一定"),
    ("tonal", False): ("no clear tone stands out", "はっきりした音程はない"),
}

BANDS: Mapping[str, tuple[str, str]] = {
    "low": ("most energy lies in the low band", "低域が最も強い"),
    "mid": ("most energy lies in the middle band", "中域が最も強い"),
    "high": ("most energy lies in the high band", "高域が最も強い"),
}

ORDERS: Mapping[str, tuple[str, str]] = {
    "outer_race_order": ("nearest the outer race order {v}", "外輪次数{v}に最も近い"),
    "inner_race_order": ("nearest the inner race order {v}", "内輪次数{v}に最も近い"),
    "ball_order": ("nearest the ball order {v}", "転動体次数{v}に最も近い"),
}


def say(pair: tuple[str, str], lang: str) -> str:
    """The English or Japanese half of a pair."""
    return pair[1] if lang == "ja" else pair[0]
