"""`otoloop inspect` and `otoloop evidence`: what one file is worth, and what can be measured from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from otoloop.commands.output import Json, emit, progress

if TYPE_CHECKING:
    from otoloop.params import IntakeParams
    from otoloop.records import Measured, Verdict


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(inspect)
    app.command()(evidence)


def inspect(
    files: list[Path] = typer.Argument(..., metavar="FILE...", exists=True, dir_okay=False, help="Files to judge."),
    speech: bool = typer.Option(False, "--speech", help="Also find seconds of speech (slower)."),
    as_json: bool = Json,
) -> None:
    """Judge sound files as the intake would, without taking them in; exit 1 if any would be refused.

    Example: otoloop inspect recordings/*.wav --json
    """
    rows = list(_judged(files, _intake_params(), speech))
    emit(rows, "\n".join(_line(row) for row in rows), as_json)
    if any(row["verdict"] != "admit" for row in rows):
        raise typer.Exit(1)


def _intake_params() -> IntakeParams:
    """Read the limits of the workspace we stand in, else the defaults."""
    from otoloop.errors import OtoloopError
    from otoloop.params import IntakeParams, load_params
    from otoloop.settings import find_workspace

    try:
        workspace = find_workspace(Path.cwd())
    except OtoloopError:
        return IntakeParams.model_validate({})
    return load_params(workspace / "params.yaml").intake


def _judged(files: Sequence[Path], params: IntakeParams, speech: bool) -> Iterator[dict[str, Any]]:
    """One row a file; a child process decodes them all."""
    from otoloop.audio.decode import Decoder

    with Decoder(params) as decoder:
        for file in progress(files, "Inspecting"):
            verdict = _verdict(decoder, file, params, speech)
            yield {
                "file": str(file), "verdict": "admit" if verdict.admitted else "quarantine",
                "reason_code": verdict.reason_code, "message": verdict.message, "remedy": verdict.remedy,
                "measures": dict(verdict.measures),
            }  # fmt: skip


def _verdict(decoder: Any, file: Path, params: IntakeParams, speech: bool) -> Verdict:
    """Decode, measure and judge one file."""
    from otoloop.audio.evidence import mono
    from otoloop.audio.fingerprint import content_id
    from otoloop.audio.quality import judge, measures
    from otoloop.records import Verdict

    clip = decoder.decode(file)
    if isinstance(clip, Verdict):
        return clip
    found = {"content_id": content_id(clip), **measures(clip)}
    if speech:
        from otoloop.audio.speech import speech_seconds

        found["speech_s"] = speech_seconds(mono(clip.floats(), clip.rate))
    return judge(found, params)


def _line(row: dict[str, Any]) -> str:
    """One file in words."""
    m = row["measures"]
    if row["verdict"] == "admit":
        level = f"{m['duration_s']:.1f} s, {m['rate_hz']} Hz, {m['rms_dbfs']:.0f} dBFS"
        return f"ok      {row['file']}  {level}"
    return f"REFUSED {row['file']}  [{row['reason_code']}] {row['message']}\n        {row['remedy']}"


def evidence(
    file: Path = typer.Argument(..., exists=True, dir_okay=False, help="A sound file."),
    sensors: Path | None = typer.Option(
        None, exists=True, dir_okay=False, help="Its sensor readings; by default the file beside it, if there is one."
    ),
    machine: str | None = typer.Option(None, help="Its machine in machines.yaml, for orders and mesh frequency."),
    as_json: bool = Json,
) -> None:
    """Measure what can be measured from a sound: tones, impacts, modulation, levels, and what follows from sensors.

    Example: otoloop evidence recordings/pump-3.wav --machine pump-3 --json
    """
    from otoloop.audio.decode import decode
    from otoloop.audio.derive import derive
    from otoloop.audio.evidence import measure
    from otoloop.errors import OtoloopError
    from otoloop.records import Verdict

    clip = decode(file, _intake_params())
    if isinstance(clip, Verdict):
        raise OtoloopError(f"{file}: {clip.message}", clip.remedy)
    known = derive(measure(clip.floats(), clip.rate), _sensors(file, sensors), _machine(machine))
    emit({key: asdict(m) for key, m in known.items()}, "\n".join(_facts(known)), as_json)


def _sensors(file: Path, given: Path | None) -> dict[str, float] | None:
    """Mean readings from the file given, or from the one beside the sound."""
    from otoloop.intake.sidecars import parse_sensors

    beside = (file.with_name(f"{file.stem}.sensors.{ending}") for ending in ("csv", "parquet"))
    path = given or next((p for p in beside if p.is_file()), None)
    return parse_sensors(path.read_bytes(), path.name) if path else None


def _machine(name: str | None) -> dict[str, Any] | None:
    """Find a machine in the workspace's machines.yaml."""
    from otoloop.intake.machines import find_machine
    from otoloop.settings import find_workspace

    return find_machine(find_workspace(Path.cwd()) / "machines.yaml", name) if name else None


def _facts(known: dict[str, Measured]) -> Iterator[str]:
    """Put the facts in words; doubtful ones are marked."""
    for key, fact in known.items():
        if fact.value is not None:
            doubt = "" if fact.reliable else "   (not reliable)"
            yield f"{key:<20} {_shown(fact.value, fact.uncertainty)}{doubt}"


def _shown(value: Any, uncertainty: float | None) -> str:
    """One value with its uncertainty."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}" + (f" ± {uncertainty:.2g}" if uncertainty else "")
    if isinstance(value, dict):
        return ", ".join(f"{k} {v:.1f}" for k, v in value.items())
    if isinstance(value, list):
        tones = (f"{t['f_hz']:.0f} Hz (+{t['level_db']:.0f} dB, {t['start_s']:.1f}-{t['end_s']:.1f} s)" for t in value)
        return ", ".join(tones) or "none"
    return str(value)
