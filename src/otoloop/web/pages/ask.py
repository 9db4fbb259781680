"""Asking about a sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse

from otoloop.catalog import lists
from otoloop.errors import OtoloopError
from otoloop.web.asking import Question
from otoloop.web.desk import Desk, render
from otoloop.web.door import needs


def router(desk: Desk) -> APIRouter:
    """The routes of the page."""
    pages = APIRouter(prefix="/ask", dependencies=[Depends(needs("ask"))])

    @pages.get("", response_class=HTMLResponse)
    def form(request: Request, machine: str = "") -> Response:
        return _page(desk, request, {"machine": machine})

    @pages.post("", response_class=HTMLResponse)
    def ask(
        request: Request, question: str = Form(""), machine: str = Form(""), choices: str = Form(""),
        speed: str = Form(""), sound: UploadFile | str = "",
    ) -> Response:  # fmt: skip
        typed = {"question": question, "machine": machine, "choices": choices, "speed": speed}
        try:
            data = b"" if isinstance(sound, str) else sound.file.read()
            answer_id = desk.asking.ask(_question(desk.name(request), data, typed))
        except OtoloopError as err:
            return _page(desk, request, typed, err, 422)
        return RedirectResponse(f"/answers/{answer_id}", 303)

    return pages


def _question(user: str, data: bytes, typed: Mapping[str, str]) -> Question:
    """The form as a question.

    Raises:
        OtoloopError: it brings no sound, or the speed is no number.
    """
    if not data:
        raise OtoloopError("There is no sound in the question.", "Choose a WAV, FLAC or MP3 file of up to 30 s.")
    options = tuple(word.strip() for word in typed["choices"].replace("、", ",").split(",") if word.strip())
    return Question(
        sound=data, text=typed["question"].strip(), user=user, machine=typed["machine"], choices=options,
        speed_rpm=_speed(typed["speed"]),
    )  # fmt: skip


def _speed(text: str) -> float | None:
    try:
        value = float(text) if text.strip() else None
    except ValueError:
        value = -1.0
    if value is not None and not 0 < value < 1e6:
        raise OtoloopError(f"{text[:40]!r} is no speed.", "Give turns a minute as a number, or leave it empty.")
    return value


def _page(
    desk: Desk, request: Request, typed: Mapping[str, Any], error: OtoloopError | None = None, status: int = 200
) -> Response:
    with desk.book.reading() as session:
        places = lists.places(session)
    return render(request, "ask.html", {"places": places, "typed": typed, "error": error}, status)
