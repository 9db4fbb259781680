"""Every checkable statement of a trace, with its value and place.

The composer's own sentences are read by patterns made from `phrases`; whatever other people and models write is read by
number, unit and the words around it (`numbers`, `context`) and by words for events (`events`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from otoloop.reasoning.context import Known, classify
from otoloop.reasoning.events import Event, blank, events
from otoloop.reasoning.negation import denied, supposed
from otoloop.reasoning.numbers import Mention, mentions, plain
from otoloop.reasoning.phrases import BANDS, FLAGS, HEARD, NUMERIC
from otoloop.reasoning.topics import Topic, topics
from otoloop.records import Claim

UNITS: Mapping[str, str] = {
    **{k: p.unit for k, p in NUMERIC.items()},
    "mains_hz": "Hz", "centroid_hz": "Hz", "outer_race_hz": "Hz", "inner_race_hz": "Hz", "ball_hz": "Hz",
    "peak_dbfs": "dBFS",
}  # fmt: skip
# what a sentence with "would" or "if" supposes of the sound is no claim about this sound
_OF_SOUND = {
    "tone_hz",
    "impulse_rate_hz",
    "modulation_hz",
    "hum_hz",
    "rms_dbfs",
    "peak_dbfs",
    "centroid_hz",
    "impacts_per_turn",
    "band",
}
_NEAREST = re.compile(
    r"(?<![a-z])(?P<link>nearest|closest|very close|close to|close|match(?:es|ing)?|agrees? with|equals?|fits?|"
    r"corresponds? to|coincides? with|in line with)"
    r"(?: to| with)?(?: the)? (?:expected |theoretical |geometric )?(?P<order>outer|inner|ball|rolling element|bpfo|"
    r"bpfi|bsf)(?:[- ](?:race|ring))?(?= order| orders|'s order| ratio|, | \(|\.|\s\d| at)"
    r"|(?P<orderja>外輪|内輪|転動体)次数[^。、に]{0,8}?(?P<linkja>に(?:最も)?近い)",
    re.IGNORECASE,
)  # fmt: skip
_OUTER, _INNER = "outer_race_order", "inner_race_order"
_ORDER_NAMES = {"outer": _OUTER, "bpfo": _OUTER, "外輪": _OUTER, "inner": _INNER, "bpfi": _INNER, "内輪": _INNER}


_HEARD_WORD = re.compile(r"\b(?:about|near)\b|約|付近")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated(Claim):
    """A claim with how it was put: a range or bound (``low``, ``high``), hedged ("about"), or denied ("no tone")."""

    low: float | None = None
    high: float | None = None
    hedged: bool = False
    negated: bool = False


def extract(text: str, lang: str | None = None) -> list[Claim]:
    """All claims of a trace or of any text, in order of appearance; spans do not overlap.

    Args:
        text: a trace with its tags, or plain prose.
        lang: ``en`` or ``ja``; None reads both.
    """
    return list(_extract(text, lang))


@lru_cache(maxsize=256)
def _extract(text: str, lang: str | None) -> tuple[Claim, ...]:
    """One trace is read several times in a row: by each check, for the reviewer, at the decision."""
    flat = plain(text)
    claims = list(_composed(flat, lang))
    claims += _nearest(flat, claims)
    claims += _numbers(flat, claims)
    claims += _events(flat, claims)
    return tuple(sorted((_with_text(c, text) for c in claims), key=lambda c: (c.span, c.kind)))


@cache
def _templates(lang: str | None) -> tuple[tuple[re.Pattern[str], str, float | str | bool | None], ...]:
    """(pattern, kind, fixed value or None for a number) of every phrase, longest first."""
    rows: list[tuple[str, str, float | str | bool | None]] = []
    for side in ("en", "ja") if lang is None else (lang,):
        half = int(side == "ja")
        rows += [
            (getattr(p, side), k, None) for table in (NUMERIC, HEARD) for k, p in table.items() if "order" not in k
        ]
        rows += [(pair[half], kind, value) for (kind, value), pair in FLAGS.items()]
        rows += [(pair[half], "band", band) for band, pair in BANDS.items()]
    rows.sort(key=lambda r: -len(r[0]))
    return tuple((_pattern(template), kind, value) for template, kind, value in rows)


def _pattern(template: str) -> re.Pattern[str]:
    """The phrase as a pattern; a number, a letter or a dash beside it means that it is part of something longer."""
    body = re.escape(template).replace(r"\{v\}", r"(-?\d+(?:\.\d+)?)")
    guard = r"(?<![\d.,a-z-])" if template[0].isascii() else ""
    return re.compile(rf"{guard}{body}(?![a-z\d]|\.\d|,\d)", re.IGNORECASE)


def _composed(text: str, lang: str | None) -> Iterator[Stated]:
    """Claims in the very words of `phrases`."""
    for pattern, kind, value in _templates(lang):
        for match in pattern.finditer(text):
            if _announced(text, match.start()) or (value is None and denied(text, *match.span())):
                continue
            text = blank(text, [match.span()])
            stated = float(match.group(1)) if value is None else value
            yield _stated(kind, stated, match.span(), hedged=_HEARD_WORD.search(match.group()) is not None)


def _announced(text: str, at: int) -> bool:
    """In the planning part nothing is claimed in these words; a supposition claims nothing either."""
    return supposed(text, at) or text.rfind("<PLANNING>", 0, at) > text.rfind("</PLANNING>", 0, at)


def _stated(
    kind: str, value: float | str | bool, span: tuple[int, int], *, low: float | None = None, high: float | None = None,
    hedged: bool = False, negated: bool = False,
) -> Stated:  # fmt: skip
    if isinstance(value, float) and low is None:
        low = high = value
    unit = UNITS.get(kind, "")
    return Stated(
        kind=kind, value=value, unit=unit, text="", span=span, low=low, high=high, hedged=hedged, negated=negated
    )


def _nearest(text: str, taken: list[Stated]) -> list[Stated]:
    """``nearest the outer race order``: which order of the bearing explains the count."""
    found = []
    for match in _NEAREST.finditer(text):
        name = (match["order"] or match["orderja"]).lower()
        span = match.span("link") if match["order"] else match.span("linkja")
        if (
            not supposed(text, match.start())
            and not denied(text, match.start(), match.start())
            and not _taken(span, taken)
        ):
            found.append(_stated("nearest_order", _ORDER_NAMES.get(name, "ball_order"), span))
    return found


def _numbers(text: str, taken: list[Stated]) -> list[Stated]:
    """Claims with a number that the patterns of `phrases` have not read."""
    found = topics(text)
    rows = sorted(mentions(text), key=lambda m: m.span)
    claims: list[Stated] = []
    before: Known | None = None
    for i, mention in enumerate(rows):
        done = next((c for c in taken if _overlaps(mention.span, c.span)), None)
        if done is not None:
            before = Known(done.kind, mention, None) if done.kind != "nearest_order" else before
            continue
        known = classify(text, mention, found, before, rows[i + 1] if i + 1 < len(rows) else None)
        if known is not None:
            before = known
            claims += _claim(text, known)
    bands = {c.value for c in taken if c.kind == "band"}
    return [c for c in claims if c.kind != "band" or c.value not in bands]


def _claim(text: str, known: Known) -> list[Stated]:
    """The claim that a classified number makes; none where it is only supposed."""
    mention, kind = known.mention, known.kind
    if kind in _OF_SOUND and supposed(text, mention.span[0]):
        return []
    if kind == "band":
        return _band_of(mention, text)
    mention = _converted(mention, kind)
    start, end = mention.span
    topic = known.topic
    if topic is not None and not known.inherited and abs(topic.start - start) < 60:
        start, end = min(start, topic.start), max(end, topic.end)
    negated = kind in _OF_SOUND and (
        denied(text, *mention.span) or (topic is not None and _denies(text, topic, mention))
    )
    return [
        _stated(
            kind,
            mention.value,
            (start, end),
            low=mention.low,
            high=mention.high,
            hedged=mention.hedged,
            negated=negated,
        )
    ]


def _denies(text: str, topic: Topic, mention: Mention) -> bool:
    """Whether the announcing word itself is denied: "no tone at 2.9 kHz"."""
    beyond = re.search(r"\bbut\b", text[topic.end : mention.span[0]])
    return beyond is None and denied(text, topic.start, topic.end)


def _converted(mention: Mention, kind: str) -> Mention:
    """Impacts a minute as impacts a second; a level whose sign was left out as negative."""
    if mention.unit == "per_min" and kind == "impulse_rate_hz":
        return replace(mention, value=mention.value / 60, low=mention.low / 60, high=mention.high / 60)
    if kind in ("rms_dbfs", "peak_dbfs") and mention.value > 0:
        return replace(mention, value=-mention.value, low=-mention.high, high=-mention.low)
    return mention


def _band_of(mention: Mention, text: str) -> list[Stated]:
    """``most energy lies below 500 Hz``: the band that a frequency or range of the energy falls into."""
    line = text[max(0, mention.span[0] - 60) : mention.span[1] + 30].lower()
    if not re.search(r"most|dominat|strong|concentrat|mainly|bulk|集中|強|優勢", line):
        return []
    if mention.high <= 550:
        return [_stated("band", "low", mention.span)]
    if mention.low >= 1800:
        return [_stated("band", "high", mention.span)]
    return [_stated("band", "mid", mention.span)] if mention.low >= 450 and mention.high <= 2200 else []


def _events(text: str, taken: list[Stated]) -> list[Stated]:
    """Flags and bands outside the numeric claims, each said once per place."""
    found: list[Stated] = []
    for event in sorted(events(blank(text, [c.span for c in taken if c.kind != "band"])), key=_order):
        span = (event.start, event.end)
        same = any(_repeats(event, c) for c in (*taken, *found))
        if not same and not _taken(span, taken) and not _taken(span, found):
            found.append(_stated(event.kind, event.value, span))
    return found


def _repeats(event: Event, claim: Stated) -> bool:
    """Whether the event says again what was said: a band anywhere, a flag in the same breath ("siren tone")."""
    again = (claim.kind, claim.value) == (event.kind, event.value)
    return again and (event.kind == "band" or 0 <= event.start - claim.span[1] <= 1)


def _order(event: Event) -> tuple[int, int]:
    return event.start, -event.end


def _overlaps(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _taken(span: tuple[int, int], claims: list[Stated]) -> bool:
    return any(_overlaps(span, c.span) for c in claims)


def _with_text(claim: Stated, text: str) -> Stated:
    return replace(claim, text=text[slice(*claim.span)])
