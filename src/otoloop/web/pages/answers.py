"""One answer: what was asked and said, each claim against the sound, feedback, and where it all comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from otoloop.catalog import answers, clips
from otoloop.catalog.tables import AnswerRow
from otoloop.errors import OtoloopError
from otoloop.reasoning.check import claims_against
from otoloop.reasoning.draft import derived
from otoloop.reasoning.vocab import faults
from otoloop.records import Evidence
from otoloop.web.desk import Desk, render
from otoloop.web.door import needs
from otoloop.web.facts import tables
from otoloop.web.marks import trace_parts
from otoloop.web.player import heard

SHOWN = 20
DONE = {
    "right": "Noted: it was right.", "wrong": "Noted: it was wrong. A reviewer will look at it.",
    "unsure": "Noted: nobody can tell yet.",
}  # fmt: skip


def router(desk: Desk) -> APIRouter:
    """The routes of the pages."""
    pages = APIRouter(prefix="/answers")

    @pages.get("/{answer_id}", response_class=HTMLResponse)
    def answer(request: Request, answer_id: str, done: str = "") -> Response:
        return _page(desk, request, answer_id, {"done": DONE.get(done, "")})

    @pages.post("/{answer_id}/feedback", response_class=HTMLResponse, dependencies=[Depends(needs("ask"))])
    def feedback(
        request: Request, answer_id: str, verdict: str = Form(""), label: str = Form(""), comment: str = Form(""),
        back: str = Form(""),
    ) -> Response:  # fmt: skip
        try:
            _say(desk, desk.name(request), answer_id, verdict, label, comment)
        except OtoloopError as err:
            return _page(desk, request, answer_id, {"error": err}, 422)
        return RedirectResponse("/answers" if back == "list" else f"/answers/{answer_id}?done={verdict}", 303)

    @pages.get("/{answer_id}/lineage", response_class=HTMLResponse)
    def lineage(request: Request, answer_id: str) -> Response:
        from otoloop.lineage import lineage as trace_back

        return render(request, "lineage.html", {"line": trace_back(desk.workspace, answer_id), "shown": SHOWN})

    return pages


def _say(desk: Desk, who: str, answer_id: str, verdict: str, label: str, comment: str) -> None:
    with desk.book.session() as session:
        answers.add_feedback(
            session, answer_id, verdict, actor=who, comment=comment.strip()[:4000], label=label or None
        )


def _page(desk: Desk, request: Request, answer_id: str, more: Mapping[str, Any], status: int = 200) -> Response:
    with desk.book.reading() as session:
        row = answers.answer(session, answer_id)
        said = answers.feedback(session, answer_id=answer_id)
        sound, facts = _heard(desk, session, row)
    kind = row.details.get("kind", "with_evidence")
    claims = claims_against(row.output, facts, kind, desk.base) if facts else []
    mine = next((f.verdict for f in reversed(said) if f.actor == desk.name(request)), "")
    values = {
        "answer": row, "said": said[::-1], "mine": mine, "faults": list(faults().values()),
        "parts": trace_parts(row.output, claims), "claims": list(enumerate(claims)), "problems": [],
        "sound": heard(desk, *sound, claims) if sound else None, "clip": sound[0] if sound else None,
        "known": bool(facts), "tables": tables(facts),
    }  # fmt: skip
    return render(request, "answer.html", {**values, **more}, status)


def _heard(desk: Desk, session: Session, row: AnswerRow) -> tuple[tuple[str, float] | None, Evidence]:
    """(clip, seconds) and facts of an answer's sound: from memory just after it was asked, else from the catalogue."""
    recent = desk.asking.recent(row.id)
    if recent is not None:
        return (recent.clip, recent.seconds), recent.facts
    clip = clips.of_sound(session, row.clip) if row.clip else None
    if clip is None or clip.state == "erased":
        return None, {}
    return (clip.id, clip.seconds), derived(clip, clips.machine_of(session, clip))
