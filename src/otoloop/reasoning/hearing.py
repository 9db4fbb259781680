"""What a base can hear, claim kind by claim kind, and how finely.

Qwen2-Audio hears a log-mel picture at 16 kHz: 25 ms windows every 10 ms. It can tell spectral shape, tones, events in time
and slow modulation; it cannot count a hundred impacts a second or read a speed. A trace of an ``audio_only`` item may state
only what is listed here, rounded to the resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# ISO 266 preferred third-octave centres, Hz
THIRD_OCTAVES = (
    50, 63, 80, 100, 125, 160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hearing:
    """Relative resolution of the numeric claims that may be made from sound alone, and how long a base listens.

    ``seconds``: what follows in a recording is not heard. A base that was taught short clips loses the thread in long
    ones, whatever its window.
    """

    tolerance: Mapping[str, float]
    seconds: int = 30

    def hearable(self, kind: str) -> bool:
        """Whether a numeric claim of this kind may stand in an ``audio_only`` trace."""
        return kind in self.tolerance


_BASES: Mapping[str, Hearing] = {
    "otoloop-mini": Hearing({"tone_hz": 0.13, "modulation_hz": 0.35}, seconds=8),
    "Qwen2-Audio": Hearing({"tone_hz": 0.13, "modulation_hz": 0.25}),
}


def hearing(base: str) -> Hearing:
    """The hearing of a base by its name; unknown names get that of Qwen2-Audio, whose input all bases share."""
    return next((h for name, h in _BASES.items() if name in base), _BASES["Qwen2-Audio"])


def third_octave(f_hz: float) -> int:
    """The preferred centre nearest to ``f_hz`` on the logarithmic scale."""
    return min(THIRD_OCTAVES, key=lambda c: max(c / f_hz, f_hz / c))
