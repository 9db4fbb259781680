"""The training loop: LoRA on the language model as a plain causal LM over cached audio features.

The audio tower never runs here. Batches are padded on the right without a mask: under causal attention no real token
sees the padding, so this is exact and the fastest kernel serves. Logits are made at supervised positions only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from otoloop.errors import OtoloopError
from otoloop.model.architecture import Parts, parts
from otoloop.model.embed import embeddings
from otoloop.params import TrainParams
from otoloop.train.examples import Example
from otoloop.train.features import FeatureStore

if TYPE_CHECKING:
    from otoloop.train.checkpoints import Checkpoints

MAX_NORM = 1.0
_SAY_EVERY = 25


@dataclass(slots=True)
class Progress:
    """Where a run stands: steps done, and the loss of each."""

    step: int = 0
    losses: list[float] = field(default_factory=list)


def train(
    model: Any, pad: int, examples: Sequence[Example], store: FeatureStore, order: Sequence[Sequence[int]],
    params: TrainParams, checkpoints: Checkpoints, say: Callable[[str], None],
) -> Progress:  # fmt: skip
    """Train the adapter in ``model`` over all steps of ``order``, going on from the newest checkpoint.

    The result is the same whether or not the run was interrupted.

    Raises:
        OtoloopError: the loss is not finite.
    """
    model.train()
    optimiser, schedule = make_optimiser(model, params, len(order))
    progress = checkpoints.restore(model, optimiser, schedule)
    pieces, begun, tokens = parts(model), time.perf_counter(), 0
    for step in range(progress.step, len(order)):
        batch = [examples[i] for i in order[step]]
        loss = loss_of(pieces, pad, batch, store)
        _update(loss, optimiser, schedule)
        progress.step, tokens = step + 1, tokens + sum(map(len, batch))
        progress.losses.append(_finite(loss, step))
        if progress.step % params.checkpoint_every == 0 and progress.step < len(order):
            checkpoints.save(progress, model, optimiser, schedule)
        if progress.step % _SAY_EVERY == 0 or progress.step == len(order):
            rate = tokens / (time.perf_counter() - begun)
            say(f"step {progress.step}/{len(order)}  loss {progress.losses[-1]:.3f}  {rate:,.0f} tokens/s")
    model.eval()
    return progress


def make_optimiser(model: Any, params: TrainParams, steps: int) -> tuple[torch.optim.AdamW, Any]:
    """AdamW on the adapter's weights; the rate warms up linearly, then falls linearly to zero."""
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=params.lr, betas=(0.9, 0.99), weight_decay=0.0)
    warm = max(1, math.ceil(params.warmup * steps))

    def rate(step: int) -> float:
        return (step + 1) / warm if step < warm else (steps - step) / max(1, steps - warm)

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, rate)


def _update(loss: torch.Tensor, optimiser: torch.optim.AdamW, schedule: Any) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_([p for g in optimiser.param_groups for p in g["params"]], MAX_NORM)
    optimiser.step()
    schedule.step()


def _finite(loss: torch.Tensor, step: int) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise OtoloopError(f"The loss became {value} at step {step + 1}.", "Lower train.lr in params.yaml.")
    return value


def loss_of(pieces: Parts, pad: int, batch: Sequence[Example], store: FeatureStore) -> torch.Tensor:
    """Mean cross-entropy over the supervised tokens of a batch."""
    device = pieces.head.weight.device
    with torch.no_grad():
        features = [store[e.clip] for e in batch]
        hidden, _ = embeddings(pieces, [e.tokens for e in batch], features, side="right", pad=pad)
    rows, columns, wanted = (torch.tensor(x, device=device) for x in supervised(batch))
    with precision(device.type):
        out = pieces.lm(inputs_embeds=hidden, use_cache=False).last_hidden_state
        logits = pieces.head(out[rows, columns])
    return torch.nn.functional.cross_entropy(logits.float(), wanted)


def supervised(batch: Sequence[Example]) -> tuple[list[int], list[int], list[int]]:
    """(row, position that predicts, token to predict) of every supervised token; a position predicts the next token."""
    triples = [(i, at - 1, e.tokens.ids[at]) for i, e in enumerate(batch) for at in range(e.start, len(e))]
    rows, columns, wanted = zip(*triples, strict=True)
    return list(rows), list(columns), list(wanted)


def precision(device: str) -> AbstractContextManager[Any]:
    """float32 on a CPU; bfloat16 autocast on a GPU."""
    return torch.autocast(device, dtype=torch.bfloat16) if device == "cuda" else nullcontext()


@torch.no_grad()
def mean_loss(model: Any, pad: int, examples: Sequence[Example], store: FeatureStore, batch: int) -> float:
    """Loss per supervised token over all ``examples``."""
    pieces, total, count = parts(model), 0.0, 0
    for part in _by_length(examples, batch):
        n = sum(e.supervised for e in part)
        total, count = total + float(loss_of(pieces, pad, part, store)) * n, count + n
    return total / count


def _by_length(examples: Sequence[Example], batch: int) -> Iterator[list[Example]]:
    ordered = sorted(examples, key=lambda e: (len(e), e.id))
    yield from (ordered[i : i + batch] for i in range(0, len(ordered), batch))
