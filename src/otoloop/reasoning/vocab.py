"""The closed vocabulary of faults: names in English and Japanese, synonyms, actions.

The lists are files under ``otoloop/vocab``; wording follows ISO 14224 and ISO 13372 where a term exists.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure mode or special sound; ``taught`` tells whether the embedded base has met it."""

    id: str
    en: str
    ja: str
    part: str
    taught: bool
    cue: str
    cue_ja: str
    action: str
    action_ja: str
    synonyms: tuple[str, ...]

    def name(self, lang: str) -> str:
        """The name people read in ``lang`` (``en`` or ``ja``)."""
        return self.ja if lang == "ja" else self.en


@cache
def faults() -> Mapping[str, Fault]:
    """All faults by id, in the order of the file."""
    rows = yaml.safe_load((files("otoloop") / "vocab" / "faults.yaml").read_text(encoding="utf-8"))
    return {r["id"]: Fault(**{**r, "synonyms": tuple(r["synonyms"])}) for r in rows}


def taught_faults() -> list[str]:
    """Ids of what the embedded base has been taught, specials (silence, unknown) included."""
    return [f.id for f in faults().values() if f.taught]


def left_out_faults() -> list[str]:
    """Ids of what the embedded base has never heard."""
    return [f.id for f in faults().values() if not f.taught]


def fault_names(lang: str = "en") -> list[str]:
    """Names of all faults in ``lang``."""
    return [f.name(lang) for f in faults().values()]


def by_name(name: str) -> Fault | None:
    """The fault that carries exactly this name in either language, ignoring case and blanks at the ends."""
    wanted = name.strip().lower()
    return next((f for f in faults().values() if wanted in (f.en, f.ja, f.id)), None)


@cache
def _phrases() -> Sequence[tuple[str, str]]:
    """(phrase, fault id), longest phrase first so that the more exact one wins."""
    pairs = [
        (p.lower(), f.id) for f in faults().values() for p in (f.en, f.ja, f.id, f.id.replace("_", " "), *f.synonyms)
    ]
    return sorted(set(pairs), key=lambda p: (-len(p[0]), p[0]))


def find_fault(text: str, lang: str = "en") -> str | None:
    """The fault that a free text speaks of, or None; forgives small typing errors in words of six letters or more."""
    lowered = re.sub(r"\s+", " ", text.lower())
    for phrase, fault in _phrases():
        if _contains(lowered, phrase):
            return fault
    return _find_misspelt(lowered)


def _contains(text: str, phrase: str) -> bool:
    if not phrase.isascii():
        return phrase in text
    return re.search(rf"(?<![a-z]){re.escape(phrase)}(?![a-z])", text) is not None


def _find_misspelt(text: str) -> str | None:
    """Compare runs of words with every phrase; 0.84 forgives one or two wrong letters in a phrase of ten."""
    words = re.findall(r"[a-z]+", text)
    best, found = 0.84, None
    for phrase, fault in _phrases():
        if not phrase.isascii() or len(phrase) < 6:
            continue
        size = len(phrase.split())
        for start in range(len(words) - size + 1):
            ratio = difflib.SequenceMatcher(None, " ".join(words[start : start + size]), phrase).ratio()
            if ratio > best:
                best, found = ratio, fault
    return found
