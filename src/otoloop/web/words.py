"""The pages' words in English and Japanese. English texts are the keys; ``words/ja.yaml`` has the others.

_("{n} to review", n=3)             in templates, bound to the reader's language
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

from otoloop.reasoning.vocab import faults

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
                return other.format(**found.groupdict())
        return sentence

    def known(self, word: str) -> str:
        """A word of the data that may be one of ours (a fault, a band); others come back as they are, readable."""
        fault = faults().get(word)
        return fault.name(self.lang) if fault else self.texts.get(word, word.replace("_", " "))

    def count(self, n: int, one: str, many: str) -> str:
        """``one`` or ``many`` with ``{n}`` filled in, as the number wants it."""
        return self(one if n == 1 else many, n=n)


@cache
def _patterns(lang: str) -> list[tuple[re.Pattern[str], str]]:
    """Translations with values in braces, as patterns that find such sentences."""
    found = [(re.split(r"\{(\w+)\}", text), other) for text, other in words(lang).texts.items() if "{" in text]
    return [
        (re.compile("".join(f"(?P<{p}>.+?)" if k % 2 else re.escape(p) for k, p in enumerate(parts)), re.DOTALL), other)
        for parts, other in found
    ]


@cache
def words(lang: str) -> Words:
    """The texts of a language."""
    path = files("otoloop") / "web" / "words" / f"{lang}.yaml"
    return Words(lang, {} if lang == "en" else yaml.safe_load(path.read_text(encoding="utf-8")))


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
