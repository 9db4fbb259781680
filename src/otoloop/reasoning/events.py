"""Statements without a number: impacts, tones, hum, steadiness, the strongest band. Fault names are no events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from otoloop.reasoning.negation import denied, supposed
from otoloop.reasoning.topics import sentence
from otoloop.reasoning.vocab import faults


@dataclass(frozen=True, slots=True)
class Event:
    """A flag (``impulsive``, ``tonal``, ``hum``, ``steady``) with its truth, or ``band`` with its name."""

    kind: str
    value: bool | str
    start: int
    end: int


_FLAGS: tuple[tuple[str, str], ...] = (
    ("impulsive", r"(?<![a-z-])(?:impacts?|impulses|impulsive(?:ness)?|hammering|bangs|clicks|strikes|"
                  r"knocks)(?![a-z])|衝撃音?"),
    ("impulsive", r"(?<=non-)impulsive(?![a-z])"),
    ("tonal", r"(?<![a-z-])(?:(?:clear |distinct |pure )?tones?|tonal (?:peaks?|components?|lines?)|純音|かみ合い音|"
              r"はっきりした音程)(?![a-z])"),
    ("hum", r"(?<![a-z])(?:hum|humming)(?![a-z])|うなり"),
)  # fmt: skip
# a denied whistle says nothing of tones in general, so these count only when affirmed
_AFFIRMED = (("tonal", r"(?<![a-z])(?:whistle|whistling|whine|siren)(?![a-z])|笛音|サイレン音"),)
_LEVEL = r"(?:level|volume|loudness|amplitude|envelope|sound|noise|signal)"
_STEADY = re.compile(
    rf"(?<![a-z]){_LEVEL} (?:is|stays|remains|keeps) (?P<not>not |un)?(?:quite |very |fairly )?(?:steady|constant|"
    rf"stable|even|unchanging)(?![a-z])"
    rf"|(?<![a-z])(?P<un>un)?(?:steady|constant|stable) (?:level|volume|loudness|amplitude)(?![a-z])"
    r"|(?:音量|レベル|音)は(?:ほぼ)?(?:一定|安定)(?P<ja>では?ない|していない)?",
    re.IGNORECASE,
)
_UNSTEADY = re.compile(
    rf"(?<![a-z]){_LEVEL} (?:swells|fluctuates|varies|pulsates|rises and falls|comes and goes)(?![a-z])"
    r"|音量は?(?:うねる|変動する|揺れる)",
    re.IGNORECASE,
)
_BAND_EN = re.compile(
    r"(?<![a-z])(?:most|energy|dominat\w*|dominant|strongest|loudest|concentrat\w*|mainly|mostly|prevail\w*|bulk)(?![a-z])",
    re.IGNORECASE,
)
_BAND_NAME = re.compile(
    r"(?<![a-z])(?:(?P<low>low(?:er|est)?)|(?P<mid>mid(?:dle)?|medium)|(?P<high>high(?:er|est)?|upper))"
    r"(?P<what>[ -]?frequenc\w+(?: bands?| range| region)?|[ -](?:bands?|range|end|region|part)|[ -]energy)(?![a-z])",
    re.IGNORECASE,
)
_BAND_JA = re.compile(
    r"(?P<band>[低中高])(?:い)?(?:音)?(?:域|周波|周波数)\w{0,3}?(?:が|に|は)[^。、]{0,10}?(?:強い|優勢|集中|支配|卓越|大きい)"
    r"|エネルギー[^。、]{0,12}?(?P<more>[低中高])(?:い)?(?:音)?(?:域|周波|周波数)\w{0,3}?(?:に|が)[^。、]{0,6}?(?:ある|多い|偏)"
)
_BLOCK = re.compile(r"(?<![a-z])band:? (?P<band>low|mid|high)(?![a-z])(?P<more>)", re.IGNORECASE)
_PLANNING = re.compile(r"<PLANNING>.*?(?:</PLANNING>|$)", re.DOTALL)
_IRREGULAR = re.compile(r"(?:regular|periodic|even|repeating|repetitive|rhythmic)\s+$", re.IGNORECASE)


@cache
def _names() -> re.Pattern[str]:
    """Names of faults, longest first; ``valve knock`` in a trace is a diagnosis and no report of knocking."""
    names = {n for f in faults().values() for n in (f.en, f.ja)}
    return re.compile("|".join(re.escape(n) for n in sorted(names, key=len, reverse=True)), re.IGNORECASE)


def blank(text: str, spans: list[tuple[int, int]]) -> str:
    """``text`` with these spans overwritten by a neutral character; offsets stay valid."""
    for start, end in spans:
        text = text[:start] + "_" * (end - start) + text[end:]
    return text


def events(text: str) -> Iterator[Event]:
    """Events of ``text`` outside the planning part, which announces and does not report."""
    masked = blank(text, [m.span() for p in (_PLANNING, _names()) for m in p.finditer(text)])
    yield from _flags(masked)
    yield from _steadiness(masked)
    yield from _bands(masked)


def _flags(text: str) -> Iterator[Event]:
    for kind, pattern in _FLAGS:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            if supposed(text, match.start()):
                continue
            no = denied(text, *match.span())
            if not (no and _IRREGULAR.search(text[: match.start()])):
                yield Event(kind, not no, *match.span())
    for kind, pattern in _AFFIRMED:
        for match in re.finditer(pattern, text, re.IGNORECASE):
            if not supposed(text, match.start()) and not denied(text, *match.span()):
                yield Event(kind, True, *match.span())


def _steadiness(text: str) -> Iterator[Event]:
    for match in _STEADY.finditer(text):
        if not supposed(text, match.start()):
            yield Event("steady", not any(match.groupdict().values()), *match.span())
    for match in _UNSTEADY.finditer(text):
        if not supposed(text, match.start()) and not denied(text, *match.span()):
            yield Event("steady", False, *match.span())


def _bands(text: str) -> Iterator[Event]:
    """A band is claimed as the strongest only where a word such as "most" or "dominates" says so."""
    for match in (*_BAND_JA.finditer(text), *_BLOCK.finditer(text)):
        name = (match["band"] or match["more"]).lower()
        yield Event("band", {"低": "low", "中": "mid", "高": "high"}.get(name, name), *match.span())
    for word in _BAND_EN.finditer(text):
        left, right = sentence(text, word.start())
        found = _nearest_band(text, word.start(), left, right)
        if found is not None and not denied(text, *found.span()) and not supposed(text, word.start()):
            kind = next(k for k in ("low", "mid", "high") if found[k])
            yield Event("band", kind, min(word.start(), found.start()), max(word.end(), found.end()))


def _nearest_band(text: str, at: int, left: int, right: int) -> re.Match[str] | None:
    """The band named in the same clause, nearest to the word at ``at``."""
    left = max(left, text.rfind(",", left, at) + 1)
    comma = text.find(",", at, right)
    right = comma if comma >= 0 else right
    named = list(_BAND_NAME.finditer(text, left, right))
    return min(named, key=lambda m: abs(m.start() - at), default=None)
