"""`otoloop ask`: one question about one sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from otoloop.commands.output import Json, emit, say

if TYPE_CHECKING:
    import numpy as np

    from otoloop.evaluate.ask import Asked, Asker
    from otoloop.params import IntakeParams, Params
    from otoloop.records import Evidence


def register(app: typer.Typer) -> None:
    """Add `ask` to the command line."""
    app.command()(ask)


def ask(
    audio: Path = typer.Argument(
        ..., metavar="AUDIO", exists=True, dir_okay=False, help="A sound file; the model hears its beginning."
    ),
    question: str = typer.Argument("What is this noise?", metavar="QUESTION", help="In English or Japanese."),
    choices: str = typer.Option("", help="Options, separated by commas; none for an open question."),
    evidence: bool = typer.Option(True, help="Tell the model what was measured."),
    direct: bool = typer.Option(False, "--direct", help="Answer without a chain of thought."),
    adapter: str = typer.Option(
        "", metavar="DIR|base|latest", help="Which adapter; default: the one trained last here, else the base."
    ),
    live: bool = typer.Option(False, "--live", help="Ask the version that is live in this workspace's channel."),
    machine: str | None = typer.Option(None, help="Its machine in machines.yaml, for orders and mesh frequency."),
    sensors: Path | None = typer.Option(
        None, exists=True, dir_okay=False, help="Its sensor readings; by default the file beside it, if there is one."
    ),
    as_json: bool = Json,
) -> None:
    """Ask about a sound; every claim of the answer is held against the sound: ✓ confirmed, ✗ contradicted, ? open.

    Example: otoloop ask pump-3.wav "What is wrong with this machine?" --choices "cavitation,air leak,normal running"
    """
    from otoloop.audio.evidence import RATE
    from otoloop.params import Params, load_params

    workspace = _workspace()
    params = load_params(workspace / "params.yaml") if workspace else Params()
    wave, facts = _heard(audio, params.intake, sensors, machine)
    asker = _asker(adapter, live, workspace, params)
    if len(wave) > asker.base.window:
        say(f"Of {len(wave) / RATE:.0f} s the first {asker.base.window / RATE:.0f} are heard; all is measured.")
    asked = asker.ask(
        wave, question, facts, choices=[c.strip() for c in choices.split(",") if c.strip()],
        evidence=evidence, style="direct" if direct else "cot",
    )  # fmt: skip
    if workspace:
        _remember(asked, workspace)
    emit(asked.to_json(), _words(asked), as_json)


def _heard(
    audio: Path, params: IntakeParams, sensors: Path | None, machine: str | None
) -> tuple[np.ndarray[Any, Any], Evidence]:
    """The sound at 16 kHz, one channel, and what is measured in it.

    Raises:
        OtoloopError: the file would be refused by the intake.
    """
    from otoloop.audio.decode import decode
    from otoloop.audio.derive import derive
    from otoloop.audio.evidence import measure, mono
    from otoloop.commands.inspect import _machine, _sensors
    from otoloop.errors import OtoloopError
    from otoloop.records import Verdict

    clip = decode(audio, params)
    if isinstance(clip, Verdict):
        raise OtoloopError(f"{audio}: {clip.message}", clip.remedy)
    sound = clip.floats()
    facts = derive(measure(sound, clip.rate), _sensors(audio, sensors), _machine(machine))
    return mono(sound, clip.rate), facts


def _asker(adapter: str, live: bool, workspace: Path | None, params: Params) -> Asker:
    """The model that is asked: by its adapter, or what is live."""
    from otoloop.errors import OtoloopError
    from otoloop.evaluate.ask import Asker

    if not live:
        return Asker(adapter or _default(workspace), workspace, params.base)
    if workspace is None or adapter:
        raise OtoloopError("--live asks what a workspace serves, and no other adapter.", "Leave --adapter away.")
    from otoloop.serve.bundles import live_asker

    return live_asker(workspace, params)


def _workspace() -> Path | None:
    """The workspace we stand in; asking works without one too."""
    from otoloop.errors import OtoloopError
    from otoloop.settings import find_workspace

    try:
        return find_workspace(Path.cwd())
    except OtoloopError:
        return None


def _default(workspace: Path | None) -> str:
    from otoloop.evaluate.answer import ADAPTER

    return "latest" if workspace and (workspace / ADAPTER / "adapter_config.json").is_file() else "base"


def _remember(asked: Asked, workspace: Path) -> None:
    """Keep the answer, so that feedback and lineage find it."""
    from otoloop import catalog
    from otoloop.catalog import answers
    from otoloop.settings import Settings

    with catalog.open_workspace(workspace, Settings().database_url).session() as session:
        answers.add_answer(
            session, asked.answer_id, question=asked.question, output=asked.trace, version=asked.version,
            channel="command", sha=asked.sha, confidence=asked.confidence,
        )  # fmt: skip


def _words(asked: Asked) -> str:
    """The answer for people."""
    from otoloop.evaluate.ask import marked, tally

    count = " ".join(f"{n}{mark}" for mark, n in tally(asked).items() if n) or "none"
    last = f"confidence {asked.confidence:.2f}   claims {count}   {asked.version}   answer {asked.answer_id}"
    return f"{marked(asked)}\n\n{last}"
