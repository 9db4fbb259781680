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
from otoloop.records import Evidence, Item, Measured


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


def lesson(
    clip: str,
    evidence: Evidence,
    fault: str,
    pool: Sequence[str],
    mix: Mix,
    rng: random.Random,
    slice: Mapping[str, str],
) -> Lesson:
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
_THINK = "Think in <THINK>, answer in <RESPONSE>."
_DIRECT = "Answer in <RESPONSE> without thinking."


def note_lesson(rng: random.Random) -> Lesson:
    """A text-only row: a note in other words, with what was heard written out, and the entry of the vocabulary that it means.

    Every fault of the vocabulary occurs alike: from these rows the base knows the words for faults whose sound it never met.
    """
    gold: Fault = rng.choice(list(faults().values()))
    lang, direct = ("ja" if rng.random() < 0.15 else "en"), rng.random() < 0.4
    drawn = options(gold, list(faults()), rng.choice((3, 4, 5)), rng) if rng.random() < 0.6 else ()
    letter = LETTERS[drawn.index(gold)] if drawn else None
    note = rng.choice(_NOTES).format(word=rng.choice((gold.name(lang), *gold.synonyms)))
    style = "direct" if direct else "cot"
    trace = composer.compose(
        random_evidence(rng), gold, kind="audio_only", style=style, lang=lang, letter=letter, rng=rng
    )
    lines = [f"Heard: {trace.caption}"] if trace.caption else []
    lines += [f"{note} Which entry is meant?", *([option_lines([f.name(lang) for f in drawn])] if drawn else [])]
    user = "\n".join(lines)
    text = f"<|im_start|>system\n{_DIRECT if direct else _THINK}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
    return Lesson(text, target(format_trace(trace)), None)


_RANGES = {
    "speed_rpm": (200, 3600), "shaft_hz": (3, 60), "impulse_rate_hz": (1, 300), "impacts_per_turn": (0.3, 12), "outer_race_order": (2, 8),
    "inner_race_order": (4, 12), "ball_order": (3, 8), "gear_mesh_hz": (100, 2500), "hum_hz": (100, 121), "modulation_hz": (0.5, 40),
    "rms_dbfs": (-60, -5), "vibration_rms_mm_s": (0.2, 20), "temperature_c": (15, 110), "current_a": (0.5, 60),
}  # fmt: skip


def random_evidence(rng: random.Random) -> dict[str, Measured]:
    """Facts with random values and gaps, for rows and corpora in which only the wording matters."""
    facts = {k: Measured(value=rng.uniform(*r), reliable=rng.random() < 0.6) for k, r in _RANGES.items()}
    facts["tones"] = Measured(
        value=[{"f_hz": rng.uniform(60, 7800)} for _ in range(rng.randint(0, 3))], reliable=rng.random() < 0.7
    )
    facts["band"] = Measured(value=rng.choice(("low", "mid", "high")), reliable=True)
    facts["impulsive"] = Measured(value=rng.random() < 0.5, reliable=True)
    facts["steady"] = Measured(value=rng.random() < 0.5, reliable=True)
    return facts
