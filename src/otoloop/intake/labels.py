"""From what a person wrote to the fault it names, if it clearly names one."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from otoloop.reasoning.negation import denied
from otoloop.reasoning.vocab import by_name, faults, find_fault
from otoloop.records import Note


class Named(NamedTuple):
    """The fault a note names and which part of it says so: its closed field, or its text."""

    fault: str
    source: str


def label_of(note: Note) -> Named | None:
    """The fault of a note: the closed field wins, else the one fault that its text names and does not deny.

    None when nothing is named or two faults are: then a person decides.
    """
    if note.fault:
        known = by_name(note.fault)
        return Named(known.id, "note_field") if known else None
    found = _named_in(note.text)
    if len(found) == 1:
        return Named(found.pop(), "note_text")
    guess = None if found or _mentions(note.text) else find_fault(note.text, note.lang)
    # "odd sounds in the hall" is close to "sounds fine": only a plain word may call a machine healthy
    return Named(guess, "note_text") if guess and guess != "normal" else None


def _named_in(text: str) -> set[str]:
    """Faults that the text names without denying them."""
    return {fault for fault, start, end in _mentions(text) if not denied(text, start, end)}


def _mentions(text: str) -> list[tuple[str, int, int]]:
    """(fault, start, end) of every phrase of the vocabulary; a longer phrase hides the shorter ones inside it."""
    left, found = text.lower(), []
    for phrase, fault in _phrases():
        edge = r"(?<![a-z]){}(?![a-z])" if phrase.isascii() else "{}"
        pattern = edge.format(r"\s+".join(map(re.escape, phrase.split())))
        for match in list(re.finditer(pattern, left)):
            found.append((fault, match.start(), match.end()))
            left = left[: match.start()] + "\0" * (match.end() - match.start()) + left[match.end() :]
    return found


@cache
def _phrases() -> tuple[tuple[str, str], ...]:
    """(phrase, fault), the longest first."""
    words = ((p.lower(), f.id) for f in faults().values() for p in (f.en, f.ja, f.id.replace("_", " "), *f.synonyms))
    return tuple(sorted(set(words), key=lambda pair: (-len(pair[0]), pair)))
