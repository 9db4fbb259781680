"""Put audio tokens into a prompt's embeddings, so that the language model runs as a plain causal LM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from otoloop.model.architecture import Parts


class Tokens(NamedTuple):
    """Token ids of one text with the audio placeholder widened; ``audio`` is the position of its first audio token."""

    ids: list[int]
    audio: int


def tokenize(tokenizer: Any, text: str, n_audio: int) -> Tokens:
    """Ids of ``text`` with its one ``<|AUDIO|>`` repeated ``n_audio`` times."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    token = tokenizer.convert_tokens_to_ids("<|AUDIO|>")
    at = ids.index(token)
    return Tokens([*ids[:at], *[token] * n_audio, *ids[at + 1 :]], at)


def embeddings(
    model_parts: Parts,
    rows: Sequence[Tokens],
    features: Sequence[torch.Tensor],
    *,
    side: str,
    pad: int,
    length: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings [B, L, d] and mask [B, L] of texts with their clips' features put in.

    Padded on ``side`` (left or right) to the longest, or to ``length``.
    """
    length = max(length, *(len(r.ids) for r in rows))
    device = model_parts.head.weight.device
    ids = torch.full((len(rows), length), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    starts = [0 if side == "right" else length - len(r.ids) for r in rows]
    for i, (row, start) in enumerate(zip(rows, starts, strict=True)):
        ids[i, start : start + len(row.ids)] = torch.tensor(row.ids)
        mask[i, start : start + len(row.ids)] = 1
    hidden = model_parts.lm.embed_tokens(ids.to(device)).clone()
    for i, (row, start, feature) in enumerate(zip(rows, starts, features, strict=True)):
        at = start + row.audio
        hidden[i, at : at + len(feature)] = model_parts.projector(feature.to(device, hidden.dtype))
    return hidden, mask.to(device)
