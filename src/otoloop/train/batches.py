"""Which examples are seen at which step: a plan that follows from lengths, labels and the seed alone.

Because the whole order is known beforehand, a resumed run needs no state of a sampler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Batches are cut from runs of this many, sorted by length: little padding, and still a random order
_POOL = 16
# An example of one's own is drawn so often, on average, at most: a few seen often are learnt by heart, and cost the rest
MOST_DRAWS = 8


def plan(
    lengths: Sequence[int], faults: Sequence[str], *, batch: int, steps: int, seed: int, balance: float,
    replayed: int = 0, replay: float = 0.0,
) -> list[list[int]]:  # fmt: skip
    """Choose the examples of every step: indices, one list a step.

    Args:
        lengths: tokens of each example; examples of similar length share a batch.
        faults: label of each example.
        batch: examples a step; fewer when there are fewer.
        steps: how many steps.
        seed: of the order.
        balance: 0 draws every example equally often; 1 draws every fault equally often.
        replayed: so many examples at the end are replayed ones.
        replay: share of the draws that they get; more where the others would be drawn more than `MOST_DRAWS` times.

    Returns:
        ``steps`` lists of indices; one may occur twice in a list when its fault is rare.
    """
    size = min(batch, len(lengths))
    rng = np.random.default_rng(seed)
    share = shares(faults, balance, replayed, replay_share(len(faults) - replayed, steps * size, replay))
    stream = np.empty(0, dtype=np.int64)
    while len(stream) < steps * size:
        stream = np.concatenate([stream, _epoch(share, rng)])
    stream = stream[: steps * size]
    pools = [stream[i : i + size * _POOL] for i in range(0, len(stream), size * _POOL)]
    return [cut for pool in pools for cut in _cut(pool, np.asarray(lengths), size, rng)]


def replay_share(new: int, draws: int, wanted: float) -> float:
    """Share of ``draws`` for replayed examples: as wanted, or what ``new`` examples leave at `MOST_DRAWS` each."""
    return max(wanted, 1 - MOST_DRAWS * new / draws)


def shares(faults: Sequence[str], balance: float, replayed: int = 0, replay: float = 0.0) -> NDArray[np.float64]:
    """How often each example is drawn in an epoch, one on average: proportional to (count of its fault) ** -balance.

    Replayed examples, the last ones, share ``replay`` of the draws among them alike.
    """
    new = faults[: len(faults) - replayed]
    count = Counter(new)
    weight = np.array([count[f] ** -balance for f in new])
    again = np.full(replayed, replay / max(1, replayed))
    whole = np.concatenate([weight * ((1 - replay if replayed else 1) / weight.sum()), again])
    return np.asarray(whole * len(faults), dtype=np.float64)


def _epoch(share: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Every example as often as its share says, fractions by chance; all once before any twice."""
    times = np.floor(share + rng.random(len(share))).astype(int)
    rounds = [np.flatnonzero(times > i) for i in range(times.max(initial=0))]
    return np.concatenate([rng.permutation(r) for r in rounds]) if rounds else np.empty(0, dtype=np.int64)


def _cut(pool: NDArray[np.int64], lengths: NDArray[np.int64], size: int, rng: np.random.Generator) -> list[list[int]]:
    """Batches of similar length from one pool, in random order."""
    by_length = pool[np.argsort(lengths[pool], kind="stable")]
    batches = by_length.reshape(-1, size)
    return [row.tolist() for row in batches[rng.permutation(len(batches))]]
