"""`otoloop watch`: put what was answered before the reviewers, and tell how it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from otoloop.commands.output import Json, emit

if TYPE_CHECKING:
    from otoloop.watch.numbers import Numbers
    from otoloop.watch.picking import Report


def register(app: typer.Typer) -> None:
    """Add `watch` to the command line."""
    app.command()(watch)


def watch(
    days: int = typer.Option(7, min=1, max=3650, help="How many days of numbers, today included."),
    as_json: bool = Json,
) -> None:
    """Put complaints and a random tenth of the answers before the reviewers; tell the numbers of each day.

    Nothing is trained on what people say: a reviewer decides. Running it again changes nothing.

    Example: otoloop watch --days 30
    """
    from otoloop import catalog
    from otoloop.due import reasons
    from otoloop.params import load_params
    from otoloop.settings import Settings
    from otoloop.watch import numbers, picking

    settings = Settings()
    book = catalog.open_workspace(settings.workspace, settings.database_url)
    report = picking.run(book, load_params(settings.workspace / "params.yaml"))
    with book.reading() as session:
        found = numbers.daily(session, days)
    why = reasons(settings.workspace)
    data = {"picked": report.to_json(), "numbers": found.to_json(), "cycle_due": list(why)}
    emit(data, "\n".join([_words(report), _table(found), _due(why)]), as_json)


def _words(report: Report) -> str:
    lines = [
        f"{report.seen} new answers: {report.random} drawn at random. {report.complaints} new complaints. "
        f"{report.proposed} faults proposed, {report.moved} queued items moved."
    ]
    if report.proposed:
        lines.append("Next: otoloop draft writes their items, then reviewers decide.")
    if report.without_sound:
        lines.append(f"{report.without_sound} picked answers wait for their sound to pass the intake.")
    if report.unnamed:
        lines.append(f"{report.unnamed} picked answers name no fault: somebody must name it (clips without a fault).")
    return "\n".join(lines)


def _table(found: Numbers) -> str:
    from otoloop.watch.numbers import words

    lines = [f"Since {found.since}:" if found.served or found.reviewed else f"No answers since {found.since}."]
    for row in found.served:
        latency = "–" if row.latency_ms is None else f"{row.latency_ms:g} ms"
        lines.append(
            f"  {row.day} {row.version} {row.site or '(no site)'}: {row.answers} answers, wrong {words(row.complaints)}, "
            f"invalid {words(row.invalid)}, claims confirmed {words(row.claims)}, {latency}"
        )
    for one in found.reviewed:
        waiting = "" if one.queue is None else f", {one.queue} items wait"
        lines.append(f"  {one.day} {one.site}: {one.decisions} decisions in {one.minutes:g} minutes{waiting}")
    return "\n".join(lines)


def _due(why: tuple[str, ...]) -> str:
    return f"A cycle is due: {'; '.join(why)}." if why else "No cycle is due."
