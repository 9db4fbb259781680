"""The pages' words in English and Japanese. English texts are the keys of ``words/*.yaml``.

Templates say ``_("{n} to review", n=3)``, bound to the reader's language (words/ja.yaml), and ``_.told(err.message)`` for
a sentence that another part of the program made (words/ja-told.yaml).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from fastapi import Request

from otoloop.reasoning.vocab import by_name, faults

LANGS = {"en": "English", "ja": "日本語"}
COOKIE = "otoloop_lang"


@dataclass(frozen=True, slots=True)
class Words:
    """Texts in one language; what is not translated comes back in English and is remembered in ``missing``."""

    lang: str
    texts: Mapping[str, str]
    missing: set[str] = field(default_factory=set)

    def __call__(self, text: str, /, **values: Any) -> str:
        """The text in this language, with ``{name}`` filled in."""
        if self.lang != "en" and text and text not in self.texts:
            self.missing.add(text)
        known = self.texts.get(text, text)
        return known.format(**values) if values else known

    def told(self, sentence: str) -> str:
        """A sentence that another part of the program made, values and all; what has no translation stays English."""
        if sentence in self.texts or self.lang == "en":
            return self.texts.get(sentence, sentence)
        for pattern, other in _patterns(self.lang):
            if found := pattern.fullmatch(sentence):
                return other.format(**{name: self.told(part) for name, part in found.groupdict().items()})
        return sentence

    def known(self, word: str) -> str:
        """A word of the data that may be one of ours (a fault, a band); others come back as they are, readable."""
        fault = faults().get(word) or by_name(word)
        return fault.name(self.lang) if fault else self.texts.get(word, word.replace("_", " "))

    def count(self, n: int, one: str, many: str) -> str:
        """``one`` or ``many`` with ``{n}`` filled in, as the number wants it."""
        return self(one if n == 1 else many, n=n)


@cache
def _patterns(lang: str) -> list[tuple[re.Pattern[str], str]]:
    """Translations with values in braces, as patterns that find such sentences; those that say most come first."""
    found = [(re.split(r"\{(\w+)\}", text), other) for text, other in _file(f"{lang}-told").items() if "{" in text]
    found.sort(key=lambda one: -sum(map(len, one[0][::2])))
    return [(re.compile("".join(_piece(k, part) for k, part in enumerate(parts)), re.DOTALL), o) for parts, o in found]


def _piece(place: int, part: str) -> str:
    """Literal text, or a group for what stands in braces: ``{n}`` and ``{k}`` are numbers, others anything."""
    if not place % 2:
        return re.escape(part)
    return rf"(?P<{part}>[\d.]+)" if part in ("n", "k") else f"(?P<{part}>.+?)"


def _file(name: str) -> dict[str, str]:
    text = (files("otoloop") / "web" / "words" / f"{name}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text) or {})


@cache
def words(lang: str) -> Words:
    """The texts of a language."""
    return Words(lang, {} if lang == "en" else {**_file(f"{lang}-told"), **_file(lang)})


def language(request: Request) -> str:
    """What the reader wants: ``?lang=``, what they chose before, what their browser says, English."""
    for wanted in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if wanted in LANGS:
            return str(wanted)
    return _accepted(request.headers.get("accept-language", ""))


def _accepted(header: str) -> str:
    """The first language of an Accept-Language header that we have, by its weights."""
    ranked = []
    for place, part in enumerate(header.split(",")[:20]):
        name, _, weight = part.partition(";q=")
        with_weight = _number(weight) if weight else 1.0
        ranked.append((-with_weight, place, name.strip().lower().partition("-")[0]))
    return next((name for weight, _, name in sorted(ranked) if name in LANGS and weight < 0), "en")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
