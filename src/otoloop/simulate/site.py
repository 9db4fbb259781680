"""The simulated site's plan: which machine was recorded when, and what was wrong with it.

Eight machines are visited on many days; every visit is a session of its own, mostly with one recording, so that a third
of the sessions can be sealed for examination and still hold more than 120 independent recordings.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from otoloop.errors import OtoloopError
from otoloop.simulate.scenes import Scenes, compose

FIRST_DAY = dt.date(2026, 3, 2)
DAYS_A_CYCLE = 70
CLIPS = {1: 520}
LATER_CLIPS = 360
SECONDS = 4.0
UNKNOWN_SHARE = 0.03


@dataclass(frozen=True)
class MachineSpec:
    """One machine of the site: its speed and how often which state of it is met (shares)."""

    name: str
    kind: str
    nominal_rpm: int
    states: Mapping[str, float]


MACHINES = (
    MachineSpec("gearbox-1", "gearbox", 900, {"gear_wear": 0.5, "normal": 0.2, "bearing_outer": 0.3}),
    MachineSpec("gearbox-2", "gearbox", 1440, {"gear_wear": 0.5, "normal": 0.2, "bearing_inner": 0.3}),
    MachineSpec("compressor-1", "compressor", 330, {"valve_knock": 0.5, "normal": 0.2, "air_leak": 0.3}),
    MachineSpec("compressor-2", "compressor", 390, {"valve_knock": 0.5, "normal": 0.2, "loose_part": 0.3}),
    MachineSpec("drive-1", "drive", 1440, {"inverter_whine": 0.5, "normal": 0.2, "electrical_hum": 0.3}),
    MachineSpec("drive-2", "drive", 2400, {"inverter_whine": 0.5, "normal": 0.2, "electrical_hum": 0.3}),
    MachineSpec("pump-1", "pump", 1200, {"cavitation": 0.4, "normal": 0.2, "imbalance": 0.2, "bearing_inner": 0.2}),
    MachineSpec("fan-1", "fan", 960, {"belt_squeal": 0.3, "blade_pass": 0.3, "normal": 0.2, "imbalance": 0.2}),
)

CAMPAIGN = "drive"
CAMPAIGN_STATES = {"inverter_whine": 0.85, "normal": 0.05, "electrical_hum": 0.1}
"""After the first cycle the drives are what people worry about: visited three times as often, and this is how they are met."""


@dataclass(frozen=True)
class SitePlan:
    """The site's recordings, one row each, in the order of ``scenes``.

    Attributes:
        scenes: what to render.
        spec: index into ``MACHINES`` per row.
        time: when it was recorded (UTC).
        name: the file's name without extension.
    """

    site: str
    seed: int
    cycle: int
    scenes: Scenes
    spec: list[int]
    time: list[dt.datetime]
    name: list[str]

    def machine(self, i: int) -> dict[str, Any]:
        """Row ``i``'s machine as machines.yaml describes it."""
        spec = MACHINES[self.spec[i]]
        return {**self.scenes.machine(i), "machine": spec.name, "nominal_speed_rpm": float(spec.nominal_rpm)}

    def folder(self, i: int) -> str:
        """The start of row ``i``'s keys: ``<site>/<machine>/<yyyy-mm-dd>``."""
        return f"{self.site}/{MACHINES[self.spec[i]].name}/{self.time[i]:%Y-%m-%d}"

    def machines(self) -> list[dict[str, Any]]:
        """Every machine that was recorded, for machines.yaml."""
        first = {spec: i for i, spec in reversed(list(enumerate(self.spec)))}
        return [self.machine(first[spec]) for spec in sorted(first)]


def plan_site(
    site: str = "demo", seed: int = 7, clips: int | None = None, cycle: int = 1, *, seconds: float = SECONDS
) -> SitePlan:
    """Plan the recordings of one cycle, each of ``seconds`` or up to a quarter less; the same arguments give the same.

    Later cycles come from the same machines on later days, most often from the drives.

    Raises:
        OtoloopError: too few clips, or a cycle below one.
    """
    count = CLIPS.get(cycle, LATER_CLIPS) if clips is None else clips
    _check(count, cycle)
    rng = np.random.default_rng([seed, zlib.crc32(site.encode()), cycle])
    rows = _visits(rng, count, _season(cycle))
    spec, day = np.asarray([r[0] for r in rows]), np.asarray([r[1] for r in rows]) + (cycle - 1) * DAYS_A_CYCLE
    fault = np.asarray([r[2] for r in rows])
    fault[rng.random(count) < UNKNOWN_SHARE] = "unknown"
    nominal = np.asarray([m.nominal_rpm for m in MACHINES], float)[spec] / 60
    scenes = compose(
        rng, fault, spec + 1, day, split="site", seconds=seconds, site=site, mains_hz=50.0,
        kind=np.asarray([m.kind for m in MACHINES])[spec], shaft_hz=nominal * rng.uniform(0.975, 0.998, count),
    )  # fmt: skip
    times = _times(rng, day)
    names = [f"{MACHINES[s].name}_{t:%Y%m%d_%H%M%S}" for s, t in zip(spec, times, strict=True)]
    return SitePlan(site, seed, cycle, scenes, spec.tolist(), times, names)


def _check(clips: int, cycle: int) -> None:
    if clips < len(MACHINES):
        raise OtoloopError(f"{clips} clips are too few for {len(MACHINES)} machines.", "Ask for 8 clips or more.")
    if cycle < 1:
        raise OtoloopError(f"There is no cycle {cycle}.", "The first cycle is 1.")


@dataclass(frozen=True)
class _Met:
    """How a machine is met in a cycle: its share of the visits, and how often in which state."""

    share: float
    states: Mapping[str, float]


def _season(cycle: int) -> list[_Met]:
    """Every machine as often at first; later the drives three times as often as the others."""
    weights = [3 if cycle > 1 and m.kind == CAMPAIGN else 1 for m in MACHINES]
    return [
        _Met(w / sum(weights), CAMPAIGN_STATES if w > 1 else m.states) for w, m in zip(weights, MACHINES, strict=True)
    ]


def _visits(rng: np.random.Generator, clips: int, season: Sequence[_Met]) -> list[tuple[int, int, str]]:
    """(machine, day, state) of every recording: one a session, and a few sessions with a second one."""
    visits = []
    for m, met in enumerate(season):
        count = min(DAYS_A_CYCLE, max(1, int(int(clips * 0.985) * met.share)))
        days = np.sort(rng.choice(DAYS_A_CYCLE, count, replace=False))
        visits += [(m, int(day), state) for day, state in zip(days, _history(rng, met.states, count), strict=True)]
    again = [visits[i % len(visits)] for i in rng.permutation(max(len(visits), clips))[: clips - len(visits)]]
    return sorted(visits + again, key=lambda v: (v[1], v[0]))


def _history(rng: np.random.Generator, states: Mapping[str, float], days: int) -> list[str]:
    """States over the days, in two to four spells each: a fault stays for some time and comes back after repair."""
    share = np.asarray(list(states.values())) * days
    count = np.floor(share).astype(int)
    count[np.argsort(count - share, kind="stable")[: days - count.sum()]] += 1
    spells = []
    for state, n in zip(states, count, strict=True):
        parts = np.array_split(np.arange(n), max(1, min(4, n // 4)))
        spells += [[state] * len(part) for part in parts]
    return [state for i in rng.permutation(len(spells)) for state in spells[i]]


def _times(rng: np.random.Generator, day: np.ndarray[Any, Any]) -> list[dt.datetime]:
    """A second of the working day for each recording, all different."""
    seconds = rng.choice(9 * 3600, len(day), replace=False) + 8 * 3600
    start = [dt.datetime.combine(FIRST_DAY + dt.timedelta(days=int(d)), dt.time(), dt.UTC) for d in day]
    return [s + dt.timedelta(seconds=int(x)) for s, x in zip(start, seconds, strict=True)]
