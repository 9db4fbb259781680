"""Batched greedy generation from cached audio features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import Cache, DynamicLayer

from otoloop.model.architecture import parts
from otoloop.model.embed import embeddings, tokenize


class Generated(NamedTuple):
    """Text without its end mark, and the mean probability the model gave its own tokens."""

    text: str
    confidence: float


class _Room(DynamicLayer):  # type: ignore[misc]
    """Keys and values [B, H, N, D] of one layer in room made once: growing by copying costs a fifth of the decoding."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.used = room, 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the states of new tokens; returns all so far, as views."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            batch, heads, _count, width = key_states.shape
            self.buffers = [key_states.new_empty(batch, heads, self.room, width) for _ in range(2)]
        begin, self.used = self.used, self.used + key_states.shape[-2]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, begin : self.used] = states
        self.keys, self.values = (buffer[:, :, : self.used] for buffer in self.buffers)
        return self.keys, self.values


@torch.inference_mode()
def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    features: Sequence[torch.Tensor],
    *,
    max_new_tokens: int = 200,
    length: int = 0,
) -> list[Generated]:
    """Greedy answers to ``prompts`` [B], each with one clip's tower output [n, d]; stops at ``<|im_end|>``.

    Prompts are padded to the longest, or to ``length``: with a fixed ``length`` and B an answer does not depend on the others.
    """
    if not prompts:
        return []
    pieces = parts(model)
    rows = [tokenize(tokenizer, p, len(f)) for p, f in zip(prompts, features, strict=True)]
    hidden, mask = embeddings(pieces, rows, features, side="left", pad=tokenizer.pad_token_id, length=length)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    ids, probabilities = _decode(pieces, hidden, mask, end, max_new_tokens)
    found = []
    for row, probs in zip(ids.tolist(), probabilities.tolist(), strict=True):
        size = row.index(end) if end in row else len(row)
        found.append(Generated(tokenizer.decode(row[:size]), sum(probs[:size]) / max(1, size)))
    return found


def _decode(
    pieces: Any, hidden: torch.Tensor, mask: torch.Tensor, end: int, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """All tokens [B, N] and their probabilities, to the longest answer's end; shorter ones are filled with ``end``."""
    tokens, probs = zip(*steps(pieces, hidden, mask, end, limit), strict=True)
    return torch.stack(tokens, 1), torch.stack(probs, 1)


@torch.inference_mode()
def steps(
    pieces: Any, hidden: torch.Tensor, mask: torch.Tensor, end: int, limit: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The decoding loop: the next token [B] of every row and its probability, until all have ended or ``limit``.

    Takes embedded prompts [B, L, d], padded on the left, with their mask [B, L]; one forward with a key-value cache a
    token. A row that ended gives ``end`` from then on.
    """
    cache = Cache(layers=[_Room(hidden.shape[1] + limit) for _ in pieces.lm.layers])
    positions = (mask.cumsum(1) - 1).clamp_min(0)
    done = torch.zeros(len(hidden), dtype=torch.bool, device=hidden.device)
    for _ in range(limit):
        out = pieces.lm(
            inputs_embeds=hidden, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        )
        best = pieces.head(out.last_hidden_state[:, -1]).float().softmax(-1).max(-1)
        token = torch.where(done, end, best.indices)
        yield token, best.values
        done = done | (best.indices == end)
        if bool(done.all()):
            break
        hidden = pieces.lm.embed_tokens(token)[:, None]
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        positions = positions[:, -1:] + 1
