"""What a number in a sentence speaks of: ``107 Hz impacts`` is a rate of impacts, ``2.9 kHz whistle`` a tone.

The word that follows the unit directly wins, then the nearest word before the number, then the nearest after it;
without any, a number in a list is what the one before it was.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from otoloop.reasoning.numbers import Mention
from otoloop.reasoning.topics import Topic, clause, sentence

_LIST = re.compile(
    r"\s*(?:,|and|or|/|、|と|や|&|,\s*and)\s*(?:at\s+)?(?:about\s+|near\s+|around\s+|約)?-?$", re.IGNORECASE
)
_SAME = re.compile(
    r"\s*(?:\(|=|,?\s*(?:i\.e\.|that is|or|equal to|which is|つまり|すなわち))\s*(?:about\s+|~|"
    r"約)?-?$",
    re.IGNORECASE,
)
_ADJACENT = re.compile(
    r"\s*(?:[-の]|に|付近[にの]|前後の|程度の)?\s*(?:(?!and|or|with|at|in|from|to|is|"
    r"the)[a-z-]+\s+){0,1}$",
    re.IGNORECASE,
)
_ORDER_WORD = re.compile(r"orders?|ratio|multiple|次数|bpfo|bpfi|bsf|比", re.IGNORECASE)
_RATE_WORD = re.compile(r"(?:rate|frequency|repetition|頻度|周期)", re.IGNORECASE)
_OTHER_COUNT = re.compile(r"blades?|teeth|tooth|scrap\w*|rubs?|vanes?|balls?|bolts?|羽根|歯|擦", re.IGNORECASE)

_KINDS: dict[str, dict[str, str]] = {
    "hz": {
        "tone": "tone_hz",
        "impulse": "impulse_rate_hz",
        "modulation": "modulation_hz",
        "hum": "hum_hz",
        "mesh": "gear_mesh_hz",
        "shaft": "shaft_hz",
        "speed": "shaft_hz",
        "mains": "mains_hz",
        "centroid": "centroid_hz",
        "energy": "band",
        "outer": "outer_race_hz",
        "inner": "inner_race_hz",
        "ball": "ball_hz",
    },
    "per_s": {
        "impulse": "impulse_rate_hz",
        "modulation": "modulation_hz",
        "shaft": "shaft_hz",
        "speed": "shaft_hz",
        "outer": "outer_race_hz",
        "inner": "inner_race_hz",
        "ball": "ball_hz",
        "level": "modulation_hz",
    },
    "per_min": {"impulse": "impulse_rate_hz", "shaft": "speed_rpm", "speed": "speed_rpm"},
    "per_turn": {
        "impulse": "impacts_per_turn",
        "outer": "outer_race_order",
        "inner": "inner_race_order",
        "ball": "ball_order",
    },
    "none": {
        "ratio": "impacts_per_turn",
        "speed": "speed_rpm",
        "temperature": "temperature_c",
        "outer": "outer_race_order",
        "inner": "inner_race_order",
        "ball": "ball_order",
        "impulse": "impulse_rate_hz",
    },
    "dbfs": {"peak": "peak_dbfs", "level": "rms_dbfs"},
    "db": {"level": "rms_dbfs"},
}
_ONLY = {"rpm": "speed_rpm", "mm_s": "vibration_rms_mm_s", "ampere": "current_a"}
_DEFAULT = {"hz": "tone_hz", "per_turn": "impacts_per_turn", "dbfs": "rms_dbfs"}


@dataclass(frozen=True, slots=True)
class Known:
    """A mention with its claim kind and the word that told it (None by default or inheritance)."""

    kind: str
    mention: Mention
    topic: Topic | None
    inherited: bool = False


def classify(
    text: str, mention: Mention, found: list[Topic], before: Known | None, after: Mention | None
) -> Known | None:
    """The kind of claim that ``mention`` makes, or None when it makes none."""
    if mention.unit in _ONLY:
        return Known(_ONLY[mention.unit], mention, None)
    if mention.unit in ("skip", "period"):
        return None
    near = _candidates(text, mention, found, before, after)
    if mention.unit == "celsius":
        return _temperature(text, mention, near)
    allowed = _KINDS[mention.unit]
    for topic in near:
        if topic.name.startswith("-"):
            return None
        if topic.name in allowed and _fits(text, mention, topic):
            return Known(allowed[topic.name], mention, topic)
    return _inherited(text, mention, before) or _by_default(text, mention, near)


def _candidates(
    text: str, mention: Mention, found: list[Topic], before: Known | None, after: Mention | None
) -> list[Topic]:
    """Announcing words in order of trust: within or right behind the number, before it, after it."""
    start, end = mention.span
    left, right = sentence(text, start)
    left = max(left, before.mention.span[1] if before else 0)
    right = min(right, after.span[0] if after else right)
    inside = [t for t in found if start <= t.start < end]
    behind = [t for t in found if end <= t.start < right]
    close = [t for t in behind if _ADJACENT.fullmatch(text[end : t.start])][:1]
    ahead = [t for t in reversed(found) if left <= t.start and t.end <= start]
    # words after a number belong to it where no "and" stands between and its own clause has none before it
    opens, _ = clause(text, start, left, right)
    here = [t for t in ahead if t.start >= opens]
    later = [] if here else [t for t in behind if not re.search(r"\b(?:and|with|but)\b|[,、]", text[end : t.start])]
    return [*inside, *close, *here, *later, *(t for t in ahead if t not in here)]


def _fits(text: str, mention: Mention, topic: Topic) -> bool:
    """Whether the words between topic and number bind them; bare numbers need an explicit word such as ``order``."""
    start, end = mention.span
    between = text[topic.end : start] if topic.end <= start else text[end : topic.start]
    if mention.unit == "none":
        return _bare(text, mention, topic, between)
    if mention.unit == "per_turn" and topic.name == "impulse":
        return not _OTHER_COUNT.search(mention.noun)
    rings = mention.value >= 1000 and re.search(r"khz|キロ|\bring", text[max(0, start - 40) : end], re.IGNORECASE)
    if mention.unit != "hz":
        return True
    # "ringing impacts near 3.2 kHz" tells where they ring, "wavers between 2.8 and 3 kHz" of what it is a wavering
    return not (topic.name == "impulse" and rings) and not (topic.name == "modulation" and mention.value > 100)


def _bare(text: str, mention: Mention, topic: Topic, between: str) -> bool:
    """A number without a unit counts as an order next to ``order``, as a rate next to ``impact rate``."""
    if topic.end > mention.span[0] or len(between) > 30:
        of = re.fullmatch(r"\s*(?:of|for|\()\s*(?:the\s+)?", between)
        return bool(
            of and topic.name != "impulse" and re.search(r"order\s*(?:of\s*)?$", text[: mention.span[0]], re.IGNORECASE)
        )
    if topic.name == "impulse":
        return bool(_RATE_WORD.search(between)) and mention.value >= 1
    if topic.name in ("ratio", "speed", "temperature"):
        return re.fullmatch(r"\s*(?:is|of|:|=)?\s*(?:about |roughly )?", between) is not None
    return bool(_ORDER_WORD.search(text[topic.start : mention.span[0]]))


def _temperature(text: str, mention: Mention, near: list[Topic]) -> Known | None:
    """Degrees are a temperature unless they turn something; a bare ``C`` or ``度`` needs the word temperature."""
    unit = text[mention.span[0] : mention.span[1]].lower()
    topic = next((t for t in near if t.name == "temperature"), None)
    sure = any(mark in unit for mark in ("°", "℃", "celsius", "centigrade", "deg c"))
    return Known("temperature_c", mention, topic) if sure or topic else None


def _inherited(text: str, mention: Mention, before: Known | None) -> Known | None:
    """``500 Hz, 1.2 kHz and 3 kHz`` all are tones; ``1480 rpm (24.7 Hz)`` is the shaft."""
    if before is None:
        return None
    gap = text[before.mention.span[1] : mention.span[0]]
    if _SAME.fullmatch(gap) and before.kind in ("speed_rpm", "shaft_hz") and mention.unit in ("hz", "per_s"):
        return Known("shaft_hz", mention, None)
    if (_SAME.fullmatch(gap) or _LIST.fullmatch(gap)) and before.kind in _KINDS.get(mention.unit, {}).values():
        return Known(before.kind, mention, before.topic, inherited=True)
    return None


def _by_default(text: str, mention: Mention, near: list[Topic]) -> Known | None:
    """What a number of this unit means when no word tells: a lone frequency is a tone, unless its range is wide."""
    kind = _DEFAULT.get(mention.unit)
    wide = mention.high > 8 * mention.low or not math.isfinite(mention.low + mention.high)
    if kind == "tone_hz" and (near or wide):
        return None
    counted = text[max(0, mention.span[0] - 20) : mention.span[0]] + mention.noun
    if kind == "impacts_per_turn" and (_OTHER_COUNT.search(counted) or mention.noun not in ("", "times")):
        return None
    return Known(kind, mention, None) if kind else None
