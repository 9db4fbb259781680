"""The effect probe: what an adapter answers to fixed prompts about a fixed sound, so that a server can tell it is that one.

An adapter whose keys match nothing loads without a word and answers as the base does; only its numbers give it away.
They are recorded when a version is registered and held against what a server computes after it loaded it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from otoloop.errors import OtoloopError
from otoloop.model.adapters import load_adapter
from otoloop.model.architecture import parts
from otoloop.model.embed import embeddings, tokenize
from otoloop.model.features import RATE, encode
from otoloop.model.prompts import prompt
from otoloop.records import Item

if TYPE_CHECKING:
    from otoloop.model.bases import Base

KEPT = 24
"""Logits kept of each prompt, the largest ones: a whole row of a large base has 150,000."""
QUESTIONS = (("What is this noise?", "direct"), ("What is wrong with this machine?", "cot"), ("何の音か。", "direct"))
TOLERANCE = {torch.float32: 0.02, torch.bfloat16: 0.5, torch.float16: 0.1}
"""How far a logit may lie from the recorded one; rounding in the arithmetic of each type stays well below."""
Row = Mapping[str, Sequence[Any]]
Under = Callable[[], AbstractContextManager[None]]


def prompts() -> list[str]:
    """The fixed prompts."""
    return [prompt(Item(id="", clip="", question=text, answer="", style=style)) for text, style in QUESTIONS]  # type: ignore[arg-type]


def sound() -> np.ndarray[Any, Any]:
    """The fixed sound, one second at 16 kHz: a tone at 700 Hz and twelve decaying clicks, without any chance in it."""
    t = np.arange(RATE) / RATE
    clicks = np.exp(-60 * (t * 12 % 1)) * np.sin(2 * np.pi * 3100 * t)
    return (0.2 * np.sin(2 * np.pi * 700 * t) + 0.4 * clicks).astype(np.float32)


@torch.inference_mode()
def logits(base: Base, model: Any, asked: Sequence[str]) -> torch.Tensor:
    """What ``model`` thinks comes next after each prompt about the fixed sound, float32 [prompts, vocabulary]."""
    (heard,) = encode(base, [sound()])
    pieces = parts(model)
    rows = [tokenize(base.tokenizer, text, len(heard)) for text in asked]
    found = []
    for row in rows:  # one at a time: in a batch the padding would move the last digits
        hidden, mask = embeddings(pieces, [row], [heard], side="left", pad=base.tokenizer.pad_token_id)
        out = pieces.lm(inputs_embeds=hidden, attention_mask=mask, use_cache=False).last_hidden_state[:, -1]
        found.append(pieces.head(out).float().cpu()[0])
    return torch.stack(found)


def record(base: Base, adapter: Path) -> dict[str, Any]:
    """The probe of an adapter for its manifest: ``{prompts, logits: [{ids, values}]}``; ``base`` is left as it was.

    Raises:
        OtoloopError: the adapter moves no logit further than servers tolerate, so that none could tell it from the base.
    """
    asked = prompts()
    plain = logits(base, base.model, asked)
    try:
        model = load_adapter(base.model, adapter)
    except ValueError as err:
        raise OtoloopError(str(err), "Train again; do not rename keys of the adapter.") from None
    try:
        found = logits(base, model, asked)
    finally:
        model.unload()
    rows = [_row(line) for line in found]
    if _distance(rows, plain) <= TOLERANCE[torch.float32]:
        raise OtoloopError(
            f"The adapter in {adapter} answers the probe as its base does.", "Train longer, or with a larger rate."
        )
    return {"prompts": asked, "logits": rows}


def check(base: Base, model: Any, probe: Mapping[str, Any], name: str, under: Under, off: Under = nullcontext) -> None:
    """Hold a loaded adapter against its recorded probe.

    Args:
        base: the base it was loaded on.
        model: the model that answers.
        probe: the manifest's ``probe``.
        name: the version, for messages.
        under: a context in which ``model`` answers with the adapter.
        off: a context in which it answers without.

    Raises:
        OtoloopError: the logits are not the recorded ones, or those of the base.
    """
    if not probe.get("prompts") or len(probe["prompts"]) != len(probe.get("logits", ())):
        raise OtoloopError(f"The manifest of {name} carries no probe.", "Register the version again.")
    allowed = TOLERANCE[next(base.model.parameters()).dtype]
    with under():
        with_adapter = logits(base, model, probe["prompts"])
    with off():
        without = logits(base, model, probe["prompts"])
    away, moved = _distance(probe["logits"], with_adapter), _spread(with_adapter, without)
    if away > allowed:
        raise OtoloopError(
            f"{name} does not answer as it did when it was registered: a logit lies {away:.2g} away, {allowed:g} is allowed"
            + (", and it answers as the base does." if moved <= allowed else "."),
            "Its weights were not applied or the base is another one; register the version again on this base.",
        )
    if moved == 0:
        raise OtoloopError(f"{name} answers exactly as the base does.", "Its weights were not applied; train again.")


def _row(line: torch.Tensor) -> dict[str, list[Any]]:
    top = line.topk(min(KEPT, len(line)))
    return {"ids": top.indices.tolist(), "values": [round(v, 4) for v in top.values.tolist()]}


def _distance(rows: Sequence[Row], found: torch.Tensor) -> float:
    """The largest difference between recorded logits and found ones."""
    return max(
        float((line[torch.tensor(row["ids"])] - torch.tensor(row["values"], dtype=torch.float32)).abs().max())
        for row, line in zip(rows, found, strict=True)
    )


def _spread(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())
