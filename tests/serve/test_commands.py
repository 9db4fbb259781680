"""`otoloop feedback` and `otoloop ask --live` as people type them."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from otoloop import catalog
from otoloop.catalog import answers
from otoloop.cli import _register, app
from otoloop.errors import OtoloopError


@pytest.fixture
def run(site, monkeypatch):
    monkeypatch.chdir(site)
    if not app.registered_commands:
        _register()

    def call(*words):
        result = CliRunner().invoke(app, list(words))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    return call


@pytest.fixture
def answer_id(site):
    book = catalog.open_workspace(site)
    with book.session() as session:
        row = answers.add_answer(session, f"a{len(answers.answers(session))}", question="?", output="x", version="v")
        found = row.id
    book.close()
    return found


def test_feedback(run, answer_id, site):
    told = json.loads(run("feedback", answer_id, "--wrong", "--label", "rub", "--as", "ann", "--json"))
    assert (told["rating"], told["correct_label"]) == ("wrong", "rub")
    assert "was right" in run("feedback", f"chatcmpl-{answer_id}", "--right", "--comment", "it was")
    run("feedback", answer_id, "--unsure")
    with catalog.open_workspace(site).reading() as session:
        rows = answers.feedback(session, answer_id=answer_id)
    assert [(r.verdict, r.actor or "me") for r in rows[:1]] == [("wrong", "ann")] and len(rows) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["feedback", "ID"], "Say one thing"),
        (["feedback", "ID", "--right", "--unsure"], "Say one thing"),
        (["feedback", "none", "--right"], "no answer"),
        (["feedback", "ID", "--wrong", "--label", "ghosts"], "no fault"),
        (["lineage", "none"], "no answer"),
    ],
)
def test_refusals_in_words(run, answer_id, words, message):
    with pytest.raises(OtoloopError, match=message):
        run(*[answer_id if word == "ID" else word for word in words])


@pytest.mark.slow
def test_asking_what_is_live(live, wav, tmp_path):
    (tmp_path / "x.wav").write_bytes(wav)
    command = [sys.executable, "-m", "otoloop", "ask", str(tmp_path / "x.wav"), "--live", "--direct", "--json"]
    told = json.loads(subprocess.run(command, cwd=live, capture_output=True, text=True, check=True).stdout)
    assert told["version"].startswith("otoloop@v1-")
    with catalog.open_workspace(live).reading() as session:
        assert answers.answer(session, told["answer_id"]).version == told["version"]
