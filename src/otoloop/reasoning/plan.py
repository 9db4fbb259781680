"""Which items to make of a clip: kinds, styles, languages and options in the shares that params ask for.

Everything follows from the clip's id and the seed, so that a second run, here or elsewhere, plans the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from otoloop.reasoning import evidence_text, items
from otoloop.reasoning.vocab import Fault, faults
from otoloop.records import Evidence, Item


@dataclass(frozen=True, slots=True)
class Shares:
    """How many items a clip gets, and which share of all is direct, carries evidence, or offers choices."""

    items_per_clip: int
    direct: float
    evidence: float
    choices: float
    seed: int


def plan_items(
    clip: str, gold: Fault, evidence: Evidence, *, shares: Shares, note_lang: str, slice: Mapping[str, str]
) -> list[Item]:
    """The items of one clip; the first is in English, the others in the language of the note.

    Items that come out alike (same question, options, kind and style) are made once.
    """
    rng = random.Random(f"{shares.seed}:{clip}")
    flags = [list(_spread(shares.items_per_clip, s, rng)) for s in (shares.direct, shares.evidence, shares.choices)]
    made = {}
    for k, (direct, told, offered) in enumerate(zip(*flags, strict=True)):
        item = items.make_item(
            clip,
            gold,
            kind="with_evidence" if told else "audio_only",
            style="direct" if direct else "cot",
            lang="en" if k == 0 or note_lang != "ja" else "ja",
            pool=list(faults()),
            evidence=evidence_text.block(evidence),
            has_choices=offered,
            rng=rng,
            slice=slice,
        )
        made[item.id] = item
    return list(made.values())


def _spread(count: int, share: float, rng: random.Random) -> Iterator[bool]:
    """``count`` flags of which ``share`` is true over many clips, spread evenly within one (systematic sampling)."""
    offset, order = rng.random(), rng.sample(range(count), count)
    for k in order:
        yield int((k + 1) * share + offset) > int(k * share + offset)
