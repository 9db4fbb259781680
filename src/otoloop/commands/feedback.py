"""`otoloop feedback`: say of an answer whether it was right."""

from __future__ import annotations

import typer

from otoloop.commands.output import Json, emit


def register(app: typer.Typer) -> None:
    """Add `feedback` to the command line."""
    app.command()(feedback)


def feedback(
    answer: str = typer.Argument(..., metavar="ANSWER", help="Id of an answer; it stands beside it."),
    right: bool | None = typer.Option(None, "--right/--wrong", help="Whether it was right."),
    unsure: bool = typer.Option(False, "--unsure", help="Nobody can tell yet."),
    label: str | None = typer.Option(None, metavar="FAULT", help="What it really is, by id or name."),
    comment: str = typer.Option("", help="In your words."),
    actor: str = typer.Option("", "--as", metavar="NAME", help="Who says so; OTOLOOP_ACTOR by default."),
    as_json: bool = Json,
) -> None:
    """Tell what you know of an answer. It goes to the reviewers; nothing is trained on it directly.

    Example: otoloop feedback 3f2a9c1e77d04b12 --wrong --label "rotor rub" --comment "opened it, the seal was worn"
    """
    from otoloop import catalog
    from otoloop.errors import OtoloopError
    from otoloop.serve.feedback import Feedback, store
    from otoloop.settings import Settings

    if (right is None) != unsure:
        raise OtoloopError("Say one thing of the answer.", "Give --right, --wrong or --unsure.")
    rating = "unsure" if right is None else ("wrong", "right")[right]
    settings = Settings()
    given = Feedback.model_validate(
        {"answer_id": answer, "rating": rating, "label": label, "comment": comment, "user": actor or settings.actor}
    )
    told = store(catalog.open_workspace(settings.workspace, settings.database_url), given)
    label_words = f", it is {told['correct_label']}" if told["correct_label"] else ""
    emit(told, f"Noted: answer {told['answer_id']} was {rating}{label_words}.", as_json)
