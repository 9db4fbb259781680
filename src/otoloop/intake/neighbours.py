"""Near duplicates among the clips of a machine, found without comparing each with each at every shift.

Counting equal bits of two hashes at all shifts is a correlation of signs, so one Fourier transform does it for all
known clips of a machine at once; the result equals `otoloop.audio.fingerprint.near_share`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from otoloop.audio.fingerprint import BANDS, MIN_OVERLAP, NEAR_SHARE
from otoloop.catalog import clips

NEWEST = 1000
"""Clips of a machine, newest first, that a new one is compared with."""
Signs = np.ndarray[Any, Any]


@dataclass(slots=True)
class _Known:
    """Clips of one machine: signs of their hashes and the groups they belong to."""

    signs: list[Signs] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Neighbours:
    """The known clips of the machines met so far in one transaction."""

    session: Session
    _machines: dict[tuple[str, str], _Known] = field(default_factory=dict)

    def group_of(self, site: str, machine: str, fingerprint: str) -> str | None:
        """The group of the known clip of this machine that sounds most alike, or None when none is near."""
        known = self._known(site, machine)
        signs = _signs(fingerprint)
        if not known.signs or len(signs) < MIN_OVERLAP // 2:
            return None
        shares = near_shares(signs, known.signs)
        best = int(np.argmax(shares))
        return known.groups[best] if shares[best] >= NEAR_SHARE else None

    def add(self, site: str, machine: str, fingerprint: str, group: str) -> None:
        """Remember a clip for the ones that follow."""
        known = self._known(site, machine)
        signs = _signs(fingerprint)
        if len(signs) >= MIN_OVERLAP // 2:
            known.signs.append(signs)
            known.groups.append(group)

    def _known(self, site: str, machine: str) -> _Known:
        if (site, machine) not in self._machines:
            known = self._machines[site, machine] = _Known()
            for _, fingerprint, group in clips.fingerprints(self.session, site, machine)[-NEWEST:]:
                known.signs.append(_signs(fingerprint))
                known.groups.append(group)
        return self._machines[site, machine]


def _signs(fingerprint: str) -> Signs:
    """A hash as rows of plus and minus one [n, 16]."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(fingerprint), np.uint8)).reshape(-1, BANDS - 1)
    return bits.astype(np.float32) * 2 - 1


def near_shares(one: Signs, others: Sequence[Signs]) -> np.ndarray[Any, Any]:
    """Share of equal bits of ``one`` with each of ``others`` at their best alignment; 0 where they are too short."""
    lengths = np.array([len(other) for other in others])
    size = 1 << int(np.ceil(np.log2(len(one) + lengths.max())))
    stacked = np.zeros((len(others), size, BANDS - 1), np.float32)
    for row, other in zip(stacked, others, strict=True):
        row[: len(other)] = other
    spectra = np.fft.rfft(stacked, axis=1)
    own = np.fft.rfft(one, size, axis=0)
    agreement = np.fft.irfft((own[None] * spectra.conj()).sum(axis=2), size, axis=1)
    # agreement[:, s mod size] is the sum over rows where other starts at row s of one
    shifts = np.arange(-int(lengths.max()) + 1, len(one))
    overlap = np.minimum(len(one), shifts[None] + lengths[:, None]) - np.maximum(0, shifts)[None]
    least = np.minimum(np.minimum(MIN_OVERLAP, len(one)), lengths)[:, None]
    usable = (overlap >= least) & (least >= MIN_OVERLAP // 2)
    share = (agreement[:, shifts % size] / (np.maximum(overlap, 1) * (BANDS - 1)) + 1) / 2
    best: np.ndarray[Any, Any] = np.where(usable, share, 0.0).max(axis=1)
    return best
