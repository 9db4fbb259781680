"""How commands speak: one JSON document or plain words on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import typer

T = TypeVar("T")

Json = typer.Option(False, "--json", help="Print one JSON document instead of words.")


def one_of(known: Callable[[], Iterable[str]]) -> Callable[[Any], Any]:
    """A callback that holds the values of an option against all that are allowed; another one is wrong usage (exit 2).

    ``known`` is asked when a value is there, so that what it imports is not loaded before.
    """

    def check(value: Any) -> Any:
        for one in value if isinstance(value, list | tuple) else [value]:
            if one is not None and one not in (allowed := list(known())):
                raise typer.BadParameter(f"{one!r} is not one of {', '.join(filter(None, allowed))}.")
        return value

    return check


def channels() -> Iterable[str]:
    """What ``--channel`` takes; an empty word leaves the choice to the command."""
    from otoloop.promote.ledger import CHANNELS

    return ("", *CHANNELS)


def emit(data: Any, human: str, as_json: bool) -> None:
    """Print ``data`` as JSON, or ``human`` for people."""
    print(json.dumps(data, ensure_ascii=False, indent=2) if as_json else human)


def say(text: str) -> None:
    """A line of progress for people; never part of the result."""
    print(text, file=sys.stderr, flush=True)


def progress(items: Sequence[T] | Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Iterate with a progress line on a terminal, silently elsewhere."""
    count = total if total is not None else (len(items) if isinstance(items, Sequence) else None)
    live = sys.stderr.isatty()
    for done, item in enumerate(items, 1):
        if live:
            print(f"\r{label} {done}{f'/{count}' if count else ''}", end="", file=sys.stderr, flush=True)
        yield item
    if live:
        print(file=sys.stderr)
