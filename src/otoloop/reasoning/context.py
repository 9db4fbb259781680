"""What a number in a sentence speaks of: ``107 Hz impacts`` is a rate of impacts, ``2.9 kHz whistle`` a tone.

The word that follows the unit directly wins, then the nearest word before the number, then the nearest after it;
without any, a number in a list is what the one before it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from otoloop.reasoning.numbers import Mention

# topic: words that announce it. Topics starting with "-" are read so that their numbers are left alone.
_TOPICS: tuple[tuple[str, str], ...] = (
    ("-ignored", r"sampl\w*|nyquist|bandwidth|resolution|cut-?off|side-?bands?|spac(?:ed|ing)|window|harmonics? of|"
                 r"multiples? of|サンプリング|側波帯|分解能|帯域幅"),
    ("-resonance", r"resonan\w*|ring(?:s|ing)? (?:at|near|around)|共振"),
    ("centroid", r"centroid|重心"),
    ("energy", r"energy|bands?\b|エネルギー|帯域|[低中高]域"),
    ("mesh", r"mesh\w*|gmf|tooth[- ]pass\w*|か?み合い|噛合"),
    ("mains", r"mains|supply frequency|line frequency|power line|grid|電源周波数|商用"),
    ("outer", r"outer[- ](?:race|ring)|bpfo|外輪"),
    ("inner", r"inner[- ](?:race|ring)|bpfi|内輪"),
    ("ball", r"ball|roll(?:ing|er)[- ]element|bsf|転動体"),
    ("impulse", r"impacts?|impulses?|hits?|hitting|strik(?:es?|ing)|knock(?:s|ing)?|clicks?|bangs?|blows?|hammer\w*|"
                r"taps?|tapping|ticks?|pulses?|bursts?|shocks?|thuds?|thumps?|transients?|インパクト|衝撃音?|打撃|打音|叩"),
    ("modulation", r"swell\w*|modulat\w*|beat(?:s|ing)?|fluctuat\w*|throb\w*|pulsat\w*|pulsing|waver\w*|warbl\w*|"
                   r"wax\w*|ris(?:es|ing) and fall\w*|うね\w|変調|揺ら|脈動|強弱"),
    ("hum", r"hum(?:s|ming)?|buzz\w*|うなり|ハム音?"),
    ("shaft", r"shaft|rotation\w*|turn(?:s|ing)|revol(?:ution|v)\w*|spin\w*|rotat\w*|rotor|running speed|軸(?!受)|"
              r"回転(?!数|速度)"),
    ("speed", r"speed|回転数|回転速度"),
    ("vibration", r"vibrat\w*|振動"),
    ("temperature", r"temperature|temp|hot|warm|温度"),
    ("current", r"current|draws?|電流"),
    ("peak", r"peak level|peak amplitude|peaks? (?:is|of|at|reach\w*) -|ピークレベル"),
    ("level", r"level|loud\w*|rms|音量|レベル"),
    ("tone", r"tones?|tonal|whistl\w*|whin(?:e|es|ing)|squeal\w*|siren|peaks?|lines?|pitch|fundamental|harmonics?|"
             r"sinusoid\w*|component|純音|音程|ピーク|笛音|鳴き|音(?!量)"),
)  # fmt: skip
_TOPIC = re.compile(
    "|".join(f"(?P<t{i}>(?<![a-z])(?:{p})(?![a-z]))" for i, (_, p) in enumerate(_TOPICS)), re.IGNORECASE
)
_ENDS = re.compile(r"[!?。;\n<>]|\.(?!\d)")
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
        "tone": "tone_hz", "impulse": "impulse_rate_hz", "modulation": "modulation_hz", "hum": "hum_hz",
        "mesh": "gear_mesh_hz",
        "shaft": "shaft_hz", "speed": "shaft_hz", "mains": "mains_hz", "centroid": "centroid_hz", "energy": "band",
        "outer": "outer_race_hz", "inner": "inner_race_hz", "ball": "ball_hz",
    },
    "per_s": {
        "impulse": "impulse_rate_hz", "modulation": "modulation_hz", "shaft": "shaft_hz", "speed": "shaft_hz",
        "outer": "outer_race_hz", "inner": "inner_race_hz", "ball": "ball_hz", "level": "modulation_hz",
    },
    "per_min": {"impulse": "impulse_rate_hz", "shaft": "speed_rpm", "speed": "speed_rpm"},
    "per_turn": {
        "impulse": "impacts_per_turn", "outer": "outer_race_order", "inner": "inner_race_order", "ball": "ball_order",
    },
    "none": {"outer": "outer_race_order", "inner": "inner_race_order", "ball": "ball_order",
             "impulse": "impulse_rate_hz"},
    "dbfs": {"peak": "peak_dbfs", "level": "rms_dbfs"},
    "db": {"level": "rms_dbfs"},
}  # fmt: skip
_ONLY = {"rpm": "speed_rpm", "mm_s": "vibration_rms_mm_s", "ampere": "current_a"}
_DEFAULT = {"hz": "tone_hz", "per_turn": "impacts_per_turn", "dbfs": "rms_dbfs"}


@dataclass(frozen=True, slots=True)
class Topic:
    """A word that announces what a number is about, and where it stands."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Known:
    """A mention with its claim kind and the word that told it (None by default or inheritance)."""

    kind: str
    mention: Mention
    topic: Topic | None
    inherited: bool = False


def topics(text: str) -> list[Topic]:
    """All announcing words of ``text`` in order."""
    return [Topic(_TOPICS[int(str(m.lastgroup)[1:])][0], m.start(), m.end()) for m in _TOPIC.finditer(text)]


def sentence(text: str, at: int) -> tuple[int, int]:
    """Bounds of the sentence around ``at``; tags, semicolons and full stops end one."""
    start = max((m.end() for m in _ENDS.finditer(text, 0, at)), default=0)
    end = _ENDS.search(text, at)
    return start, end.start() if end else len(text)


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
    # between commas the words after a number belong to it; "X at 5 Hz and a Y" does not reach Y
    later = [] if ahead else [t for t in behind if not re.search(r"\b(?:and|with|but)\b|[,、]", text[end : t.start])]
    return [*inside, *close, *ahead, *later]


def _fits(text: str, mention: Mention, topic: Topic) -> bool:
    """Whether the words between topic and number bind them; bare numbers need an explicit word such as ``order``."""
    start, end = mention.span
    between = text[topic.end : start] if topic.end <= start else text[end : topic.start]
    if mention.unit == "none":
        return _bare(text, mention, topic, between)
    if mention.unit == "per_turn" and topic.name == "impulse":
        return not _OTHER_COUNT.search(mention.noun)
    # "ringing impacts near 3.2 kHz" tells where they ring, not how often they come
    rings = mention.value >= 1000 and re.search(r"khz|キロ|\bring", text[max(0, start - 40) : end], re.IGNORECASE)
    return not (mention.unit == "hz" and topic.name == "impulse" and rings)


def _bare(text: str, mention: Mention, topic: Topic, between: str) -> bool:
    """A number without a unit counts as an order next to ``order``, as a rate next to ``impact rate``."""
    if topic.end > mention.span[0] or len(between) > 30:
        of = re.fullmatch(r"\s*(?:of|for|\()\s*(?:the\s+)?", between)
        return bool(
            of and topic.name != "impulse" and re.search(r"order\s*(?:of\s*)?$", text[: mention.span[0]], re.IGNORECASE)
        )
    if topic.name == "impulse":
        return bool(_RATE_WORD.search(between)) and mention.value >= 1
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
    if kind == "tone_hz" and (near or mention.high > 8 * mention.low > 0):
        return None
    counted = text[max(0, mention.span[0] - 20) : mention.span[0]] + mention.noun
    if kind == "impacts_per_turn" and (_OTHER_COUNT.search(counted) or mention.noun not in ("", "times")):
        return None
    return Known(kind, mention, None) if kind else None
