"""The effect probe: fixed prompts over a fixed sound, and the logits that a model gives at their ends.

Recorded when an adapter is registered and asked again after every load: a renamed key loads without a word and changes
nothing, a wrong base loads and changes everything. Another device rounds otherwise, so logits are compared on the
adapter's own scale: how far it moves the base.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.errors import OtoloopError
from otoloop.model.prompts import prompt
from otoloop.records import Item
from otoloop.release.cycle import BaseRef

if TYPE_CHECKING:
    import torch

    from otoloop.model.bases import Base

QUESTIONS = (
    ("What is this noise?", "cot"), ("What is wrong with this machine?", "direct"), ("この音は何ですか。", "direct"),
)  # fmt: skip
KEPT = 32
"""Logits kept a prompt: those of the likeliest tokens."""
CLOSE = 0.1
"""How far from the recorded logits a model may be, as a share of what the adapter changes."""
LEAST = 1e-3
"""An adapter that moves no logit further than this does nothing."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a model said: by prompt, the ids of its likeliest tokens with their logits, and the base's logits for them."""

    prompts: Sequence[str]
    tokens: Sequence[Sequence[int]]
    logits: Sequence[Sequence[float]]
    base_logits: Sequence[Sequence[float]]

    def to_json(self) -> dict[str, Any]:
        """As a manifest carries it."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Probe:
        """Read what `to_json` wrote."""
        return cls(**{name: row[name] for name in cls.__slots__})


def record(base: Base, plain: torch.Tensor, model: Any) -> Probe:
    """Probe a model with its adapter.

    Args:
        base: the base, for its tokenizer and tower.
        plain: `logits` of the base alone, taken before an adapter was put on.
        model: the base with the adapter.

    Raises:
        OtoloopError: the adapter changes nothing.
    """
    found = logits(base, model)
    best = found.topk(min(KEPT, found.shape[1]), dim=1)
    probe = Probe(
        prompts(), best.indices.tolist(), _rounded(best.values), _rounded(plain.gather(1, best.indices))
    )  # fmt: skip
    if effect(probe.logits, probe.base_logits) < LEAST:
        raise OtoloopError("The adapter changes nothing: the base gives the same logits.", "Train again.")
    return probe


def of_adapter(ref: BaseRef, folder: Path) -> Probe:
    """Load a base with an adapter's folder and probe it; see `record` for the errors."""
    from otoloop.model.adapters import load_adapter
    from otoloop.train import base as bases

    base = bases.load(ref)
    plain = logits(base, base.model)
    return record(base, plain, load_adapter(base.model, folder))


def check(base: Base, model: Any, recorded: Probe) -> float:
    """Make sure that a loaded model is the one that was recorded; returns how far off it is (share of the effect).

    Raises:
        OtoloopError: it answers otherwise, or as the base does.
    """
    import torch

    found = logits(base, model, recorded.prompts).gather(1, torch.tensor(recorded.tokens))
    off = effect(_rounded(found), recorded.logits) / max(effect(recorded.logits, recorded.base_logits), LEAST)
    if off > CLOSE:
        raise OtoloopError(
            f"The loaded adapter is not the one that was registered: its logits are off by {off:.0%} of its effect.",
            "Check the base and the adapter's files; do not serve this version.",
        )
    return off


def prompts() -> list[str]:
    """The fixed prompts, with the place of the sound."""
    items = [Item(id="", clip="", question=question, answer="", style=style) for question, style in QUESTIONS]  # type: ignore[arg-type]
    return [prompt(item) for item in items]


def logits(base: Base, model: Any, texts: Sequence[str] | None = None) -> torch.Tensor:
    """Logits [prompts, vocabulary] float32 for the first token of the answer."""
    import torch

    from otoloop.model.architecture import parts
    from otoloop.model.embed import embeddings, tokenize
    from otoloop.model.features import encode

    (heard,) = encode(base, [_sound()])
    pieces = parts(model)
    found = []
    with torch.inference_mode():
        for text in prompts() if texts is None else texts:  # one by one: padding would change the last digits
            row = tokenize(base.tokenizer, text, len(heard))
            hidden, _ = embeddings(pieces, [row], [heard], side="right", pad=base.tokenizer.pad_token_id)
            last = pieces.lm(inputs_embeds=hidden, use_cache=False).last_hidden_state[:, -1]
            found.append(pieces.head(last).float().cpu()[0])
    return torch.stack(found)


def effect(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> float:
    """Root mean square of the difference of two sets of logits."""
    pairs = [(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)]
    return float((sum((a - b) ** 2 for a, b in pairs) / max(1, len(pairs))) ** 0.5)


def _sound() -> Any:
    """Two seconds of hum, a tone and regular knocks: float32 [32000] at 16 kHz."""
    import numpy as np

    t = np.arange(32000) / 16000
    knocks = np.exp(-40 * (t % 0.125)) * np.sin(2 * np.pi * 1800 * t)
    return (0.1 * np.sin(2 * np.pi * 100 * t) + 0.05 * np.sin(2 * np.pi * 2900 * t) + 0.2 * knocks).astype(np.float32)


def _rounded(values: torch.Tensor) -> list[list[float]]:
    """Four digits are more than devices agree on."""
    return [[round(v, 4) for v in row] for row in values.tolist()]
