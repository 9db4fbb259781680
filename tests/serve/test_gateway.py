"""The gateway over HTTP, as clients meet it: answers, streams, refusals, feedback, states, metrics."""

import base64
import json
import subprocess
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from otoloop import catalog
from otoloop.audio.derive import derive
from otoloop.catalog import answers, machines
from otoloop.errors import OtoloopError
from otoloop.evaluate.ask import make_item
from otoloop.intake.machines import find_machine
from otoloop.model.prompts import prompt
from otoloop.reasoning.evidence_text import block
from otoloop.serve.chat import Inline
from otoloop.serve.ears import Ears
from otoloop.serve.engine import Limits
from otoloop.serve.gateway import create_app
from otoloop.serve.running import serve


def b64(data):
    return base64.b64encode(data).decode()


def inline(data, form="wav"):
    return {
        "type": "input_audio",
        "input_audio": {"data": b64(data) if isinstance(data, bytes) else data, "format": form},
    }


def link(url):
    return {"type": "audio_url", "audio_url": {"url": url}}


@pytest.fixture
def book(site):
    opened = catalog.open_workspace(site)
    yield opened
    opened.close()


def refused(response, status, code):
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code), error
    assert error["message"] and error["remedy"] and "param" in error
    assert error["type"] == ("invalid_request_error" if status < 500 else "server_error")
    return error["message"]


def test_an_answer_names_its_version_and_is_stored(ask, book, versions):
    response = ask(machine="pump-1", user="ken", choices=["rotor rub", "air leak"])
    told = response.json()
    own = told["otoloop"]
    assert told["model"] == own["version"] == response.headers["x-model-version"] == versions[0].name
    assert told["id"] == f"chatcmpl-{own['answer_id']}" and told["object"] == "chat.completion"
    assert told["choices"][0]["message"]["content"] == own["trace"]
    assert told["usage"]["completion_tokens"] == 24 and told["choices"][0]["finish_reason"] == "length"
    assert {"response", "confidence", "claims", "sha", "question", "kind"} <= own.keys()
    assert isinstance(own["claims"], list) and sum(own["claim_counts"].values()) == len(own["claims"])
    with book.reading() as session:
        row = answers.answer(session, own["answer_id"])
    assert (row.version, row.sha, row.output) == (versions[0].name, versions[0].sha256, own["trace"])
    assert (row.site, row.machine, row.channel) == ("osaka", "pump-1", "prod")
    assert row.latency_ms > 0 and row.clip and row.details["kind"] == "with_evidence" and row.details["user"] == "ken"


def test_the_prompt_is_the_one_of_training(app, wav):
    desk = app.state.gateway.desk
    from otoloop.serve import chat

    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Which fault?"}, inline(wav)]}]}
    body |= {"machine": "pump-1", "sensors": {"speed_rpm": 1466}, "choices": ["rotor rub", "air leak"]}
    prepared = desk.prepare(chat.read(json.dumps(body).encode()))
    heard = desk.ears.hear(desk.sources.read(Inline(data=b64(wav), format="wav")))
    facts = derive(heard.facts, {"speed_rpm": 1466}, find_machine(desk.workspace / "machines.yaml", "pump-1"))
    assert prompt(prepared.item) == prompt(make_item("Which fault?", ["rotor rub", "air leak"], block(facts), "cot"))
    assert "speed 1466 rpm" in prompt(prepared.item) and "outer race order" in prompt(prepared.item)
    body |= {"evidence": False, "style": "direct"}
    plain = desk.prepare(chat.read(json.dumps(body).encode())).item
    assert plain.kind == "audio_only" and "<EVIDENCE>" not in prompt(plain) and "without thinking" in prompt(plain)


@pytest.mark.parametrize(("form", "subtype"), [("FLAC", "PCM_16"), ("MP3", None), ("WAV", "FLOAT")])
def test_formats(ask, sound_of, form, subtype):
    data = sound_of(form=form, subtype=subtype)
    assert ask(sound=inline(data, form.lower()), max_tokens=2).status_code == 200
    assert ask(sound=link(f"data:audio/x;base64,{b64(data)}"), max_tokens=2).status_code == 200


def test_a_stream_adds_up_to_the_answer(client, ask, wav, versions):
    whole = ask().json()
    content = [{"type": "text", "text": "What is this noise?"}, inline(wav)]
    body = {
        "messages": [{"role": "user", "content": content}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-model-version"] == versions[0].name
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines[-1] == "[DONE]"
    events = [json.loads(line) for line in lines[:-1]]
    text = "".join(e["choices"][0]["delta"].get("content", "") for e in events if e["choices"])
    assert text == whole["choices"][0]["message"]["content"] and len(events) > 10
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    last, usage = events[-2], events[-1]
    assert last["choices"][0]["finish_reason"] == "length" and last["otoloop"]["trace"] == text
    assert {e["id"] for e in events} == {f"chatcmpl-{last['otoloop']['answer_id']}"}
    assert usage["choices"] == [] and usage["usage"]["completion_tokens"] == 24


def test_the_stock_client(url, wav, versions):
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    messages = [{"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "What is this noise?"}, inline(wav)]}]  # fmt: skip
    told = client.chat.completions.create(
        model="otoloop", messages=messages, temperature=0, max_completion_tokens=8, extra_body={"machine": "pump-1"}
    )
    assert told.model == versions[0].name and told.choices[0].message.content
    assert told.otoloop["confidence"] > 0 and told.usage.completion_tokens == 8
    pieces = client.chat.completions.create(model=told.model, messages=messages, max_tokens=8, stream=True)
    assert "".join(p.choices[0].delta.content or "" for p in pieces)
    assert [m.id for m in client.models.list()] == ["otoloop", versions[0].name]
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="otoloop", messages=messages, extra_body={"machine": "lathe"})
    assert refused.value.code == "unknown_machine" and "pump-1" in refused.value.body["remedy"]
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="gpt-5", messages=messages)


def test_a_machine_that_only_the_catalogue_knows_is_known(ask, book):
    with book.session() as session:
        machines.see_machines(session, [("nagoya", "mixer-7"), ("kobe", "pump-1")], datetime(2026, 5, 1, tzinfo=UTC))
    wanted = {"mixer-7": "nagoya", "nagoya/mixer-7": "nagoya", "kobe/pump-1": "kobe", "pump-1": "osaka"}
    for name, place in wanted.items():
        told = ask(machine=name).json()
        with book.reading() as session:
            assert answers.answer(session, told["otoloop"]["answer_id"]).site == place, name


def test_curl(url, wav, tmp_path):
    body = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "何の音か。"}, inline(wav)]}],
        "max_tokens": 4,
    }
    (tmp_path / "body.json").write_text(json.dumps(body))
    command = ["curl", "-sS", f"{url}/v1/chat/completions", "-H", "Content-Type: application/json"]
    told = json.loads(
        subprocess.run([*command, "-d", f"@{tmp_path}/body.json"], capture_output=True, check=True).stdout
    )
    assert told["otoloop"]["lang"] == "ja" and told["usage"]["completion_tokens"] == 4


@pytest.mark.parametrize(
    ("sound", "status", "code"),
    [
        (inline("@@@"), 400, "invalid_base64"),
        (inline("AAA"), 400, "invalid_base64"),
        (inline(b"<script>alert(1)</script>"), 400, "bad_magic"),
        (inline(""), 400, "bad_magic"),
        (link("http://sounds.example/x.wav"), 400, "invalid_url"),
        (link("file:///etc/passwd"), 400, "invalid_url"),
        (link("https://elsewhere.example/x.wav"), 400, "host_not_allowed"),
        (link("https://169.254.169.254/latest/meta-data"), 400, "host_not_allowed"),
        (link("data:audio/wav;base64"), 400, "invalid_url"),
        ({"type": "image_url", "image_url": {"url": "x"}}, 400, "invalid_request"),
    ],
)
def test_sounds_that_are_not_taken(ask, sound, status, code):
    refused(ask(sound=sound), status, code)


def test_thirty_one_seconds(ask, sound_of):
    assert "31.0 s" in refused(ask(sound=inline(sound_of(31.0))), 400, "too_long")


def test_a_body_of_twenty_megabytes(url, client, tmp_path):
    data = json.dumps({"messages": [{"role": "user", "content": [inline("A" * 20_000_000)]}]}).encode()
    assert "16 MB" in refused(
        client.post("/v1/chat/completions", content=data, headers={"content-type": "application/json"}),
        413, "body_too_large",
    )  # fmt: skip
    pieces = (data[i : i + 100_000] for i in range(0, len(data), 100_000))
    chunked = client.post("/v1/chat/completions", content=pieces, headers={"content-type": "application/json"})
    refused(chunked, 413, "body_too_large")
    (tmp_path / "body").write_bytes(data)
    command = ["curl", "-sS", "-H", "Content-Type: application/json", "--data-binary", f"@{tmp_path}/body"]
    told = subprocess.run([*command, f"{url}/v1/chat/completions"], capture_output=True, check=True).stdout
    assert json.loads(told)["error"]["code"] == "body_too_large"


def test_requests_that_are_not_understood(client, ask):
    refused(
        client.post("/v1/chat/completions", content=b"{", headers={"content-type": "application/json"}),
        400,
        "invalid_json",
    )
    refused(client.post("/v1/chat/completions", content=b"{}", headers={"content-type": "text/plain"}), 415, "not_json")
    refused(
        client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hm?"}]}), 400, "no_sound"
    )
    refused(client.get("/v1/nothing"), 404, "no_such_route")
    refused(client.get("/v1/chat/completions"), 405, "no_such_route")
    assert "lathe" in refused(ask(machine="lathe"), 400, "unknown_machine")
    assert "osaka/fan-1" in ask(machine="fan-1").json()["error"]["remedy"]
    refused(ask(model="otoloop@v9-00000000"), 404, "model_not_found")
    refused(ask(question="a" * 2001), 400, "invalid_request")
    assert client.get("/v1/models", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("stream", [False, True])
def test_what_people_feel_is_declined(ask, book, stream):
    response = ask(question="Is the operator angry?", stream=stream)
    assert response.status_code == 200 and "not judged here" in response.text
    if not stream:
        told = response.json()
        assert told["choices"][0]["message"]["refusal"] == told["otoloop"]["response"]
        with book.reading() as session:
            row = answers.answer(session, told["otoloop"]["answer_id"])
        assert row.details["declined"] and row.confidence is None and row.clip is None


def test_feedback(client, ask, book):
    told = ask(max_tokens=2).json()
    given = {
        "answer_id": told["id"],
        "rating": "wrong",
        "correct_label": "rotor rub",
        "comment": "<b>rub</b>",
        "user": "ann",
    }
    response = client.post("/v1/feedback", json=given)
    assert response.status_code == 200 and response.json()["correct_label"] == "rub"
    with book.reading() as session:
        (row,) = answers.feedback(session, answer_id=told["otoloop"]["answer_id"])
    assert (row.verdict, row.label, row.comment, row.actor) == ("wrong", "rub", "<b>rub</b>", "ann")
    refused(client.post("/v1/feedback", json={**given, "answer_id": "none"}), 404, "answer_not_found")
    assert "rotor" not in refused(
        client.post("/v1/feedback", json={**given, "correct_label": "ghosts"}), 400, "unknown_label"
    )
    refused(client.post("/v1/feedback", json={**given, "rating": "meh"}), 400, "invalid_request")
    refused(client.post("/v1/feedback", json={**given, "extra": 1}), 400, "invalid_request")


def test_states_and_metrics(client, ask, versions):
    assert client.get("/health").json() == {"status": "ok"}
    ready = client.get("/ready")
    assert ready.status_code == 200 and ready.json()["version"] == versions[0].name
    ask(max_tokens=2)
    text = client.get("/metrics").text
    assert f'otoloop_live{{channel="prod",version="{versions[0].name}"}} 1.0' in text
    for line in ("otoloop_answers_total", "otoloop_answer_seconds_bucket", "otoloop_queue_length 0.0"):
        assert line in text
    assert 'otoloop_requests_total{route="/v1/chat/completions",status="200"}' in text
    assert 'otoloop_refusals_total{code="too_long"}' in text or "otoloop_refusals" in text


def test_the_decoders_are_given_back(app, ask):
    ears: Ears = app.state.gateway.ears
    for _ in range(4):
        ask(sound=inline(b"x"))
    assert ears._free.qsize() == 2


def test_a_key_is_asked_for_when_there_is_one(site, monkeypatch):
    monkeypatch.setenv("OTOLOOP_API_KEY", "s3cret")
    with TestClient(create_app(site, follow=False), base_url="http://127.0.0.1") as client:
        refused(client.get("/v1/models"), 401, "invalid_api_key")
        refused(client.post("/v1/chat/completions", json={}), 401, "invalid_api_key")
        refused(client.get("/v1/models", headers={"authorization": "Bearer s3cre"}), 401, "invalid_api_key")
        assert client.get("/v1/models", headers={"authorization": "Bearer s3cret"}).json()["data"] == []
        assert client.get("/health").status_code == 200 and client.get("/ready").status_code == 503


def test_other_machines_are_let_in_by_a_key_only(site, monkeypatch):
    monkeypatch.delenv("OTOLOOP_API_KEY", raising=False)
    with pytest.raises(OtoloopError, match="it has no key"):
        serve(site, port=1, host="0.0.0.0")


def test_a_crash_is_told_and_logged(site, monkeypatch, caplog, versions, adapters, probes):
    app = create_app(site, follow=False)
    monkeypatch.setattr(app.state.gateway.lineup, "models", lambda: 1 / 0)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        refused(client.get("/v1/models"), 500, "internal")
    assert any("/v1/models failed" in record.message for record in caplog.records)


def test_a_full_queue_is_told_with_a_time_to_come_back(app, ask, monkeypatch):
    monkeypatch.setattr(app.state.gateway.lineup.engine, "limits", Limits(queue=0))
    response = ask()
    refused(response, 503, "overloaded")
    assert response.headers["retry-after"] == "2"


def test_a_catalogue_that_fails_is_told(app, ask, monkeypatch):
    def broken(*_, **__):
        raise OtoloopError("The catalogue does not open.", "Start it.")

    monkeypatch.setattr(app.state.gateway.desk, "_store", broken)
    refused(ask(max_tokens=2), 503, "failed")
    text = ask(max_tokens=2, stream=True).text
    assert '"code": "failed"' in text and "[DONE]" not in text


def test_a_client_that_goes_away_frees_the_engine(app, ask, client, wav, book, monkeypatch):
    desk = app.state.gateway.desk
    monkeypatch.setattr(desk, "params", desk.params.model_copy(update={"max_new_tokens": 1500}))
    content = [{"type": "text", "text": "Why does it whistle?"}, inline(wav)]
    body = {"messages": [{"role": "user", "content": content}], "stream": True}
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        next(line for line in response.iter_lines() if line)
    ask(question="And this?", max_tokens=2)
    with book.reading() as session:
        asked = [row.question for row in answers.answers(session)]
    assert asked[0] == "And this?" and "Why does it whistle?" not in asked
