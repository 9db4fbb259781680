"""Paired tests of two models on the same items, clustered by recording. All shares are 0..1, all tests one-sided.

- *Better?* Exact sign-flip permutation test on cluster totals: if the models were equal, swapping them within a whole
  recording would change nothing, so each cluster's difference could as well have the other sign. With one item a
  cluster this is the exact McNemar test. The distribution is computed, not drawn, hence no seed.
- *Not worse than a margin?* Tango's score test for paired shares (Statistics in Medicine 17, 1998) on the effective
  number of items (n / design effect), with a t quantile for few clusters. It stays honest when no item differs: 60
  equal answers do not prove that nothing was lost.
- *Several slices?* Holm (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from otoloop.evaluate.intervals import (
    Floats,
    bootstrap_draws,
    codes,
    design_effect,
    t_quantile,
    totals,
    worst_design_effect,
)


@dataclass(frozen=True, slots=True)
class Paired:
    """What two models did on the same items.

    Attributes:
        sums: per-cluster totals of (first right - second right), whole numbers ``[C]``.
        sizes: items per cluster ``[C]``.
        gained: items only the first got right.
        lost: items only the second got right.
        effect: design effect, 1 or more.
    """

    sums: Floats
    sizes: Floats
    gained: int
    lost: int
    effect: float

    @property
    def n(self) -> int:
        """Number of items."""
        return int(self.sizes.sum())

    @property
    def clusters(self) -> int:
        """Number of independent clusters."""
        return len(self.sizes)

    @property
    def difference(self) -> float:
        """First minus second, as a share of items."""
        return (self.gained - self.lost) / self.n

    @property
    def discordance(self) -> float:
        """Share of items on which the two differ."""
        return (self.gained + self.lost) / self.n

    @property
    def effective_n(self) -> float:
        """Items counted as if they were independent."""
        return self.n / self.effect


def paired(first: ArrayLike, second: ArrayLike, clusters: Sequence[str] | ArrayLike) -> Paired:
    """Pair two models' results on the same items.

    Args:
        first: 0/1 per item ``[n]``, the candidate.
        second: 0/1 per item ``[n]``, what it is compared with.
        clusters: cluster of each item ``[n]``.

    Raises:
        ValueError: no items, or lengths differ.
    """
    one, two = np.asarray(first, int), np.asarray(second, int)
    if one.size == 0 or one.shape != two.shape:
        raise ValueError(f"{one.size} and {two.size} results cannot be paired")
    delta = one - two
    sums, sizes = totals(delta, codes(clusters))
    variance = float((delta**2).mean() - delta.mean() ** 2)
    effect = _cautious(design_effect(sums, sizes, variance), sums, sizes)
    return Paired(sums, sizes, int((delta > 0).sum()), int((delta < 0).sum()), effect)


def _cautious(seen: float, sums: Floats, sizes: Floats) -> float:
    """Lean towards the worst design effect while few clusters differ: two of them say little about clustering."""
    informed = float((sums != 0).sum())
    return (informed * seen + 2 * worst_design_effect(sizes)) / (informed + 2)


def sign_flip_p(pair: Paired) -> float:
    """Exact one-sided p of "the first is not better": chance of so large a total when each cluster's sign is tossed."""
    steps = np.abs(pair.sums[pair.sums != 0]).astype(int)
    if steps.size == 0:
        return 1.0
    # chance[k]: the signs tossed so far add up to 2 k - (sum of their steps)
    chance = np.ones(1)
    for step in steps:
        wider = np.zeros(len(chance) + step)
        wider[: len(chance)] = chance
        wider[step:] += chance
        chance = 0.5 * wider
    reached = (round(float(pair.sums.sum())) + int(steps.sum())) // 2
    return float(min(1.0, chance[reached:].sum()))


def score(pair: Paired, delta: float) -> float:
    """Tango's score of "first - second = delta" on the effective number of items; positive when more than delta."""
    n = pair.effective_n
    gained, lost = pair.gained / pair.effect, pair.lost / pair.effect
    a, b, c = 2 * n, -gained - lost + (2 * n - gained + lost) * delta, -lost * delta * (1 - delta)
    rate = (np.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (2 * rate + delta * (1 - delta))
    distance = gained - lost - n * delta
    if variance <= 1e-12:
        return 0.0 if abs(distance) < 1e-9 else float(np.sign(distance) * np.inf)
    return float(distance / np.sqrt(variance))


def noninferiority_p(pair: Paired, margin: float) -> float:
    """One-sided p of "the first is worse by ``margin`` or more"."""
    return float(special.stdtr(max(1, pair.clusters - 1), -score(pair, -margin)))


def drop_p(pair: Paired) -> float:
    """Exact one-sided p of "the first is not worse"."""
    return sign_flip_p(Paired(-pair.sums, pair.sizes, pair.lost, pair.gained, pair.effect))


def bounds(pair: Paired, alpha: float) -> tuple[float, float]:
    """One-sided lower and upper bound of the difference, each at ``alpha``: together a (1 - 2 alpha) interval."""
    quantile = t_quantile(1 - alpha, pair.clusters)
    return _bound(pair, quantile), _bound(pair, -quantile)


def _bound(pair: Paired, quantile: float) -> float:
    """Where Tango's score crosses the quantile; it falls as delta grows."""
    low, high = (-1 + 1e-9, pair.difference) if quantile > 0 else (pair.difference, 1 - 1e-9)
    end = low if quantile > 0 else high
    if (score(pair, end) - quantile) * quantile <= 0:
        return float(np.sign(end))
    return float(optimize.brentq(lambda d: score(pair, d) - quantile, low, high, xtol=1e-6))


def bootstrap_bounds(pair: Paired, alpha: float, *, resamples: int, seed: int) -> tuple[float, float]:
    """The same bounds by paired cluster bootstrap, for comparison; too narrow when hardly any item differs."""
    draws = bootstrap_draws(pair.sums, pair.sizes, resamples=resamples, seed=seed)
    low, high = np.quantile(draws, [alpha, 1 - alpha])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p values, in order: rejecting where adjusted <= alpha keeps the family's error below alpha."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted: NDArray[np.float64] = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, stepped)
    return [float(v) for v in adjusted]
