"""`otoloop draft` and `otoloop trace check`: write chains of thought, and check any of them against the sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from otoloop.commands.output import Json, emit, one_of

if TYPE_CHECKING:
    from otoloop.records import Evidence, Finding, Item

trace_app = typer.Typer(no_args_is_help=True, help="Chains of thought as text files.")
KINDS = ("audio_only", "with_evidence")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(draft)
    app.add_typer(trace_app, name="trace")


def draft(
    limit: int | None = typer.Option(None, min=1, help="Draft for at most this many clips."),
    as_json: bool = Json,
) -> None:
    """Write items and traces for labelled clips that have none, check them against the sound, and queue what passes.

    Example: otoloop draft --limit 50
    """
    from otoloop import catalog
    from otoloop.params import load_params
    from otoloop.reasoning.draft import run
    from otoloop.settings import Settings, state_dir

    settings = Settings()
    workspace = settings.workspace
    book = catalog.open_workspace(workspace, settings.database_url)
    try:
        report = run(book, load_params(workspace / "params.yaml"), state_dir(workspace) / "memo" / "draft", limit=limit)
    finally:
        book.close()
    emit(report.to_json(), _words(report.to_json()), as_json)


def _words(report: dict[str, Any]) -> str:
    held = ", ".join(f"{code} {n}" for code, n in report["held_back"].items())
    lines = [
        f"{report['items']} items drafted for {report['clips']} clips; {report['queued']} queued for review.",
        f"Held back by the checks: {held}." if held else "",
        "Nothing to do: every labelled clip has its items." if not report["clips"] else "Next: otoloop review list",
    ]
    return "\n".join(line for line in lines if line)


@trace_app.command("check")
def trace_check(
    trace: Path = typer.Argument(..., metavar="TRACE.txt", help="The trace as a text file."),
    audio: Path = typer.Option(..., "--audio", exists=True, dir_okay=False, help="The sound it speaks of."),
    sensors: Path | None = typer.Option(
        None,
        exists=True,
        dir_okay=False,
        help="Its sensor readings; by default the file beside the sound, if there is one.",
    ),
    machine: str | None = typer.Option(
        None, help="Name of its machine in machines.yaml, for orders and mesh frequency."
    ),
    gold: str | None = typer.Option(None, help="The right answer, to compare the response with."),
    kind: str | None = typer.Option(
        None, callback=one_of(lambda: KINDS), help="audio_only or with_evidence; without it, all claims are compared."
    ),
    as_json: bool = Json,
) -> None:
    """Check a chain of thought against the sound: form, answer, every claim. Exit code 1 if anything is wrong.

    Example: otoloop trace check trace.txt --audio pump.wav --sensors pump.sensors.csv --gold "air leak"
    """
    from otoloop.reasoning.check import check, claims_against, finding_json

    text, base = _text(trace), _base()
    item = _item(gold, text)
    facts = _facts(audio, sensors, machine)
    problems = check(text, facts, item=item, base=base, kind=kind or "any")
    claims = claims_against(text, facts, kind, base)
    report = {
        "ok": not problems, "reasons": [finding_json(f) for f in problems], "claims": [finding_json(f) for f in claims],
    }  # fmt: skip
    emit(report, _verdict(problems, claims), as_json)
    if problems:
        raise typer.Exit(1)


def _text(path: Path) -> str:
    from otoloop.errors import OtoloopError

    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as err:
        raise OtoloopError(f"{path} cannot be read as text: {err}.", "Give a UTF-8 text file with the trace.") from None


def _item(gold: str | None, text: str) -> Item | None:
    """The question that the trace answers, as far as the options tell it; a trace may be direct or not."""
    from otoloop.errors import OtoloopError
    from otoloop.reasoning.vocab import by_name, fault_names, find_fault
    from otoloop.records import Item as Made

    if gold is None:
        return None
    fault = by_name(gold) or by_name(find_fault(gold) or "")
    if fault is None:
        raise OtoloopError(f"The vocabulary has no fault {gold!r}.", f"Use one of: {', '.join(fault_names())}.")
    return Made(id="", clip="", question="", answer=fault.en, style="direct" if "<THINK></THINK>" in text else "cot")


def _facts(audio: Path, sensors: Path | None, machine: str | None) -> Evidence:
    """Measured and derived facts of the files; sensor readings beside the sound are found by their name."""
    from otoloop.audio.decode import decode
    from otoloop.audio.derive import derive
    from otoloop.audio.evidence import measure
    from otoloop.commands.inspect import _intake_params, _machine, _sensors
    from otoloop.errors import OtoloopError
    from otoloop.records import Verdict

    clip = decode(audio, _intake_params())
    if isinstance(clip, Verdict):
        raise OtoloopError(f"{audio}: {clip.message}", clip.remedy)
    return derive(measure(clip.floats(), clip.rate), _sensors(audio, sensors), _machine(machine))


def _base() -> str:
    """The base of this workspace, or the embedded one outside any."""
    from otoloop.errors import OtoloopError
    from otoloop.params import Params, load_params
    from otoloop.settings import find_workspace

    try:
        return load_params(find_workspace(Path.cwd()) / "params.yaml").base
    except OtoloopError:
        return Params().base


def _verdict(problems: list[Finding], claims: list[Any]) -> str:
    """What a person reads: each problem, then how each claim fared."""
    marks = {"confirmed": "✓", "contradicted": "✗", "not_hearable": "✗", "unverifiable": "?"}
    lines = [f"✗ {f.code}: {f.message}" for f in problems]
    lines += [f"{marks[f.status]} {f.message}" for f in claims if f.code is None]
    return "\n".join([*lines, "The trace is " + ("refused." if problems else "fine.")])
