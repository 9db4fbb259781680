"""How much can be seen with so many recordings, and how many are missing. One-sided, paired, normal approximation.

``discordance`` is the share of items on which two models differ, ``items`` the number of items, ``effect`` the design
effect of clustering; ``gain`` and ``margin`` are shares (0.03 = three points).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from otoloop.gate.statistics import Paired


@dataclass(frozen=True, slots=True)
class Sizing:
    """What one comparison had to work with: the two error rates, and how items differ and cluster."""

    alpha: float
    power: float
    discordance: float
    effect: float = 1.0
    items_per_cluster: float = 1.0

    @property
    def factor(self) -> float:
        """(z_alpha + z_power)^2."""
        return float((special.ndtri(self.power) - special.ndtri(self.alpha)) ** 2)


def sizing(pair: Paired, alpha: float, power: float) -> Sizing:
    """Take discordance and clustering as observed; one differing item is added, for none seen does not mean none."""
    discordance = (pair.gained + pair.lost + 1) / (pair.n + 2)
    return Sizing(alpha, power, discordance, pair.effect, pair.n / pair.clusters)


def smallest_detectable(size: Sizing, items: float) -> float:
    """The smallest true gain that would be found with the wanted power among ``items`` items."""
    effective = items / size.effect
    return math.sqrt(size.factor * size.discordance / (effective + size.factor))


def items_for_gain(size: Sizing, gain: float) -> int:
    """Items needed to find a true gain (McNemar; Miettinen 1968)."""
    discordance = max(size.discordance, gain)
    return math.ceil(round(size.factor * (discordance - gain**2) / gain**2 * size.effect, 6))


def items_for_margin(size: Sizing, margin: float) -> int:
    """Items needed to show "not worse by ``margin``" for a model that is truly equal."""
    return math.ceil(round(size.factor * size.discordance / margin**2 * size.effect, 6))


def power_for_gain(size: Sizing, items: float, gain: float) -> float:
    """Chance to find a true gain among ``items`` items."""
    spread = math.sqrt(max(size.discordance, gain) - gain**2) * math.sqrt(size.effect / items)
    return float(special.ndtr(gain / spread + special.ndtri(size.alpha))) if spread > 0 else 1.0


def recordings(size: Sizing, items: int) -> int:
    """Items as recordings (clusters) of the usual size."""
    return math.ceil(items / size.items_per_cluster)
