"""Recordings as people on a site would bring them: sounds, formats, names and notes that no other part here makes.

The sounds are synthesised anew in numpy, without `otoloop.simulate`, so that what is learnt from them is not a habit of
the simulator. One microphone a machine, a few days each; every day is a recording session.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import butter, lfilter, resample_poly, sosfilt

Wave = np.ndarray[Any, np.dtype[np.float64]]
Source = Callable[[np.random.Generator, np.random.Generator, Wave], Wave]
RATE = 48_000
START = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a machine sounds like, what a person calls it, and the fault it is."""

    fault: str
    source: Source
    said: Sequence[str]


@dataclass(frozen=True, slots=True)
class Form:
    """How a recorder stores sound."""

    rate: int
    channels: int
    ending: str
    subtype: str
    container: str


FORMS = (
    Form(48_000, 1, "wav", "PCM_16", "WAV"), Form(44_100, 2, "wav", "PCM_24", "WAV"),
    Form(16_000, 1, "flac", "PCM_16", "FLAC"), Form(96_000, 2, "flac", "PCM_24", "FLAC"),
    Form(22_050, 1, "WAV", "PCM_16", "WAV"), Form(48_000, 8, "wav", "PCM_16", "WAVEX"),
    Form(192_000, 1, "wav", "FLOAT", "WAV"), Form(48_000, 4, "wav", "PCM_32", "WAVEX"),
    Form(32_000, 1, "wav", "PCM_16", "RF64"), Form(8_000, 1, "wav", "PCM_16", "WAV"),
)  # fmt: skip


def _seconds(count: int) -> Wave:
    return np.arange(count) / RATE


def _band(noise: Wave, low: float, high: float) -> Wave:
    return np.asarray(sosfilt(butter(2, (low, high), "bandpass", fs=RATE, output="sos"), noise))


def _ringing(at: Wave, count: int, hz: float, decay_s: float, sizes: Wave) -> Wave:
    """Blows at the times ``at``, each ringing at ``hz``."""
    hits = np.zeros(count)
    np.add.at(hits, np.minimum((at * RATE).astype(int), count - 1), sizes)
    pole = np.exp(-1 / (decay_s * RATE)) * np.exp(2j * np.pi * hz / RATE)
    return np.asarray(lfilter([pole.imag], [1, -2 * pole.real, abs(pole) ** 2], hits))


def running(machine: np.random.Generator, day: np.random.Generator, noise: Wave) -> Wave:
    """A motor that runs well: brownish noise and a soft order or two."""
    turn, t = machine.uniform(23, 25) * day.uniform(0.99, 1.01), _seconds(len(noise))
    soft = sum(0.05 / k * np.sin(2 * np.pi * k * turn * t + k) for k in (1, 2, 3))
    return np.asarray(lfilter([1], [1, -0.97], noise) * 0.12 + _band(noise, 200, 2500) * 0.3 + soft)


def leak(machine: np.random.Generator, day: np.random.Generator, noise: Wave) -> Wave:
    """Air out of a hose: a broad hiss."""
    return _band(noise, machine.uniform(2000, 2600), 7000) * day.uniform(1.2, 1.6)


def knock(machine: np.random.Generator, day: np.random.Generator, noise: Wave) -> Wave:
    """A valve plate that lands too hard: dull blows, two to five a second."""
    pace = machine.uniform(2.2, 4.5) * day.uniform(0.95, 1.05)
    at = np.arange(0.1, len(noise) / RATE, 1 / pace)
    at = at + day.normal(0, 0.01, len(at))
    dull = _ringing(at, len(noise), machine.uniform(80, 150), 0.05, day.uniform(0.7, 1.2, len(at)))
    return dull + 0.6 * _ringing(at, len(noise), machine.uniform(180, 300), 0.03, day.uniform(0.7, 1.2, len(at)))


def gear(machine: np.random.Generator, day: np.random.Generator, noise: Wave) -> Wave:
    """Teeth that no longer fit: a meshing tone with sidebands at the turning speed."""
    turn, t = machine.uniform(11, 18) * day.uniform(0.99, 1.01), _seconds(len(noise))
    mesh = turn * machine.integers(29, 45)
    beat = 1 + 0.7 * np.sin(2 * np.pi * turn * t) + 0.3 * np.sin(4 * np.pi * turn * t + 1)
    tones = sum(np.sin(2 * np.pi * k * mesh * t + 0.3 * np.sin(2 * np.pi * turn * t)) / k for k in (1, 2, 3))
    return np.asarray(beat * tones * 0.7)


def whine(machine: np.random.Generator, day: np.random.Generator, noise: Wave) -> Wave:
    """A drive's carrier: a pure high tone that stands still, with two weak ones beside it."""
    hz, t = machine.uniform(3200, 5400), _seconds(len(noise))
    side = day.uniform(60, 110)
    return np.asarray(
        0.6 * np.sin(2 * np.pi * hz * t) + sum(0.12 * np.sin(2 * np.pi * (hz + k * side) * t + k) for k in (-1, 1))
    )


def hum(machine: np.random.Generator, day: np.random.Generator, noise: Wave) -> Wave:
    """A winding at twice the mains."""
    t = _seconds(len(noise))
    sizes = machine.uniform(0.2, 1.0, 8) * 0.8 ** np.arange(8)
    return np.asarray(sum(a * np.sin(2 * np.pi * 100 * k * t + k) for k, a in enumerate(sizes, 1)))


KINDS = (
    Kind("normal", running, ("sounds normal", "nothing unusual", "正常", "running fine today")),
    Kind("valve_knock", knock, ("knocking from the left valve", "valve knoking again", "弁の打音がする", "thumping")),
    Kind("gear_wear", gear, ("gear whine since monday", "worn gear, I think", "歯車音が大きい", "gear mesh noise")),
    Kind("inverter_whine", whine, ("drive whine, very high", "inverter whine", "インバータ音", "vfd whine all day")),
    Kind("air_leak", leak, ("hissing at the hose", "compresed air leak", "エア漏れ", "air leak behind the panel")),
    Kind("electrical_hum", hum, ("mains hum", "transformer hum from the cabinet", "電磁音", "loud buzzing")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of a plan: which machine on which day, what is heard, and how it is stored."""

    machine: str
    day: int
    number: int
    kind: Kind
    form: Form

    @property
    def time(self) -> datetime:
        """When it was made."""
        return START + timedelta(days=self.day, minutes=11 * self.number)

    @property
    def file(self) -> str:
        """Where it lies below the folder."""
        return f"{self.machine}/{self.machine} {self.time:%m%d}-{self.number}.{self.form.ending}"


def plan_recordings(days: int, each: int = 1, kinds: Sequence[Kind] = KINDS, machines: int = 1) -> Iterator[Recording]:
    """``machines`` of every kind, each recorded ``each`` times on every day, in one format after the other."""
    count = 0
    for day in range(days):
        for kind in kinds:
            for one in range(machines):
                for number in range(each):
                    yield Recording(f"{kind.fault[:2]}-{one + 1}", day, number, kind, FORMS[count % len(FORMS)])
                    count += 1


def sound(one: Recording, seconds: float) -> Wave:
    """The sound [samples, channels] at the recording's own rate; the machine's traits stay from day to day."""
    machine = np.random.default_rng([len(one.machine), *one.machine.encode()])
    day = np.random.default_rng([one.day, one.number, *one.machine.encode()])
    noise = day.standard_normal(round(seconds * RATE))
    floor = _band(day.standard_normal(len(noise)), 60, 3000) * day.uniform(0.1, 0.25)
    wave = one.kind.source(machine, day, noise) + floor + 0.01 * noise
    wave = resample_poly(wave * 0.25 / np.abs(wave).max() * day.uniform(0.7, 1.5), one.form.rate, RATE)
    return wave[:, None] * np.linspace(1, 0.4, one.form.channels)


def write(folder: Path, recordings: Sequence[Recording], *, seconds: float = 3, unnoted: int = 10) -> Path:
    """Write recordings below ``folder`` and beside them notes.csv, which is returned.

    Every ``unnoted``-th recording has no note. Files carry the time of their recording.
    """
    rows = []
    for index, one in enumerate(recordings):
        path = folder / one.file
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound(one, seconds), one.form.rate, subtype=one.form.subtype, format=one.form.container)
        os.utime(path, (one.time.timestamp(),) * 2)
        said = one.kind.said[(one.day + one.number) % len(one.kind.said)]
        rows += [(one.file, said)] if index % unnoted != unnoted - 1 else []
    notes = folder / "notes.csv"
    with notes.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows([("file", "note"), *rows])
    return notes
