"""What is to be rendered and what is true of it: machines, sessions and faults, thousands of clips at once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from otoloop.errors import OtoloopError
from otoloop.simulate import traits
from otoloop.simulate.draws import Draw, Floats, Fresh, Ints, Traits, lin, log
from otoloop.simulate.dsp import Clock
from otoloop.simulate.physics import FAULTS, render, samples
from otoloop.simulate.truth import machine_mapping, sensor_summary, truth_columns

Split = Literal["train", "heldout", "site"]
Strings = NDArray[np.str_]

SHAFT_HZ: dict[str, tuple[float, float]] = {
    "normal": (5, 50), "imbalance": (14, 50), "bearing_outer": (5, 16), "bearing_inner": (7.5, 25),
    "bearing_ball": (5, 14),
    "belt_squeal": (8, 30), "air_leak": (5, 25), "cavitation": (12, 50), "electrical_hum": (12, 50),
    "loose_part": (4, 12),
    "rub": (4, 15), "blade_pass": (16, 48), "gear_wear": (14, 32), "valve_knock": (1.5, 7), "inverter_whine": (8, 50),
    "silence": (5, 25), "unknown": (5, 50),
}  # fmt: skip
"""Shaft speeds (turns per second) at which each fault is simulated, slow enough to be heard in a log-mel picture."""

KINDS: dict[str, tuple[str, ...]] = {
    "normal": ("motor", "pump", "fan", "compressor", "gearbox", "conveyor", "drive"),
    "imbalance": ("fan", "motor", "pump"),
    "bearing_outer": ("motor", "pump", "fan", "conveyor", "gearbox"),
    "bearing_inner": ("motor", "pump", "fan", "gearbox"),
    "bearing_ball": ("motor", "pump", "conveyor", "gearbox"), "belt_squeal": ("fan", "conveyor", "compressor"),
    "air_leak": ("compressor", "conveyor"), "cavitation": ("pump",),
    "electrical_hum": ("motor", "drive", "compressor"),
    "loose_part": ("fan", "conveyor", "compressor", "motor"), "rub": ("fan", "pump", "compressor"),
    "blade_pass": ("fan", "pump"),
    "gear_wear": ("gearbox", "conveyor"), "valve_knock": ("compressor",), "inverter_whine": ("drive", "motor"),
}  # fmt: skip
"""Machine kinds on which each fault occurs; specials occur on any."""

TAUGHT_BANDS = ((0.0, 0.18), (0.26, 0.46), (0.54, 0.74), (0.82, 1.0))
HELDOUT_BANDS = ((0.19, 0.25), (0.47, 0.53), (0.75, 0.81))
"""Shares of the log speed range that ``train`` uses, and those that it never uses."""


@dataclass(frozen=True)
class Scenes:
    """Clips to render. Every array has one row per clip.

    Attributes:
        p: parameters of the equations, float32 ``[n]`` or ``[n, k]``.
        rooms: the site's room sequences, shared by all rows.
        truth: what is true of each clip: speed_rpm, impulse_rate_hz, tone_hz, hum_hz, modulation_hz, modulation_depth,
            snr_db, severity, mains_hz, room, mic, the bearing's and gear's geometry; NaN where it does not apply.
        snr_band: ``low`` (below -4 dB) or ``moderate``.
        seeds: one uint64 per row; a row renders to the same samples alone or in any batch.
    """

    seconds: float
    split: str
    site: str
    fault: Strings
    kind: Strings
    individual: Ints
    session: Ints
    snr_band: Strings
    truth: dict[str, NDArray[Any]]
    p: dict[str, NDArray[np.float32]]
    rooms: NDArray[np.float32]
    seeds: NDArray[np.uint64]

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.fault)

    def take(self, index: Any) -> Scenes:
        """The rows of ``index`` (integers, slice or mask)."""
        pick = {k: getattr(self, k)[index] for k in ("fault", "kind", "individual", "session", "snr_band", "seeds")}
        pick |= {name: {k: v[index] for k, v in getattr(self, name).items()} for name in ("truth", "p")}
        return replace(self, **pick)

    def machine(self, i: int) -> dict[str, Any]:
        """Row ``i``'s machine as machines.yaml describes it."""
        return machine_mapping(self.truth, i, self.site, str(self.kind[i]), int(self.individual[i]))

    def sensors(self, i: int) -> dict[str, float]:
        """Row ``i``'s sensor summary; agrees with speed and fault."""
        return sensor_summary(self.truth, i)

    def groups(self, chunk: int) -> Iterator[tuple[str, Ints]]:
        """(fault, row numbers) in batches of at most ``chunk`` rows that share a fault."""
        for fault in dict.fromkeys(self.fault.tolist()):
            rows = np.flatnonzero(self.fault == fault)
            for start in range(0, len(rows), chunk):
                yield fault, rows[start : start + chunk]

    def params(self, rows: Ints) -> dict[str, NDArray[np.float32]]:
        """The parameters of ``rows``, with each row's room sequence."""
        p = {k: v[rows] for k, v in self.p.items()}
        p["room_noise"] = self.rooms[p["room_index"].astype(np.int64)]
        return p


def sample(
    rng: np.random.Generator, n: int, *, faults: Sequence[str], split: Split, seconds: float,
    mains_hz: float | None = None, site: str | None = None,
) -> Scenes:  # fmt: skip
    """Draw ``n`` clips, faults in equal shares and random order.

    Splits: ``train`` keeps to the taught speed bands at -4 to 20 dB SNR; ``heldout`` has other machines, only speeds
    that ``train`` never uses, and half its rows at -10 to -4 dB (``snr_band`` low), half at 0 to 10; ``site`` is
    another plant: other machines, rooms and noise, -2 to 15 dB.

    Raises:
        OtoloopError: an unknown fault.
    """
    unknown = sorted(set(faults) - set(FAULTS))
    if unknown:
        raise OtoloopError(f"Unknown fault {unknown[0]!r}.", f"Use some of: {', '.join(FAULTS)}.")
    fault = rng.permutation(np.resize(np.asarray(faults), n))
    individual = rng.integers(0, {"train": 8000, "heldout": 2000}.get(split, 400), n)
    session = rng.integers(0, 40, n)
    place = site or f"sim-{split}"
    return compose(rng, fault, individual, session, split=split, seconds=seconds, mains_hz=mains_hz, site=place)


def compose(
    rng: np.random.Generator, fault: Strings, individual: Ints, session: Ints, *, split: Split, seconds: float,
    site: str, mains_hz: float | None = None, kind: Strings | None = None, shaft_hz: Floats | None = None,
    snr_db: Floats | None = None,
) -> Scenes:  # fmt: skip
    """Clips of given machines in given sessions; ``kind``, ``shaft_hz`` and ``snr_db`` override what would be drawn."""
    n, key = len(fault), zlib.crc32(site.encode())
    where = np.full(n, key, np.int64)
    ind, ses, clip = Traits(where, individual), Traits(where, individual, session), Fresh(rng, n)
    snr, low = _snr(split, clip) if snr_db is None else (snr_db, snr_db < -4)
    mains = np.where(ind("mains") < 0.5, 50.0, 60.0) if mains_hz is None else np.full(n, float(mains_hz))
    geo = traits.geometry(ind)
    shaft = _speeds(fault, split, ind, ses) if shaft_hz is None else shaft_hz
    p = {"shaft_hz": shaft, "snr_db": snr, **geo, **traits.orders(geo), **_levels(fault, split, clip)}
    for part in (traits.running, traits.bearing, traits.rotating, traits.friction, traits.knocking):
        p |= part(ind, ses, clip)
    p |= traits.electric(ind, ses, clip, mains) | traits.strange(clip) | traits.surroundings(ind, ses, clip, seconds)
    return Scenes(
        seconds=seconds, split=split, site=site, fault=fault, individual=individual, session=session,
        kind=_kinds(fault, ind) if kind is None else kind, snr_band=np.where(low, "low", "moderate"),
        truth=truth_columns(fault, p, ind, ses, clip, mains), p={k: np.asarray(v, np.float32) for k, v in p.items()},
        rooms=traits.room_bank(key), seeds=rng.integers(0, 2**63, n, dtype=np.uint64),
    )  # fmt: skip


def _snr(split: str, clip: Draw) -> tuple[Floats, NDArray[np.bool_]]:
    """Signal-to-noise ratio in dB per row, and which rows are of the low band."""
    u = clip("snr")
    if split == "heldout":
        low = clip("snr_band") < 0.5
        return np.where(low, lin(u, -10, -4), lin(u, 0, 10)), low
    snr = lin(u, -4, 20) if split == "train" else lin(u, -2, 15)
    return snr, snr < -4


def _speeds(fault: Strings, split: str, ind: Draw, ses: Draw) -> Floats:
    """Shaft Hz: the machine's own place in the bands of its split, a little moved by each session's load."""
    bands = np.asarray({"train": TAUGHT_BANDS, "heldout": HELDOUT_BANDS}.get(split, ((0.0, 1.0),)))
    chosen = bands[(ind("band") * len(bands)).astype(np.int64)]
    inside = 0.85 * ind("speed") + 0.15 * ses("speed")
    place = chosen[:, 0] + (chosen[:, 1] - chosen[:, 0]) * inside
    lo, hi = np.asarray([SHAFT_HZ[f] for f in fault]).T
    return np.asarray(lo * (hi / lo) ** place)


def _levels(fault: Strings, split: str, clip: Draw) -> dict[str, Floats]:
    """Fault over bed, and the clip's peak level; silence has a floor instead."""
    severity = np.floor(3 * clip("severity"))
    floor = np.asarray([0.0, 1.8e-4, 2.0e-5])[(clip("floor") * 3).astype(np.int64)]
    return {
        "severity": severity + 1, "fault_db": 7 + 4 * severity + 4 * clip("fault_db"),
        "level_db": lin(clip("level"), -35, -6), "floor_rms": floor * log(clip("floor_rms"), 0.7, 1.4),
    }  # fmt: skip


def _kinds(fault: Strings, ind: Draw) -> Strings:
    """A machine kind that can have the fault."""
    u, kinds = ind("kind"), [KINDS.get(f, KINDS["normal"]) for f in fault]
    return np.asarray([k[int(x * len(k))] for k, x in zip(kinds, u, strict=True)])


class RowNoise:
    """Standard normal draws that depend only on each row's seed, not on the batch it is rendered in."""

    def __init__(self, seeds: NDArray[np.uint64]) -> None:
        self.rngs = [np.random.Generator(np.random.SFC64(int(seed))) for seed in seeds]

    def __call__(self, k: int) -> NDArray[np.float32]:
        """The next ``[B, k]`` draws."""
        return np.stack([rng.standard_normal(k, dtype=np.float32) for rng in self.rngs])


def numpy_render(scenes: Scenes, chunk: int = 8) -> NDArray[np.float32]:
    """Waves ``[n, T]`` float32 at 16 kHz, peak below one, on the CPU."""
    out = np.zeros((len(scenes), samples(scenes.seconds)), np.float32)
    clock = Clock.make(np, out.shape[1])
    for fault, rows in scenes.groups(chunk):
        out[rows] = render(fault, scenes.params(rows), clock, RowNoise(scenes.seeds[rows]))
    return out
