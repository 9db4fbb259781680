"""What somebody says of an answer. It is kept for the queue of the reviewers; nothing is trained on it directly."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from otoloop.catalog import Catalog, answers
from otoloop.errors import OtoloopError
from otoloop.serve.refusals import Refusal
from otoloop.serve.wire import PREFIX


class Feedback(BaseModel):
    """A body of ``/v1/feedback``; ``correct_label`` is the fault that it really is, by id or name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer_id: str = Field(min_length=1, max_length=100, validation_alias=AliasChoices("answer_id", "request_id", "id"))
    rating: Literal["right", "wrong", "unsure"]
    correct_label: str | None = Field(None, max_length=200, validation_alias=AliasChoices("correct_label", "label"))
    comment: str = Field("", max_length=4000)
    user: str = Field("", max_length=200)


def read(data: bytes) -> Feedback:
    """Read a body.

    Raises:
        Refusal: 400, it is no feedback.
    """
    try:
        return Feedback.model_validate_json(data)
    except ValidationError as err:
        problem = err.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "body"
        raise Refusal(
            400, "invalid_json" if problem["type"] == "json_invalid" else "invalid_request",
            f"`{where}`: {problem['msg']}.", "Send answer_id, rating (right, wrong, unsure), correct_label?, comment?.",
            where,
        ) from None  # fmt: skip


def store(book: Catalog, given: Feedback) -> dict[str, Any]:
    """Write feedback to the catalogue; returns what a client is told.

    Raises:
        Refusal: 404, there is no such answer; 400, the label is no fault.
    """
    answer_id = given.answer_id.removeprefix(PREFIX)
    with book.session() as session:
        try:
            answers.answer(session, answer_id)
        except OtoloopError as err:
            raise Refusal(404, "answer_not_found", err.message, err.remedy, "answer_id") from None
        try:
            row = answers.add_feedback(
                session, answer_id, given.rating, actor=given.user, comment=given.comment, label=given.correct_label
            )
        except OtoloopError as err:
            raise Refusal(400, "unknown_label", err.message, err.remedy, "correct_label") from None
    return {"feedback": row.id, "answer_id": answer_id, "rating": row.verdict, "correct_label": row.label}
