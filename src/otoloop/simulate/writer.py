"""The simulated site as files: recordings, notes, sensor series, machines.yaml, truth, and the order of arrival."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

from otoloop.simulate.bad import bad_deliveries, default_limits
from otoloop.simulate.deliveries import AGAIN, EARLY, LATE, MAIN, Delivery, write_deliveries, write_jsonl
from otoloop.simulate.encode import flac, to_int16, wav
from otoloop.simulate.notes import NoteMade, write_note
from otoloop.simulate.scenes import numpy_render
from otoloop.simulate.site import MACHINES, SitePlan
from otoloop.simulate.truth import plain_truth

FORMATS = {"wav16": 0.74, "flac": 0.12, "wav44": 0.03, "wav48": 0.03, "stereo": 0.04, "wav24": 0.02, "float": 0.02}
"""Shares of file formats: 16 kHz mono unless the name says otherwise."""
SIDECAR_EARLY, SIDECAR_LATE, AUDIO_LATE = 0.15, 0.15, 0.03
NO_SENSORS = 0.07
REPEATED, CORRECTED, COPIED = 33, 50, 25
"""Every how many recordings an object comes twice, a note is corrected, a recording comes under a second name."""


@dataclass(frozen=True)
class Recording:
    """One good recording in all its parts."""

    name: str
    folder: str
    ext: str
    data: bytes
    note: NoteMade | None
    sensors: str | None
    truth: dict[str, Any]


def write_site(
    plan: SitePlan, out: Path, *, bad: bool = True, limits: Mapping[str, Any] | None = None
) -> dict[str, int]:
    """Write a plan's deliveries, ``machines.yaml``, ``truth.jsonl`` and ``deliveries.jsonl`` into ``out``.

    The same plan gives the same bytes. ``truth.jsonl`` is for tests and honesty checks and is never uploaded.

    Returns:
        Counts by expected outcome, and of ``objects`` and ``clips``.
    """
    out.mkdir(parents=True, exist_ok=True)
    deliveries, truth, sample = [], [], None
    for start in range(0, len(plan.scenes), 64):
        waves = numpy_render(plan.scenes.take(slice(start, start + 64)))
        sample = waves[0] if sample is None else sample
        for i, wave in enumerate(waves, start):
            recording = record(plan, i, wave)
            deliveries += deliver(plan, i, recording)
            truth.append(recording.truth)
    rng = np.random.default_rng([plan.seed, plan.cycle, 99])
    if bad and sample is not None:
        deliveries = _spoil_notes(deliveries)
        deliveries += bad_deliveries(plan.folder(len(plan.name) // 2), sample, limits or default_limits(), rng)
    (out / "machines.yaml").write_text(yaml.safe_dump(plan.machines(), sort_keys=False, allow_unicode=True), "utf-8")
    write_jsonl(out / "truth.jsonl", truth)
    rows = write_deliveries(out, [deliveries[k] for k in rng.permutation(len(deliveries))])
    outcomes = [r["expected"] for r in rows]
    return {"objects": len(rows), "clips": len(truth), **{k: outcomes.count(k) for k in sorted(set(outcomes))}}


def record(plan: SitePlan, i: int, wave: NDArray[np.float32]) -> Recording:
    """Row ``i`` as its file, note and sensors; chance depends on site, seed, cycle and row only."""
    rng = np.random.default_rng([int(plan.scenes.seeds[i]) % 2**32, i])
    seconds = round(float(rng.uniform(0.75, 1.0) * plan.scenes.seconds), 2)
    style = str(rng.choice(list(FORMATS), p=list(FORMATS.values())))
    ext, data, rate, channels = encode(rng, wave[: round(seconds * 16_000)], style)
    machine, fault = plan.machine(i), str(plan.scenes.fault[i])
    note = write_note(
        rng, fault=fault, machine=machine["machine"], severity=int(plan.scenes.truth["severity"][i]), time=plan.time[i],
        faults=sorted({f for m in MACHINES if m.kind == machine["kind"] for f in m.states}),
    )  # fmt: skip
    sensors = None if rng.random() < NO_SENSORS else sensor_series(rng, plan, i, seconds)
    shape = {"seconds": seconds, "rate": rate, "channels": channels, "format": style}
    truth = truth_row(plan, i, ext) | shape | {"note": note and {"says": note.says, "wrong": note.wrong}}
    return Recording(plan.name[i], plan.folder(i), ext, data, note, sensors, {**truth, "sensors": sensors is not None})


def truth_row(plan: SitePlan, i: int, ext: str) -> dict[str, Any]:
    """What is true of row ``i``; null where a quantity does not apply."""
    machine = MACHINES[plan.spec[i]]
    return {
        "name": plan.name[i], "key": f"{plan.folder(i)}/{plan.name[i]}.{ext}", "site": plan.site,
        "machine": machine.name, "kind": machine.kind, "session": plan.folder(i),
        "time": f"{plan.time[i]:%Y-%m-%dT%H:%M:%SZ}",
        "cycle": plan.cycle, "fault": str(plan.scenes.fault[i]),
        **plain_truth(plan.scenes.truth, i),
    }  # fmt: skip


def encode(rng: np.random.Generator, wave: NDArray[np.float32], style: str) -> tuple[str, bytes, int, int]:
    """(extension, bytes, rate, channels) of a mono 16 kHz wave in one of ``FORMATS``."""
    if style == "flac":
        return "flac", flac(to_int16(wave), 16_000), 16_000, 1
    if style in ("wav44", "wav48"):
        rate = 44_100 if style == "wav44" else 48_000
        return "wav", wav(to_int16(widen(rng, wave, rate)), rate), rate, 1
    if style == "stereo":
        other = 0.8 * np.roll(wave, 3) + 0.02 * wave.std() * rng.standard_normal(len(wave))
        return "wav", wav(to_int16(np.stack([wave, other], axis=1)), 16_000), 16_000, 2
    if style == "wav24":
        return "wav", wav(np.round(wave * (2**31 - 256)).astype(np.int32), 16_000, bits=24), 16_000, 1
    return "wav", wav(wave if style == "float" else to_int16(wave), 16_000), 16_000, 1


def widen(rng: np.random.Generator, wave: NDArray[np.float32], rate: int) -> NDArray[np.floating[Any]]:
    """At a higher rate, with the factory's noise going on above 8 kHz as a real recorder would hear it."""
    up, down = (441, 160) if rate == 44_100 else (3, 1)
    top = sosfilt(butter(6, 5000, "high", fs=16_000, output="sos"), wave)
    hiss = sosfilt(butter(6, 7600, "high", fs=rate, output="sos"), rng.standard_normal(len(wave) * up // down + 2))
    wide = resample_poly(wave, up, down)
    return wide + (0.7 * top.std() + 3e-5) * hiss[: len(wide)]  # type: ignore[no-any-return]


def sensor_series(rng: np.random.Generator, plan: SitePlan, i: int, seconds: float) -> str:
    """CSV of about ten readings a second; a fifth of the loggers lack some columns."""
    t = np.arange(0, seconds, 0.1)
    p, summary = plan.scenes.p, plan.scenes.sensors(i)
    sway = sum(p["drift"][i, j] * np.sin(6.2832 * (p["drift_hz"][i, j] * t) + p["drift_phase"][i, j]) for j in range(2))
    spread = {"vibration_rms_mm_s": 0.05, "current_a": 0.02, "temperature_c": 0.002}
    columns = {"t_s": t, "speed_rpm": summary["speed_rpm"] * (1 + sway)}
    columns |= {k: summary[k] * (1 + s * rng.standard_normal(len(t))) for k, s in spread.items()}
    if rng.random() < 0.2:
        columns.pop(str(rng.choice(list(spread))))
    places = {"t_s": 2, "speed_rpm": 1, "temperature_c": 2}
    text = io.StringIO()
    text.write(",".join(columns) + "\n")
    for row in zip(*columns.values(), strict=True):
        text.write(",".join(f"{v:.{places.get(k, 3)}f}" for k, v in zip(columns, row, strict=True)) + "\n")
    return text.getvalue()


def deliver(plan: SitePlan, i: int, r: Recording) -> list[Delivery]:
    """The objects of a recording: audio, sidecars before or after it, repetitions, corrections, copies."""
    rng = np.random.default_rng([int(plan.scenes.seeds[i]) % 2**32, i, 5])
    base = f"{r.folder}/{r.name}"
    audio = Delivery(f"{base}.{r.ext}", "audio", r.data, clip=r.name, wave=LATE if rng.random() < AUDIO_LATE else MAIN)
    out = [audio]
    if r.note:
        out.append(Delivery(f"{base}.json", "note", _json(r.note.body), _sidecar(rng), clip=r.name))
    if r.sensors:
        out.append(Delivery(f"{base}.sensors.csv", "sensors", r.sensors.encode(), _sidecar(rng), clip=r.name))
    if i % REPEATED == 4:
        out.append(replace(out[-1], wave=AGAIN, expected="duplicate", why="the same object delivered again"))
    if r.note and i % CORRECTED == 9:
        body = _json({**r.note.body, "text": r.note.body["text"] + " (corrected)"})
        out.append(replace(out[1], data=body, wave=AGAIN, why="the note, corrected later"))
    if r.truth["format"] in ("wav16", "flac") and i % COPIED == 11:
        out.append(_copy(base, r, audio))
    return out


def _sidecar(rng: np.random.Generator) -> int:
    """When a note or sensor file arrives relative to its audio."""
    u = rng.random()
    return EARLY if u < SIDECAR_EARLY else LATE if u < SIDECAR_EARLY + SIDECAR_LATE else MAIN


def _copy(base: str, r: Recording, audio: Delivery) -> Delivery:
    """The same samples under another name in another container."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(r.data), dtype="int16")
    ext, data = ("wav", wav(samples, rate)) if r.ext == "flac" else ("flac", flac(samples, rate))
    return replace(
        audio, key=f"{base}_copy.{ext}", data=data, wave=AGAIN, expected="duplicate", accept=("duplicate_content",),
        why="the same sound under another name in another container",
    )  # fmt: skip


def _spoil_notes(deliveries: list[Delivery]) -> list[Delivery]:
    """Break two notes: one cut off while uploading and later sent whole, one with a fault that no vocabulary knows."""
    notes = [k for k, d in enumerate(deliveries) if d.kind == "note" and d.wave == MAIN][:2]
    out = list(deliveries)
    for n, k in enumerate(notes):
        good = deliveries[k]
        data = good.data[: len(good.data) // 2] if n == 0 else _json({**json.loads(good.data), "fault": "gremlins"})
        out[k] = replace(good, data=data, expected="note_invalid", why="a note that cannot be used")
        if n == 0:
            out.append(replace(good, wave=AGAIN, why="the broken note, sent again whole"))
    return out


def _json(body: Mapping[str, Any]) -> bytes:
    return (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode()
