"""`otoloop lineage`: where an answer comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from otoloop.commands.output import Json, emit

if TYPE_CHECKING:
    from otoloop.lineage import Lineage

SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add `lineage` to the command line."""
    app.command()(lineage)


def lineage(
    answer: str = typer.Argument(..., metavar="ANSWER", help="Id of an answer; it stands beside it."),
    as_json: bool = Json,
) -> None:
    """Trace an answer back: version, approver, cycle, release, items, clips and the deliveries that brought them.

    Example: otoloop lineage 3f2a9c1e77d04b12 --json
    """
    from otoloop.lineage import lineage as trace
    from otoloop.settings import Settings

    found = trace(Settings().workspace, answer.removeprefix("chatcmpl-"))
    emit(found.to_json(), "\n".join(_words(found)), as_json)


def _words(found: Lineage) -> Iterator[str]:
    """One line a step; of many items and clips the first few."""
    row = found.answer
    yield f"answer    {row['id']}  {row['at'][:19]}  {row['machine'] or 'no machine'}  {row['question']}"
    for said in found.feedback:
        yield f"          {said['verdict']} {said['label'] or ''} {said['actor']}: {said['comment']}".rstrip(": ")
    if found.version:
        yield f"version   {found.version['name']}  on {found.version['base']}  sha256 {found.version['sha256'][:16]}"
        for event in found.version["events"]:
            words = f"{event['type']:<9} {event['actor']}  {event['time'][:19]}  {event.get('channel', '')}"
            yield f"          {words}  {event.get('reason', '')}".rstrip()
    if found.cycle:
        yield f"cycle     {found.cycle['cycle']}  {found.cycle.get('tag') or ''}  commit {found.cycle['commit'][:10]}"
    if found.release:
        splits = Counter(item["split"] or "-" for item in found.items)
        count = ", ".join(f"{n} {split}" for split, n in sorted(splits.items()))
        yield f"release   {found.release['id']}  {found.release['items']} items ({count})"
        yield f"clips     {found.release['clips']}"
    for clip in found.clips[:SHOWN]:
        keys = ", ".join(d["key"] for d in clip["deliveries"] if d["kind"] == "audio") or "no delivery"
        yield f"          {clip['id'][:12]}  {clip['site']}/{clip['machine']}  {keys}"
    if len(found.clips) > SHOWN:
        yield f"          and {len(found.clips) - SHOWN} more (--json lists all)"
    yield from (f"missing   {why}" for why in found.missing)
