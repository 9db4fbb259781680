"""`otoloop review`: the queue, one item, and decisions on it, as on the review page."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from otoloop.commands.output import Json, emit, one_of

if TYPE_CHECKING:
    from otoloop.catalog import Catalog
    from otoloop.review.decide import Outcome
    from otoloop.review.together import Tally
    from otoloop.review.views import Shown

review_app = typer.Typer(no_args_is_help=True, help="Look at drafted items and decide on them.")
As = typer.Option(None, "--as", help="Your name; by default OTOLOOP_ACTOR or the login name.")
Seconds = typer.Option(0.0, "--seconds", min=0, help="How long you looked at it.")
MARKS = {"confirmed": "✓", "contradicted": "✗", "not_hearable": "✗", "unverifiable": "?"}


def _states() -> Iterable[str]:
    from otoloop.codes import REVIEW_STATES

    return REVIEW_STATES


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(review_app, name="review")


def _open() -> tuple[Catalog, str, str]:
    """Catalogue, base and login name of the workspace we stand in."""
    from otoloop import catalog
    from otoloop.params import load_params
    from otoloop.settings import Settings

    settings = Settings()
    workspace = settings.workspace
    base = load_params(workspace / "params.yaml").base
    return catalog.open_workspace(workspace, settings.database_url), base, settings.actor


@review_app.command("list")
def list_items(
    state: str = typer.Option(
        "queued", callback=one_of(_states), help="drafted, queued, approved, rejected or superseded."
    ),
    site: str | None = typer.Option(None, help="Only this site."),
    limit: int = typer.Option(20, min=1, help="At most this many."),
    as_json: bool = Json,
) -> None:
    """List items, the one to review next first.

    Example: otoloop review list --state queued --limit 10
    """
    from otoloop.catalog import items
    from otoloop.codes import REVIEW_STATES
    from otoloop.review.views import summary

    book, _, _ = _open()
    with book.reading() as session:
        rows = [summary(v) for v in items.items(session, state=state, site=site, limit=limit)]
        counts = items.count_by_state(session)
    head = ", ".join(f"{counts.get(s, 0)} {s}" for s in REVIEW_STATES)
    lines = [f"{r['id']}  {r['site']}/{r['machine']}  {r['fault']}  {r['kind']}  {r['picked_by']}" for r in rows]
    emit({"counts": counts, "items": rows}, "\n".join([head, *lines]), as_json)


@review_app.command("show")
def show_item(item: str = typer.Argument(..., help="Id of the item."), as_json: bool = Json) -> None:
    """Show one item: note, question, trace, and how every claim fares against the sound.

    Example: otoloop review show 3f2a9c1d22e07b45
    """
    from otoloop.review.views import show

    book, base, _ = _open()
    with book.reading() as session:
        shown = show(session, item, base)
    emit(shown.to_json(), _page(shown), as_json)


def _page(shown: Shown) -> str:
    """The item as a person reads it."""
    item, clip = shown.item, shown.view.clip
    said = f"“{shown.note.text}” ({shown.note.author or 'unsigned'})" if shown.note else "(no note)"
    options = " ".join(f"({letter}) {name}" for letter, name in zip("abcdefgh", item.choices or (), strict=False))
    lines = [
        f"{item.id}  {shown.view.state}  version {shown.trace.version}, {item.kind}, {item.style}",
        f"{clip.site}/{clip.machine}  {clip.time:%Y-%m-%d %H:%M}  {clip.seconds:.1f} s", f"Note: {said}",
        f"Question: {item.question} {options}".rstrip(), f"Answer: {item.answer}", "", shown.trace.text, "",
    ]  # fmt: skip
    lines += [f"✗ {f.code}: {f.message}" for f in shown.problems]
    lines += [f"{MARKS[c.status]} {c.message}" for c in shown.claims if c.code is None]
    return "\n".join(lines)


@review_app.command("approve")
def approve(
    item: list[str] = typer.Argument(None, help="Ids of items."), actor: str | None = As, seconds: float = Seconds,
    all_confirmed: bool = typer.Option(
        False, "--all-confirmed", help="All queued items of which every claim is confirmed by the sound."
    ),
    site: str | None = typer.Option(None, help="With --all-confirmed: only this site."),
    yes: bool = typer.Option(False, "--yes", help="With --all-confirmed: do not ask."),
    force: bool = typer.Option(False, help="Approve although checks speak against it; needs --reason."),
    reason: str = typer.Option("", help="Why."), as_json: bool = Json,
) -> None:  # fmt: skip
    """Approve items as they stand: one, several, or all that nothing speaks against.

    Example: otoloop review approve 3f2a9c1d22e07b45 --as aya        or: otoloop review approve --all-confirmed
    """
    if bool(item) == all_confirmed:
        raise typer.BadParameter("Give ids of items, or --all-confirmed.")
    if item and len(item) == 1:
        act = {"decision": "approve", "force": force, "reason": reason, "seconds_spent": seconds}
        _decide(item[0], act, actor, as_json)
    else:
        _approve_many(item or [], actor, site, yes or not all_confirmed, as_json)


def _approve_many(ids: list[str], actor: str | None, site: str | None, sure: bool, as_json: bool) -> None:
    """Approve items, or without ``ids`` all that nothing speaks against, after asking; exit code 1 if any is refused."""
    from otoloop.errors import OtoloopError
    from otoloop.review import together

    book, base, login = _open()
    name, reason = actor or login, ""
    if not ids:
        found = together.confirmed(book, base, actor=name, site=site)
        ids, reason = [one.item.id for one in found], together.REASON
        words = ", ".join(f"{n} {fault}" for fault, n in together.by_fault(found).items())
        if ids and not sure and as_json:
            raise OtoloopError(f"{len(ids)} items would be approved: {words}.", "Add --yes to approve them.")
        if ids and not sure:
            typer.confirm(f"Approve {len(ids)} items as {name}, unseen ({words})?", abort=True)
    tally = together.approve(book, base, ids, actor=name, reason=reason)
    emit(tally.to_json(), _tally_words(tally), as_json)
    if tally.refused:
        raise typer.Exit(1)


def _tally_words(tally: Tally) -> str:
    lines = [f"{len(tally.approved)} items are approved."]
    if tally.second:
        lines.append(f"{len(tally.second)} are reviewed by two people and wait for another one (--as NAME).")
    lines += [f"✗ {item}: {why}" for item, why in tally.refused.items()]
    return "\n".join([*lines, "Next: otoloop retrain"] if tally.approved else lines)


@review_app.command("label")
def label(
    clip: list[str] = typer.Argument(..., help="Ids of clips, or unique beginnings of them; see `otoloop clips`."),
    fault: str = typer.Option(..., help="What they show, as 'valve knock' or 'normal running'."),
    actor: str | None = As, as_json: bool = Json,
) -> None:  # fmt: skip
    """Name what clips show that came without a note, or with a wrong one; `otoloop draft` then drafts for them.

    Example: otoloop review label 19e5a555f14e c90333060887 --fault "normal running"
    """
    from otoloop.review import together

    book, _, login = _open()
    full, known = together.label(book, clip, fault, actor or login)
    words = f"{len(full)} {'clip is' if len(full) == 1 else 'clips are'} labelled as {known.en}. Next: otoloop draft"
    emit({"clips": full, "fault": known.id}, words, as_json)


@review_app.command("edit")
def edit(
    item: str = typer.Argument(..., help="Id of the item."),
    trace: Path | None = typer.Option(None, help="File with the corrected trace (- is stdin); else an editor opens."),
    actor: str | None = As, seconds: float = Seconds,
    force: bool = typer.Option(False, help="Approve although checks speak against it; needs --reason."),
    reason: str = typer.Option("", help="Why."), as_json: bool = Json,
) -> None:  # fmt: skip
    """Correct the trace and approve it; the corrected text is checked against the sound first.

    Example: otoloop review edit 3f2a9c1d22e07b45 --trace corrected.txt
    """
    from otoloop.review.views import show

    book, base, _ = _open()
    with book.reading() as session:
        shown = show(session, item, base)
    start = time.monotonic()
    text = _edited(shown.trace.text, trace)
    spent = seconds or round(time.monotonic() - start, 1)
    act = {"decision": "approve", "edited": text, "force": force, "reason": reason, "seconds_spent": spent}
    _decide(item, {**act, "seen_version": shown.trace.version}, actor, as_json)


def _edited(text: str, file: Path | None) -> str:
    """The corrected text from a file, stdin, or the user's editor."""
    from otoloop.errors import OtoloopError

    if file is not None:
        try:
            return (sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")).strip()
        except (OSError, UnicodeDecodeError) as err:
            raise OtoloopError(f"{file} cannot be read as text: {err}.", "Give a UTF-8 text file.") from None
    import click

    written = click.edit(text)
    if written is None or written.strip() == text.strip():
        raise OtoloopError("Nothing was changed.", "Use `otoloop review approve` to approve the trace as it is.")
    return written.strip()


@review_app.command("reject")
def reject(
    item: str = typer.Argument(..., help="Id of the item."),
    reason: str = typer.Option("", help="What is wrong; needed."),
    fault: str | None = typer.Option(None, help="What it is instead, when the label is wrong."),
    actor: str | None = As, seconds: float = Seconds, as_json: bool = Json,
) -> None:  # fmt: skip
    """Reject an item; with --fault, correct the clip's label too.

    Example: otoloop review reject 3f2a9c1d22e07b45 --reason "this is the fan" --fault "belt squeal"
    """
    _decide(item, {"decision": "reject", "reason": reason, "fault": fault, "seconds_spent": seconds}, actor, as_json)


def _decide(item: str, act: dict[str, Any], actor: str | None, as_json: bool) -> None:
    from otoloop.review.decide import Act, RefusedError, decide

    book, base, login = _open()
    try:
        outcome = decide(book, item, Act(actor=actor or login, **act), base)
    except RefusedError as err:
        _refused(item, err, as_json)
    emit(_outcome(outcome), _outcome_words(outcome), as_json)


def _refused(item: str, err: Any, as_json: bool) -> None:
    """Say where the trace contradicts the sound; exit code 1."""
    from otoloop.reasoning.check import finding_json

    data = {
        "item": item,
        "error": err.message,
        "remedy": err.remedy,
        "reasons": [finding_json(f) for f in err.findings],
    }
    words = [f"✗ {f.code}: {f.message}" for f in err.findings]
    emit(data, "\n".join(["Refused: the trace does not pass the checks.", *words, err.remedy]), as_json)
    raise typer.Exit(1)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"item": outcome.item, "state": outcome.state, "final": outcome.final, "needs": outcome.needs}


def _outcome_words(outcome: Outcome) -> str:
    return f"Item {outcome.item} is {outcome.state}." + (f" It needs {outcome.needs}." if outcome.needs else "")


@review_app.command("simulate")
def simulate(
    limit: int | None = typer.Option(None, min=1, help="At most this many items."),
    as_json: bool = Json,
) -> None:
    """Let simulated reviewers decide on the queue, for demos. They know no truth and sign as simulated.

    Example: otoloop review simulate --limit 100
    """
    from otoloop.review.simulated import review_all

    book, base, _ = _open()
    done = review_all(book, base, limit=limit).to_json()
    counts = ", ".join(f"{n} {what}" for what, n in done.items() if isinstance(n, int) and what != "simulated")
    emit(done, f"Simulated reviewers decided: {counts or 'nothing to do'}.", as_json)
