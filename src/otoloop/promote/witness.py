"""What this machine has seen of the chain: a later, shorter or other chain is then known for what it is."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoloop.outs import read_json
from otoloop.promote.events import Event
from otoloop.settings import state_dir

FILE = "registry-seen.json"


@dataclass(frozen=True, slots=True)
class Seen:
    """An event by number and hash, and who says that it was there."""

    seq: int
    hash: str
    where: str


def remember(workspace: Path, events: Sequence[Event]) -> None:
    """Note the head of a chain if it goes on from what was noted before; another chain leaves the note as it is."""
    known = seen(workspace)
    if events and (known is None or (known.seq < len(events) and missing(events, known) is None)):
        _write(state_dir(workspace) / FILE, {"seq": events[-1].seq, "hash": events[-1].hash})


def _write(path: Path, note: dict[str, Any]) -> None:
    """Many readers note at once: each has a temporary file of its own."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    draft.write_text(json.dumps(note), encoding="utf-8")
    os.replace(draft, path)


def seen(workspace: Path) -> Seen | None:
    """The last event that this machine knows of."""
    path = workspace / ".otoloop" / FILE
    if not path.is_file():
        return None
    try:
        row = read_json(path)
        return Seen(int(row["seq"]), str(row["hash"]), f"this machine ({path.name})")
    except (ValueError, TypeError, KeyError):
        return None


def missing(events: Sequence[Event], anchor: Seen) -> str | None:
    """Why a chain is not the one in which an anchor was made, None if it is."""
    if anchor.seq > len(events):
        return f"The chain ends with event {len(events)}, but {anchor.where} knows of event {anchor.seq}: its tail was cut off."
    if anchor.seq > 0 and events[anchor.seq - 1].hash != anchor.hash:
        return f"Event {anchor.seq} is not the one that {anchor.where} knows: the chain was rewritten."
    return None
