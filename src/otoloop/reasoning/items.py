"""Questions about a clip: templates, shuffled options, letters."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence

from otoloop.reasoning.vocab import Fault, faults
from otoloop.records import Item

LETTERS = "abcdefgh"
_QUESTIONS = {
    ("en", True): (
        "Which fault does this sound show?", "What do you hear?", "Which of these fits the sound?", "What is this noise?",
        "Name the condition of the machine.", "Choose what fits the recording.", "What is the machine doing?",
        "Which condition is this?", "What would you write in the log?", "Which entry matches this recording?",
    ),
    ("en", False): (
        "What is wrong with this machine?", "What is this noise?", "What do you hear?", "Name the condition of the machine.",
        "Listen and name the fault.", "How is this machine running?", "What would you write in the log?", "Describe the condition.",
    ),
    ("ja", True): ("この音はどの状態か。", "どれが当てはまるか。", "何の音か。"),
    ("ja", False): ("この機械の状態は。", "何の音か。", "異常は何か。"),
}  # fmt: skip


def question(lang: str, has_choices: bool, rng: random.Random) -> str:
    """One of the phrasings."""
    return rng.choice(_QUESTIONS[lang, has_choices])


def options(gold: Fault, pool: Sequence[str], count: int, rng: random.Random) -> tuple[Fault, ...]:
    """``count`` different faults in random order, the gold one among them; the others come from ``pool`` (ids)."""
    others = [faults()[f] for f in rng.sample([p for p in pool if p != gold.id], count - 1)]
    drawn = [gold, *others]
    rng.shuffle(drawn)
    return tuple(drawn)


def make_item(
    clip: str, gold: Fault, *, kind: str, style: str, lang: str, pool: Sequence[str], evidence: str | None,
    has_choices: bool, rng: random.Random, slice: Mapping[str, str],
) -> Item:  # fmt: skip
    """One item about a clip; its id follows from clip, right answer, question, options, kind and style."""
    text = question(lang, has_choices, rng)
    drawn = options(gold, pool, rng.choice((3, 4, 4, 5)), rng) if has_choices else ()
    letter = LETTERS[drawn.index(gold)] if drawn else None
    names = tuple(f.name(lang) for f in drawn)
    key = "|".join((clip, gold.id, text, *names, kind, style, lang))
    return Item(
        id=hashlib.sha256(key.encode()).hexdigest()[:16], clip=clip, question=text, choices=names or None,
        answer=gold.name(lang), answer_letter=letter, kind=kind, style=style, lang=lang,  # type: ignore[arg-type]
        evidence=evidence if kind == "with_evidence" else None, slice={**slice, "fault": gold.id},
    )  # fmt: skip


def option_lines(choices: Sequence[str]) -> str:
    """Options as the prompt shows them: ``(a) name (b) name``."""
    return " ".join(f"({letter}) {name}" for letter, name in zip(LETTERS, choices, strict=False))
