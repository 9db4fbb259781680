"""Train the mini base's tokenizer on lessons over random evidence; run once, the result is committed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from otoloop.model.bases import mini_path
from otoloop.model.lessons import Mix, lesson, note_lesson, random_evidence
from otoloop.model.tokenizer import make_processor, train_tokenizer
from otoloop.reasoning.phrases import FLAGS, NUMERIC, say
from otoloop.reasoning.vocab import faults


def corpus(rows: int, seed: int) -> Iterator[str]:
    """Lessons of every fault, and the vocabulary's own words so that every name has its tokens."""
    rng = random.Random(seed)
    ids = list(faults())
    for n in range(rows):
        made = lesson(str(n), random_evidence(rng), rng.choice(ids), ids, Mix(japanese=0.25), rng, {})
        yield made.prompt + made.target
        made = note_lesson(rng)
        yield made.prompt + made.target
    for fault in faults().values():
        for text in (fault.en, fault.ja, fault.action, fault.action_ja, fault.cue, fault.cue_ja, *fault.synonyms):
            yield from (f" {text}",) * 30
    for phrase in NUMERIC.values():
        yield from (phrase.en, phrase.ja) * 10
    for pair in FLAGS.values():
        yield from (say(pair, "en"), say(pair, "ja")) * 10


if __name__ == "__main__":
    tokenizer = train_tokenizer(corpus(20000, seed=1))
    make_processor(tokenizer).save_pretrained(mini_path())
    made = lesson(
        "x", random_evidence(random.Random(5)), "gear_wear", list(faults()), Mix(1, 1, 0, 0), random.Random(3), {}
    )
    print(
        len(tokenizer),
        len(tokenizer(made.prompt)["input_ids"]),
        tokenizer.convert_ids_to_tokens(tokenizer(made.prompt + made.target)["input_ids"]),
    )
