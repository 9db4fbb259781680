"""The page of one clip: its sound, what was measured, what people wrote, and everything made from it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from otoloop.catalog import answers, clips, deliveries, items, notes, releases
from otoloop.reasoning.draft import derived
from otoloop.reasoning.vocab import faults
from otoloop.review import together
from otoloop.review.views import summary
from otoloop.web.desk import Desk, render
from otoloop.web.door import needs
from otoloop.web.facts import measured, tables
from otoloop.web.player import heard


def router(desk: Desk) -> APIRouter:
    """The route of the page."""
    pages = APIRouter(prefix="/clips")

    @pages.get("/{clip_id}", response_class=HTMLResponse)
    def clip(request: Request, clip_id: str, done: bool = False) -> Response:
        return render(request, "clip.html", {**_values(desk, clip_id), "done": done})

    @pages.post("/{clip_id}", response_class=HTMLResponse, dependencies=[Depends(needs("name"))])
    def name(request: Request, clip_id: str, fault: str = Form("")) -> Response:
        together.label(desk.book, [clip_id], fault, desk.name(request))
        return RedirectResponse(f"/clips/{clip_id}?done=1", 303)

    return pages


def _values(desk: Desk, clip_id: str) -> dict[str, Any]:
    with desk.book.reading() as session:
        row = clips.clip(session, clip_id)
        machine = clips.machine_of(session, row)
        values = {
            "clip": row, "machine": machine, "notes": notes.note_history(session, row.id)[::-1],
            "label": notes.label(session, row.id), "releases": releases.released_in(session, row.id),
            "deliveries": deliveries.deliveries(session, clip=row.id),
            "answers": answers.of_clip(session, row.id, row.parent),
            "items": [summary(view) for view in items.items(session, clip=row.id)],
        }  # fmt: skip
    erased = row.state == "erased"
    return {
        **values, "erased": erased, "faults": list(faults().values()), "sound": None if erased else heard(desk, row.id, row.seconds),
        "tables": [] if erased else [*tables(derived(row, machine)), *measured(row.measures)],
    }  # fmt: skip
