"""Notes as people write them: two languages, their own words for a fault, typos, abbreviations, some of them wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

MISSING, WRONG, WITH_WORD, WITH_CUE, TYPO, SHORT, CLOSED, JAPANESE = 0.08, 0.03, 0.68, 0.22, 0.18, 0.2, 0.3, 0.4
"""Shares: no note; a wrong one; naming the fault; describing it; with a typo; abbreviated; closed fields; Japanese."""
SEVERITY = {1: "low", 2: "medium", 3: "high"}
STATES = ("running", "running", "running", "starting", "reduced load")


@dataclass(frozen=True)
class NoteMade:
    """A note and what is true of it: ``says`` is the fault it names or describes (None: it says nothing)."""

    body: dict[str, Any]
    says: str | None
    wrong: bool


@cache
def _words() -> Mapping[str, Any]:
    """Templates and cues of notes.yaml."""
    table: Mapping[str, Any] = yaml.safe_load((files("otoloop.simulate") / "notes.yaml").read_text(encoding="utf-8"))
    return table


@cache
def _synonyms() -> Mapping[str, Mapping[str, list[str]]]:
    """Fault id -> language -> names and synonyms of vocab/faults.yaml."""
    rows = yaml.safe_load((files("otoloop") / "vocab" / "faults.yaml").read_text(encoding="utf-8"))
    return {
        r["id"]: {
            "en": [r["en"], *(s for s in r["synonyms"] if s.isascii() and not s.startswith("sounds like"))],
            "ja": [r["ja"], *(s for s in r["synonyms"] if not s.isascii())],
        }
        for r in rows
    }


def write_note(
    rng: np.random.Generator, *, fault: str, machine: str, severity: int, time: dt.datetime, faults: list[str]
) -> NoteMade | None:
    """The note of one recording, or None when nobody wrote one.

    Args:
        rng: what is left to chance.
        fault: what is true.
        machine: its name.
        severity: 1 to 3.
        time: of the recording; the note is written some minutes later.
        faults: what a wrong note may name instead.
    """
    if rng.random() < MISSING:
        return None
    wrong = bool(rng.random() < WRONG)
    said = str(rng.choice([f for f in faults if f != fault])) if wrong else fault
    lang = "ja" if rng.random() < JAPANESE else "en"
    manner = "with_word" if wrong else _manner(rng)
    text = _untidy(rng, _fill(rng, manner, said, machine, lang), lang)
    body: dict[str, Any] = {
        "text": text, "lang": lang, "author": str(rng.choice(_words()["authors"])), "machine": machine,
        "time": f"{time + dt.timedelta(minutes=int(rng.integers(1, 40))):%Y-%m-%dT%H:%M:%SZ}",
    }  # fmt: skip
    closed = rng.random() < CLOSED
    if closed:
        body |= {"fault": said, "state": str(rng.choice(STATES))}
    if closed and said not in ("normal", "unknown"):
        body["severity"] = SEVERITY[severity]
    return NoteMade(body, said if closed or manner != "plain" else None, wrong)


def _manner(rng: np.random.Generator) -> str:
    u = rng.random()
    return "with_word" if u < WITH_WORD else "with_cue" if u < WITH_WORD + WITH_CUE else "plain"


def _fill(rng: np.random.Generator, manner: str, fault: str, machine: str, lang: str) -> str:
    """A template with a synonym of the fault and something heard."""
    words = _words()
    word, cue = str(rng.choice(_synonyms()[fault][lang])), str(rng.choice(words["cues"][fault][lang]))
    if manner == "with_word" and fault in ("normal", "unknown", "silence"):
        manner = "calm"
    return str(rng.choice(words[manner][lang])).format(word=word, cue=cue, machine=machine)


def _untidy(rng: np.random.Generator, text: str, lang: str) -> str:
    """Abbreviations, a typo in a Latin word, capitals and missing full stops."""
    if rng.random() < SHORT:
        for long, short in _words()["abbreviations"][lang].items():
            text = text.replace(long, short)
    if lang == "en" and rng.random() < TYPO:
        text = _typo(rng, text)
    return text[:1].upper() + text[1:] if lang == "en" and rng.random() < 0.3 else text


def _typo(rng: np.random.Generator, text: str) -> str:
    """Two neighbouring letters of one word swapped, one left out, or one doubled."""
    places = [i for i in range(1, len(text) - 1) if text[i - 1 : i + 2].isalpha()]
    if not places:
        return text
    i, how = int(rng.choice(places)), int(rng.integers(3))
    if how == 0:
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return text[:i] + text[i + 1 :] if how == 1 else text[:i] + text[i] + text[i:]
