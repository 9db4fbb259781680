"""Numbers with units in free English or Japanese text: ``2.9 kHz``, ``roughly 107 hits per second``, ``毎秒約107回``.

Reads thousands separators, decimal commas before a unit, ranges, bounds, ``±``, hedges, number words and periods
(``every 9.3 ms``). Spans are offsets into the text as given: characters are replaced one for one, never removed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from otoloop.reasoning.spelt import SPELT, value_of

UnitClass = Literal[
    "hz", "per_s", "per_min", "per_turn", "rpm", "dbfs", "db", "mm_s", "celsius", "ampere", "period", "none", "skip"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One number in a text: ``low <= value <= high`` in the unit of ``unit``; a bound leaves one side infinite.

    ``span`` runs from the number (or the unit before it) to the end of the unit; ``noun`` holds words between both.
    """

    value: float
    low: float
    high: float
    unit: UnitClass
    span: tuple[int, int]
    noun: str = ""
    hedged: bool = False


_FULL_WIDTH = {chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)}
_PLAIN = str.maketrans(_FULL_WIDTH) | str.maketrans({
    0x2212: "-", 0x2010: "-", 0x2011: "-", 0x00A0: " ", 0x2009: " ", 0x202F: " ", 0x3000: " ",
    0x301C: "~", 0xFF5E: "~", 0x2248: "~", 0x2019: "'", 0x2013: "-", 0x2014: "-",
})  # fmt: skip

_DIGITS = (
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?: \d{3})+(?=\s*(?:k?hz|rpm))(?!\d)|\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?"
)
_DECIMAL_COMMA = r"\d+,\d{1,2}(?=\s*(?:k?hz|khz|rpm|times|per|/s|mm|db|a\b|°|c\b))"
_NUMBER = re.compile(rf"(?<![a-z0-9_.,])(?:{_DECIMAL_COMMA}|{_DIGITS})(?!\d)", re.IGNORECASE)
_PER = r"(?:per|a|an|each|every|in (?:each|every|one|a)|for (?:each|every))"
_NOUN = r"(?P<noun>(?:[a-z][a-z'-]*\s+){0,4}?(?:[a-z]+(?=/))?)"
_SEC, _MIN = r"s(?:ec(?:ond)?s?)?", r"min(?:ute)?s?"
_TURN = r"(?:shaft |full |complete )?(?:turn|rev(?:olution)?|rotation)s?"
# first match wins; the factor brings the number to the unit of its class
_UNITS: tuple[tuple[str, UnitClass, float], ...] = (
    (r"\s*%|\s*percent\b|\s*パーセント", "skip", 1),
    (r"\s*(?:k\s?hz|kilohertz|キロヘルツ|㎑)(?![a-z])", "hz", 1000),
    (r"\s*-?(?:hz|hertz|ヘルツ|㎐|cycles?\s*(?:per |a |/)\s*s(?:ec(?:ond)?)?)(?![a-z])", "hz", 1),
    (r"\s*k\s?rpm\b", "rpm", 1000),
    (r"\s*(?:rpm|r/min|rev/min|u/min|min(?:\^?-1|⁻¹)|回転/分|回転毎分)(?![a-z])", "rpm", 1),
    (r"\s*(?:mm/s(?:ec)?|㎜/s|mm毎秒|ミリ毎秒|(?:mm|millimet(?:er|re)s?)\s+(?:per|a)\s+second)(?![a-z])", "mm_s", 1),
    (r"\s*db\s?fs(?![a-z])", "dbfs", 1),
    (r"\s*(?:db|decibels?|デシベル)(?![a-z])", "db", 1),
    (r"\s*(?:°\s?c|℃|deg(?:rees?|\.)?\s?(?:celsius|centigrade|c)|(?-i:C)|celsius|degrees)(?![a-z])|"
     r"\s*度(?![数合目])", "celsius", 1),
    (r"\s*(?:(?-i:A)|amps?|amperes?|アンペア)(?![a-z])", "ampere", 1),
    (r"\s*rps(?![a-z])", "per_s", 1),
    (rf"\s*{_NOUN}(?:{_PER}\s+|/\s*){_SEC}(?![a-z])|\s*(?:回|回転)?(?:/|毎)秒", "per_s", 1),
    (rf"\s*{_NOUN}(?:{_PER}\s+|/\s*){_MIN}(?![a-z])|\s*回(?:/|毎)分", "per_min", 1),
    (rf"\s*{_NOUN}(?:{_PER}\s+(?:single )?|/\s*){_TURN}(?![a-z])", "per_turn", 1),
    (r"\s*(?:x|×|times)\s*(?:the\s+)?(?:shaft|running|rotation(?:al)?|turning)\b", "per_turn", 1),
    (r"\s*(?:ms|milliseconds?|ミリ秒)(?![a-z])", "period", 0.001),
    (r"\s*(?:s|sec|seconds?)(?![a-z])|\s*秒", "period", 1),
)  # fmt: skip
_UNIT_RES = tuple((re.compile(p, re.IGNORECASE), c, f) for p, c, f in _UNITS)
_HEDGE_WORDS = (
    r"(?:about|approximately|approx\.?|around|roughly|near(?:ly)?|some|circa|ca\.|almost|close to|or so|"
    r"in the region of|on the order of|~|約|およそ|ほぼ|おおよそ|だいたい)"
)
_HEDGE = re.compile(rf"{_HEDGE_WORDS}\s*(?:an?\s+)?$", re.IGNORECASE)
_HEDGE_AFTER = re.compile(r"\s*(?:or so|付近|前後|程度|くらい|ぐらい|ほど)", re.IGNORECASE)
_ABOVE = re.compile(
    r"(?:above|over|more than|greater than|higher than|at least|exceed(?:s|ing)?|upwards of|beyond|"
    r"(?<![A-Za-z])>=?|≥)\s*(?:about\s+)?$",
    re.IGNORECASE,
)
_BELOW = re.compile(
    r"(?:below|under|less than|lower than|fewer than|at most|up to|no more than|<=?|"
    r"≤)\s*(?:about\s+)?$",
    re.IGNORECASE,
)
_ABOVE_AFTER, _BELOW_AFTER = re.compile(r"\s*(?:以上|超|を超え)"), re.compile(r"\s*(?:以下|未満|を下回)")
_PLUS_MINUS = re.compile(rf"\s*(?:±|\+/-|\+-|plus or minus)\s*({_DIGITS})", re.IGNORECASE)
_TO = re.compile(r"\s*(?:-|~|to|through|から)\s*(?:about\s+|約)?", re.IGNORECASE)
_AMONG, _KILO = re.compile(r"\s*(?:,|,?\s*and|or|、|と|や)\s*", re.IGNORECASE), re.compile(r"k|キロ|㎑", re.IGNORECASE)
_UPPER = re.compile(_DIGITS, re.IGNORECASE)
_AND = re.compile(r"\s*(?:and|と)\s*(?:about\s+)?", re.IGNORECASE)
_BETWEEN = re.compile(r"between\s+(?:about\s+)?$", re.IGNORECASE)
_LINK = r"\s*(?:is|of|=|:|are|was|were|comes? to|equals?|measures?|at|stands at|は|が)?\s*"
_UNITS_BEFORE: tuple[tuple[str, UnitClass], ...] = (
    (r"(?:毎秒|(?:一|1)秒(?:間)?(?:に|あたり|当たり)(?:、)?|秒間)", "per_s"),
    (r"毎分", "per_min"),
    (r"(?:一|1)回転(?:に(?:つき)?|あたり|当たり|ごとに)(?:、)?", "per_turn"),
    (rf"(?:per|each|every|/)\s?(?:second|s|sec)\)?{_LINK}", "per_s"),
    (rf"(?:per|each|every|/)\s?{_TURN}\)?{_LINK}", "per_turn"),
)
_BEFORE = tuple((re.compile(p + rf"\s*(?:{_HEDGE_WORDS}\s*)?$", re.IGNORECASE), u) for p, u in _UNITS_BEFORE)
_IS_PREFIX = re.compile(r"\s*(?:秒(?:間)?(?:に|あたり|当たり)|回転(?:に|あたり|当たり|ごと))")
_COUNTER = re.compile(r"\s*(?:回転|回)")
_EVERY = re.compile(
    rf"(?:every|each|once in|spaced|apart by|interval of|period of|"
    rf"間隔は?)\s*(?:{_HEDGE_WORDS}\s*)?$",
    re.IGNORECASE,
)
_EVERY_AFTER = re.compile(r"\s*(?:apart|intervals?|ごと|おき|間隔|毎)", re.IGNORECASE)
_SIGN = re.compile(r"(?:(?<=[\s(:=は])|^)-$")


def plain(text: str) -> str:
    """``text`` with full-width forms, dashes and odd blanks replaced one for one; offsets stay valid."""
    return text.translate(_PLAIN)


def mentions(text: str) -> Iterator[Mention]:
    """Every number of ``text`` (already ``plain``) from left to right; a range is one mention."""
    at, rows = 0, []
    while (match := _NUMBER.search(text, at)) is not None:
        found, at = _read(text, match)
        if found is not None:
            rows.append(found)
    yield from _shared(text, rows)
    yield from _worded(text)


def _shared(text: str, rows: list[Mention]) -> list[Mention]:
    """Give the numbers of ``200, 300 and 400 Hz`` the unit that stands behind the last."""
    out = list(rows)
    for i in range(len(rows) - 2, -1, -1):
        gap = text[rows[i].span[1] : rows[i + 1].span[0]]
        if rows[i].unit == "none" and out[i + 1].unit == "hz" and _AMONG.fullmatch(gap):
            factor = 1000.0 if _KILO.search(text[out[i + 1].span[0] : out[i + 1].span[1]]) else 1.0
            value = rows[i].value * factor
            out[i] = replace(rows[i], value=value, low=rows[i].low * factor, high=rows[i].high * factor, unit="hz")
    return out


def _read(text: str, match: re.Match[str]) -> tuple[Mention | None, int]:
    """The mention whose first number is ``match`` (None if it only opens a unit), and where to go on."""
    if match.group() == "1" and _IS_PREFIX.match(text, match.end()):
        return None, match.end()
    sign = -1.0 if _SIGN.search(text[: match.start()]) else 1.0
    start = match.start() - (sign < 0)
    first = sign * _value(match.group())
    second = _second(text, match, start)
    if second is not None:
        return _range(text, start, first, match.end(), second), _unit(text, second.end(), start)[2]
    mention = _single(text, start, first, match.end())
    return mention, max(mention.span[1], match.end())


def _value(digits: str) -> float:
    if re.fullmatch(r"\d+,\d{1,2}", digits):
        return float(digits.replace(",", "."))
    return float(digits.replace(",", "").replace(" ", ""))


def _second(text: str, first: re.Match[str], start: int) -> re.Match[str] | None:
    """The upper number when ``first`` opens a range."""
    at = first.end()
    unit, _, end, _ = _unit(text, at, start)
    if unit in ("hz", "rpm", "mm_s", "dbfs"):
        at = end
    link = _TO.match(text, at) or (_AND.match(text, at) if _BETWEEN.search(text[:start]) else None)
    second = _UPPER.match(text, link.end()) if link and link.end() > at else None
    same = second is not None and (at == first.end() or _unit(text, second.end(), start)[0] == unit)
    return second if same else None


def _range(text: str, start: int, first: float, first_end: int, second: re.Match[str]) -> Mention | None:
    """``2 to 3 kHz``, ``900 Hz to 1.1 kHz``, ``between 95 and 110 times a second``."""
    unit, factor, end, noun = _unit(text, second.end(), start)
    own, own_factor, _, _ = _unit(text, first_end, start)
    low = first * (own_factor if own == unit and own != "none" else factor)
    high = _value(second.group()) * factor
    low, high = min(low, high), max(low, high)
    return Mention(value=(low + high) / 2, low=low, high=high, unit=unit, span=(start, end), noun=noun, hedged=True)


def _single(text: str, start: int, number: float, end: int) -> Mention:
    """A number on its own, perhaps with ``±`` or a bound."""
    spread, after = 0.0, end
    if (plus := _PLUS_MINUS.match(text, end)) is not None:
        spread, after = _value(plus.group(1)), plus.end()
    unit, factor, unit_end, noun = _unit(text, after, start)
    value, spread = number * factor, spread * factor
    mention = Mention(
        value=value, low=value - spread, high=value + spread, unit=unit, span=(start, unit_end), noun=noun
    )
    return _as_rate(text, _bounded(text, mention))


def _unit(text: str, at: int, start: int) -> tuple[UnitClass, float, int, str]:
    """Class, factor, end and noun of the unit at ``at``, or of the one written before the number."""
    for pattern, unit, factor in _UNIT_RES:
        if (match := pattern.match(text, at)) is not None:
            return unit, factor, match.end(), (match.groupdict().get("noun") or "").strip()
    head = text[max(0, start - 40) : start]
    counter = _COUNTER.match(text, at)
    for pattern, unit in _BEFORE:
        if pattern.search(head):
            turns = counter is not None and counter.group().strip() == "回転"
            return (
                ("rpm" if unit == "per_min" and turns else unit),
                1,
                counter.end() if counter else at,
                "回転" if turns else "",
            )
    return "none", 1, at, ""


def _bounded(text: str, mention: Mention) -> Mention:
    """The mention with its hedge and its bound (``above 2 kHz``, ``2 kHz以上``)."""
    start, end = mention.span
    head = text[max(0, start - 30) : start]
    hedged = bool(_HEDGE.search(head) or _HEDGE_AFTER.match(text, end))
    if _ABOVE.search(head) or _ABOVE_AFTER.match(text, end):
        return replace(mention, high=math.inf, hedged=True)
    if _BELOW.search(head) or _BELOW_AFTER.match(text, end):
        return replace(mention, low=-math.inf, hedged=True)
    return replace(mention, hedged=hedged)


def _as_rate(text: str, mention: Mention) -> Mention:
    """A period (``every 9.3 ms``) as a rate a second; other times are no claims."""
    if mention.unit != "period":
        return mention
    start, end = mention.span
    repeated = _EVERY.search(text[max(0, start - 40) : start]) or _EVERY_AFTER.match(text, end)
    if not repeated or mention.value <= 0:
        return replace(mention, unit="skip")
    rate = 1 / mention.value
    return replace(mention, value=rate, low=rate, high=rate, unit="per_s")


def _worded(text: str) -> Iterator[Mention]:
    """``twice a second``, ``three times per turn``: number words count only where a rate follows."""
    for match in SPELT.finditer(text):
        unit, _, end, noun = _unit(text, match.end(), match.start())
        if unit in ("per_s", "per_turn") and end > match.end():
            value = value_of(match.group())
            mention = Mention(value=value, low=value, high=value, unit=unit, span=(match.start(), end), noun=noun)
            yield _bounded(text, mention)
