"""`otoloop demo`: the whole loop on a simulated site, with the real parts."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from otoloop.commands.output import Json, emit, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    cycles: int = typer.Option(2, min=1, max=2, help="Turns of the loop; the second one has spoiled labels."),
    honest: bool = typer.Option(False, "--honest", help="The second turn's labels are not spoiled: the control."),
    yes: bool = typer.Option(False, "--yes", help="Ask nothing: a simulated reviewer approves."),
    seed: int = typer.Option(7, min=0, help="Another seed is another site."),
    folder: Path = typer.Option(Path("demo-site"), "--dir", help="Where; an earlier demo there is cleared."),
    stay: bool = typer.Option(False, "--stay", help="Afterwards leave all parts running, and machines that send."),
    as_json: bool = Json,
) -> None:
    """Watch otoloop do its job on a simulated site: S3, intake, drafts, review, release, training, gate, approval, answers.

    Two turns of the loop: the first candidate goes live; the second learns from spoiled labels.

    Offline, without a GPU, a few minutes. Leaves report.html and report.json in the folder and no process.

    Example: otoloop demo --yes
    """
    import time

    from otoloop.demo import report, steps
    from otoloop.demo.tour import Demo, finished, make_room, walk

    if stay and finished(folder.absolute()):
        _stay(folder.absolute())
        return
    start = time.monotonic()
    say(make_room(folder.absolute()))
    ask = not yes and sys.stdin.isatty()
    tour = Demo(workspace=folder.absolute(), seed=seed, cycles=cycles, ask=ask)
    if not ask:
        say("Nobody is asked: a SIMULATED reviewer will approve.")
    walk(tour, steps.ONCE, (steps.FIRST, steps.HONEST if honest else steps.SPOILED))
    seconds = time.monotonic() - start
    page = report.write(tour, seconds)
    say("")
    emit(tour.report, f"{report.table(tour, seconds)}\n\nReport: {page} and report.json beside it.", as_json)
    if stay:
        _stay(folder.absolute())


def _stay(workspace: Path) -> None:
    """Leave the site running, and say where its pages are."""
    from otoloop.demo.living import stay
    from otoloop.web.links import first_link

    for part in stay(workspace):
        say(f"  {part.name:<12} {part.url or ''}")
    if link := first_link(workspace):
        say(f"Make the first account here: {link}")
    say(f"End it with: cd {workspace} && otoloop down")
