"""Train the mini base's tokenizer on lessons over random evidence; run once, the result is committed."""

from __future__ import annotations

import random
from collections.abc import Iterator

from otoloop.model.bases import mini_path
from otoloop.model.lessons import Mix, lesson, note_lesson
from otoloop.model.tokenizer import make_processor, train_tokenizer
from otoloop.reasoning.phrases import FLAGS, NUMERIC, say
from otoloop.reasoning.vocab import faults
from otoloop.records import Measured


def random_evidence(rng: random.Random) -> dict[str, Measured]:
    """Facts with random values and gaps: what matters here is only which characters occur."""
    ranges = {
        "speed_rpm": (200, 3600), "shaft_hz": (3, 60), "impulse_rate_hz": (1, 300), "impacts_per_turn": (0.3, 12), "outer_race_order": (2, 8),
        "inner_race_order": (4, 12), "ball_order": (3, 8), "gear_mesh_hz": (100, 2500), "hum_hz": (100, 121), "modulation_hz": (0.5, 40),
        "rms_dbfs": (-60, -5), "vibration_rms_mm_s": (0.2, 20), "temperature_c": (15, 110), "current_a": (0.5, 60),
    }  # fmt: skip
    facts = {k: Measured(value=rng.uniform(*r), reliable=rng.random() < 0.6) for k, r in ranges.items()}
    facts["tones"] = Measured(value=[{"f_hz": rng.uniform(60, 7800)} for _ in range(rng.randint(0, 3))], reliable=rng.random() < 0.7)
    facts["band"] = Measured(value=rng.choice(("low", "mid", "high")), reliable=True)
    facts["impulsive"] = Measured(value=rng.random() < 0.5, reliable=True)
    facts["steady"] = Measured(value=rng.random() < 0.5, reliable=True)
    return facts


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
    made = lesson("x", random_evidence(random.Random(5)), "gear_wear", list(faults()), Mix(1, 1, 0, 0), random.Random(3), {})
    print(len(tokenizer), len(tokenizer(made.prompt)["input_ids"]), tokenizer.convert_ids_to_tokens(tokenizer(made.prompt + made.target)["input_ids"]))
