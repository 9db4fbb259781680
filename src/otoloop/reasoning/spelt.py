"""Numbers written as words, up to the hundreds: ``twice``, ``one hundred and seven``."""

from __future__ import annotations

import re

_UNITS_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {
    **{w: k for k, w in enumerate([*_UNITS_WORDS, *_TEENS], 1)}, **{w: 10 * k for k, w in enumerate(_TENS, 2)},
    "once": 1, "twice": 2, "thrice": 3, "a": 1, "dozen": 12,
}  # fmt: skip
_SMALL = rf"(?:{'|'.join(_TEENS)}|(?:{'|'.join(_TENS)})(?:[ -](?:{'|'.join(_UNITS_WORDS)}))?|{'|'.join(_UNITS_WORDS)})"
SPELT = re.compile(
    rf"(?<![a-z])(?:once|twice|thrice|a dozen|(?:a|{'|'.join(_UNITS_WORDS)}) hundred(?: and {_SMALL})?|"
    rf"{_SMALL})(?![a-z])",
    re.IGNORECASE,
)


def value_of(words: str) -> float:
    """``one hundred and seven`` as 107."""
    total = 0
    for word in re.split(r"[ -]", words.lower()):
        total = total * 100 if word == "hundred" else 12 if word == "dozen" else total + _VALUES.get(word, 0)
    return float(total)
