"""Lessons for the mini base: from a measured sound and its true fault to prompts and traces of every kind.

Also text-only rows (a note and its entry), in which every name of the vocabulary occurs as the right answer, so that a name
the base has never heard a sound for is not a strange word to it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from otoloop.model.prompts import prompt, target
from otoloop.reasoning import composer
from otoloop.reasoning.evidence_text import block
from otoloop.reasoning.items import LETTERS, make_item, option_lines, options
from otoloop.reasoning.trace import format_trace
from otoloop.reasoning.vocab import Fault, faults
from otoloop.records import Evidence, Item


class Lesson(NamedTuple):
    """One training text; ``item`` is None for a text-only row."""

    prompt: str
    target: str
    item: Item | None


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of item forms."""

    direct: float = 0.3
    choices: float = 0.6
    evidence: float = 0.4
    japanese: float = 0.1


def lesson(clip: str, evidence: Evidence, fault: str, pool: Sequence[str], mix: Mix, rng: random.Random, slice: Mapping[str, str]) -> Lesson:
    """One item about a clip in a random form; wrong options come from ``pool`` (fault ids)."""
    gold = faults()[fault]
    kind = "with_evidence" if rng.random() < mix.evidence else "audio_only"
    style = "direct" if rng.random() < mix.direct else "cot"
    lang = "ja" if rng.random() < mix.japanese else "en"
    item = make_item(
        clip, gold, kind=kind, style=style, lang=lang, pool=pool, evidence=block(evidence),
        has_choices=rng.random() < mix.choices, rng=rng, slice=slice,
    )  # fmt: skip
    trace = composer.compose(evidence, gold, kind=kind, style=style, lang=lang, letter=item.answer_letter, rng=rng)
    return Lesson(prompt(item), target(format_trace(trace)), item)


_NOTES = ("The note says: {word}.", "Log entry: {word}.", "A colleague wrote: {word}.")


def note_lesson(rng: random.Random) -> Lesson:
    """A text-only row: a note in other words, and the entry of the vocabulary that it means."""
    gold: Fault = rng.choice(list(faults().values()))
    lang = "ja" if rng.random() < 0.15 else "en"
    drawn = options(gold, list(faults()), rng.choice((3, 4, 5)), rng)
    letter = LETTERS[drawn.index(gold)]
    word = rng.choice((gold.name(lang), *gold.synonyms))
    text = (
        "<|im_start|>system\nAnswer in <RESPONSE> without thinking.<|im_end|>\n<|im_start|>user\n"
        f"{rng.choice(_NOTES).format(word=word)} Which entry is meant?\n{option_lines([f.name(lang) for f in drawn])}"
        "<|im_end|>\n<|im_start|>assistant\n"
    )
    return Lesson(text, target(f"<THINK></THINK><RESPONSE>{composer.answer_text(gold, lang, letter)}</RESPONSE>"), None)
