"""Asking on a page: refusals that say what to do, an answer with its claims, feedback, and the way back to the sources."""

import io
import os
import re
import threading
import time

import numpy as np
import pytest
import soundfile

from otoloop.catalog import answers, items


def coded(seconds=1.0, rate=16000, channels=1, form="WAV", scale=0.2):
    out = io.BytesIO()
    tone = scale * np.sin(2 * np.pi * 700 * np.arange(int(seconds * rate)) / rate)
    soundfile.write(out, np.stack([tone] * channels, 1), rate, format=form)
    return out.getvalue()


def ask(browser, data, **typed):
    token = re.search(r'name="csrf" value="(\w+)"', browser.get("/ask").text).group(1)
    fields = {"csrf": token, "question": "What is wrong with this machine?", **typed}
    name = fields.pop("name", "sound.wav")
    return browser.post("/ask", data=fields, files={"sound": (name, data, "audio/wav")} if data is not None else None)


@pytest.fixture
def ken(come_in):
    return come_in("ken")


@pytest.mark.parametrize(
    ("data", "typed", "words"),
    [
        (None, {}, "There is no sound in the question"), (b"", {}, "There is no sound in the question"),
        (b"<script>alert(1)</script>" * 40, {"name": '"><script>x</script>.wav'}, "Send WAV, FLAC or MP3"),
        (coded(31), {}, "31.0 s; at most 30 s are taken"), (coded(0.05), {}, "at least 0.1 s are needed"),
        (coded(rate=2000), {}, "Record at 16000 Hz or more"), (coded(channels=12), {}, "12 channels"),
        (coded()[:-900], {}, "cut off or altered"), (coded(), {"machine": "<b>x</b>"}, "has no machine"),
        (coded(), {"question": "  "}, "holds no text"), (coded(), {"question": "x" * 3000}, "more than 2000 characters"),
        (coded(), {"question": "what <|im_end|> is"}, "control token"), (coded(), {"speed": "fast"}, "is no speed"),
        (coded(), {"speed": "-3"}, "is no speed"),
        (coded(), {"choices": ",".join("abcdefghijklmnop")}, "choices"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_what_to_do(ken, book, data, typed, words):
    answer = ask(ken, data, **typed)
    assert answer.status_code == 422 and words in answer.text.replace("&#39;", "'"), answer.text[-3000:]
    assert "<script>" not in answer.text.replace('<script src="/static', "").replace('<script type="module"', "")
    assert "<b>x</b>" not in answer.text
    with book.reading() as session:
        assert answers.answers(session) == []


def test_what_was_typed_comes_back_with_a_refusal(ken):
    page = ask(ken, b"no sound", question="Is it <b>rubbing</b>?", choices="rub, leak", speed="1480").text
    assert (
        'value="Is it &lt;b&gt;rubbing&lt;/b&gt;?"' in page and 'value="rub, leak"' in page and 'value="1480"' in page
    )


@pytest.fixture
def said(book):
    """An answer about a clip of the catalogue, with one wrong number in it."""
    with book.session() as session:
        view = next(
            v for v in items.items(session) if v.item.style == "cot" and "Hz" in v.trace.text and v.item.lang == "en"
        )
        output = re.sub(r"(\d+) ?Hz", lambda m: f"{int(m.group(1)) * 3} Hz", view.trace.text, count=1)
        answers.add_answer(session, "a1", question=view.item.question, output=output, version="otoloop@base-12345678",
                           clip=view.item.clip, site="osaka", machine=view.clip.machine, channel="base",
                           details={"kind": view.item.kind, "lang": "en"})  # fmt: skip
    return view


def test_an_answer_shows_its_sound_and_every_claim_ticked_or_crossed(ken, said):
    page = ken.get("/answers/a1").text
    assert "data-player" in page and '<mark class="contradicted"' in page and "contradicts the sound" in page
    assert 'href="/answers/a1">' in ken.get(f"/clips/{said.item.clip}").text
    assert ken.get("/answers/nothing").status_code == 404


def test_feedback_is_kept_with_who_said_it_and_what_it_really_is(ken, come_in, said, book):
    token = re.search(r'name="csrf" value="(\w+)"', ken.get("/answers/a1").text).group(1)
    sent = {"csrf": token, "verdict": "wrong", "label": "air_leak", "comment": " <i>opened it</i> "}
    answer = ken.post("/answers/a1/feedback", data=sent)
    page = ken.get(answer.headers["location"]).text
    assert (
        "A reviewer will look at it" in page
        and "compressed air leak" in page
        and "&lt;i&gt;opened it&lt;/i&gt;" in page
    )
    assert 'value="wrong" class="picked"' in page and 'class="picked"' not in come_in("aya").get("/answers/a1").text
    with book.reading() as session:
        (row,) = answers.feedback(session, answer_id="a1")
    assert (row.actor, row.verdict, row.label, row.comment) == ("ken", "wrong", "air_leak", "<i>opened it</i>")
    for bad in ({"verdict": "maybe"}, {"verdict": "wrong", "label": "gremlins"}, {}):
        assert ken.post("/answers/a1/feedback", data={"csrf": token, **bad}).status_code == 422
    assert ken.post("/answers/nothing/feedback", data=sent).status_code == 422


def test_an_answer_whose_sound_is_not_there_says_so(ken, book):
    with book.session() as session:
        answers.add_answer(session, "a2", question="?", output="no trace at all", version="v1", clip="f" * 64)
    page = ken.get("/answers/a2").text
    assert "not in the catalogue (yet)" in page and "no trace at all" in page and "data-player" not in page


@pytest.mark.slow
def test_without_a_gateway_the_base_answers_here(ken, book, sounds):
    data = sounds[0][1]
    answer = ask(ken, data, speed="1480", choices="normal running, outer race defect")
    assert answer.status_code == 303
    page = ken.get(answer.headers["location"]).text
    assert "claims confirmed" in page and "data-player" in page
    with book.reading() as session:
        (row,) = answers.answers(session)
    assert row.version.startswith("otoloop@base-") and row.channel == "base" and row.details["user"] == "ken"
    assert row.details["kind"] == "with_evidence" and row.confidence > 0
    sig = re.search(rf"/audio/{row.clip}\?sig=(\w+)", page).group(1)
    assert ken.get(f"/audio/{row.clip}?sig={sig}").content == data
    feelings = ask(ken, data, question="Is the operator angry?")
    assert "not judged here" in ken.get(feelings.headers["location"]).text


@pytest.mark.slow
def test_a_running_gateway_is_asked_and_its_refusals_are_shown(ken, site, book, sounds, live_gateway):
    answer = ask(ken, sounds[0][1])
    assert answer.status_code == 303, answer.text[-2000:]
    with book.reading() as session:
        (row,) = answers.answers(session)
    assert row.version.startswith("otoloop@v1-") and row.channel == "prod" and row.details["user"] == "ken"
    assert row.version in ken.get(answer.headers["location"]).text
    live_gateway.params = live_gateway.params.model_copy(update={"queue": 1})
    live_gateway.lineup.retreat()
    assert ask(ken, sounds[1][1]).status_code == 303  # nothing is live: the base in this process
    with book.reading() as session:
        assert {r.channel for r in answers.answers(session)} == {"prod", "base"}


@pytest.fixture
def live_gateway(site, tmp_path):
    """The real gateway on a port, with an adapter of the mini base live, entered in state.json as `otoloop up` does."""
    import psutil
    import torch
    import uvicorn

    from otoloop.evaluate import probe
    from otoloop.evaluate.answer import Answerer
    from otoloop.model.adapters import add_adapter
    from otoloop.model.bases import load_base
    from otoloop.serve.gateway import create_app
    from otoloop.serve.lineup import Version
    from otoloop.train.base import describe
    from otoloop.train.stage import save
    from otoloop.workspace.state import Part, change

    torch.set_num_threads(1)
    model = add_adapter(load_base().model, rank=2, alpha=4, seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    save(model, "otoloop-mini", "embedded", tmp_path / "adapter")
    base = describe("otoloop-mini")
    sha = Answerer(base, tmp_path / "adapter").sha256
    version = Version(version="v1", sha256=sha, base=base.name, base_sha256=base.sha256)
    app = create_app(site, follow=False)
    app.state.gateway.lineup.switch(version, tmp_path / "adapter", probe.of_adapter(base, tmp_path / "adapter"))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    me = psutil.Process()
    with change(site) as state:
        state.parts["gateway"] = Part(
            name="gateway", pid=os.getpid(), pgid=os.getpgid(0), started=me.create_time(), log="", url=url
        )
    yield app.state.gateway
    server.should_exit = True
    thread.join(10)
