"""The gateway beside a real registry: versions change under sixty requests, sounds come from and go to the buckets."""

import asyncio
import json
import subprocess
import sys
import time

import httpx
import pytest

from otoloop import catalog
from otoloop.catalog import answers
from otoloop.intake.keys import parse_key
from otoloop.lineage import lineage
from otoloop.promote import promotion
from otoloop.serve.gateway import create_app
from otoloop.store.content import audio_key
from otoloop.workspace.processes import marked
from otoloop.workspace.up import down, up

from .conftest import b64, serving
from .promoted import approve, next_cycle, promote

MACHINES = "- {site: osaka, machine: pump-1, kind: pump, nominal_speed_rpm: 1480}\n"


def body(wav, **more):
    sound = {"type": "input_audio", "input_audio": {"data": b64(wav), "format": "wav"}}
    content = [{"type": "text", "text": "What is this noise?"}, sound]
    return {"messages": [{"role": "user", "content": content}], **more}


def by_url(url, **more):
    content = [{"type": "text", "text": "What is this noise?"}, {"type": "audio_url", "audio_url": {"url": url}}]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 4, **more}


def until(happened, seconds=90):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def gateway(live):
    """The gateway of a workspace with v1 live, following its channel."""
    (live / "machines.yaml").write_text(MACHINES)
    app = create_app(live)
    with serving(app) as url, httpx.Client(base_url=url, timeout=120) as client:
        until(lambda: client.get("/ready").status_code == 200)
        client.lineup = app.state.gateway.lineup
        yield client


def names(client):
    return [m["id"] for m in client.get("/v1/models").json()["data"]]


@pytest.mark.slow
def test_sixty_requests_in_flight_while_the_pointer_moves(gateway, live, template, wav):
    next_cycle(live, template.parent)
    approve(live)
    one = gateway.lineup.live.name
    request = body(wav, max_tokens=12)
    told, flights, stop = [], [], asyncio.Event()

    async def client(session, streamed):
        while not stop.is_set():
            began = time.monotonic()
            if streamed:
                text = (await session.post("/v1/chat/completions", json={**request, "stream": True})).text
                rows = [json.loads(line[6:]) for line in text.split("\n\n") if line and line != "data: [DONE]"]
                assert "error" not in rows[-1] and text.endswith("data: [DONE]\n\n"), rows[-1]
                trace = "".join(r["choices"][0]["delta"].get("content", "") for r in rows)
                told.append((began, {r["model"] for r in rows}, trace, rows[-1]["otoloop"]["version"]))
            else:
                answer = await session.post("/v1/chat/completions", json=request)
                assert answer.status_code == 200, answer.text
                row = answer.json()
                assert answer.headers["x-model-version"] == row["model"]
                told.append((began, {row["model"]}, row["choices"][0]["message"]["content"], row["otoloop"]["version"]))

    async def move():
        await asyncio.sleep(0)
        while gateway.lineup.waiting() < 50:
            await asyncio.sleep(0.05)
        flights.append(gateway.lineup.waiting())
        await asyncio.to_thread(promote, live)
        while gateway.lineup.live.name == one:
            await asyncio.sleep(0.02)
        flights.append(gateway.lineup.waiting())
        moved = time.monotonic()
        while sum(began > moved for began, *_ in told) < 60:
            await asyncio.sleep(0.05)
        stop.set()
        return moved

    async def run():
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=gateway.base_url, timeout=300, limits=limits) as session:
            clients = [asyncio.create_task(client(session, n % 2)) for n in range(60)]
            moved = await move()
            await asyncio.gather(*clients)
            return moved

    moved = asyncio.run(run())
    two = gateway.lineup.live.name
    assert one.startswith("otoloop@v1-") and two.startswith("otoloop@v2-")
    assert min(flights) >= 50
    by_name = {}
    for began, models, trace, version in told:
        assert models == {version} and version in (one, two)
        assert began <= moved or version == two
        by_name.setdefault(version, set()).add(trace)
    assert {name: len(texts) for name, texts in by_name.items()} == {one: 1, two: 1}
    assert by_name[one] != by_name[two]
    assert names(gateway) == ["otoloop", two, one]

    begun = time.monotonic()
    promotion.rollback(live, "prod", "it hums")
    until(lambda: gateway.lineup.live.name == one)
    assert time.monotonic() - begun < 20
    again = gateway.post("/v1/chat/completions", json=request).json()
    assert again["model"] == one and {again["otoloop"]["trace"]} == by_name[one]
    assert gateway.post("/v1/chat/completions", json={**request, "model": two}).json()["model"] == two


def test_sounds_of_our_buckets(gateway, object_store, wav, sound_of):
    p = object_store.prefix
    object_store.put("incoming", "osaka/pump-1/2026-01-01/a <b>.wav", wav)
    object_store.put("audio", audio_key("ab" * 32), sound_of(form="FLAC"))
    object_store.put("landing", "x.wav", wav)
    object_store.put("incoming", "large.wav", b"x" * (17 * 2**20))

    def status(url):
        response = gateway.post("/v1/chat/completions", json=by_url(url))
        return response.status_code, response.json().get("error", {}).get("code")

    assert status(f"s3://{p}-incoming/osaka/pump-1/2026-01-01/a <b>.wav") == (200, None)
    assert status(f"s3://{p}-audio/{audio_key('ab' * 32)}") == (200, None)
    for url in (f"s3://{p}-landing/x.wav", f"s3://{p}-registry/x", f"s3://{p}-dvc/x", "s3://incoming/x", "s3://other/x",
                f"s3://{p}-incoming", "s3:///x"):  # fmt: skip
        assert status(url) == (400, "bucket_not_allowed"), url
    assert status(f"s3://{p}-incoming/none.wav") == (404, "sound_not_found")
    assert status(f"s3://{p}-incoming/large.wav") == (400, "too_large")


def test_an_answer_leads_back_to_its_sources(gateway, live, object_store, wav):
    row = gateway.post("/v1/chat/completions", json=body(wav, machine="pump-1", max_tokens=4)).json()
    answer_id = row["otoloop"]["answer_id"]
    given = {"answer_id": answer_id, "rating": "wrong", "label": "rub", "user": "ann"}
    assert gateway.post("/v1/feedback", json=given).status_code == 200

    until(lambda: list(object_store.list("incoming", "osaka/")))
    (kept,) = object_store.list("incoming", "osaka/")
    assert parse_key(kept.key).machine == "pump-1" and answer_id in kept.key
    assert object_store.get("incoming", kept.key) == wav

    found = lineage(live, answer_id).to_json()
    assert found["version"]["version"] == "v1" and found["version"]["approved_by"] == ["lee"]
    assert [e["type"] for e in found["version"]["events"]] == ["register", "request", "approve", "promote"]
    assert (found["cycle"]["cycle"], found["cycle"]["tag"], found["cycle"]["owner"]) == (1, "cycle/0001", "mika")
    assert (found["release"]["id"], len(found["items"]), len(found["clips"])) == ("r0001", 10, 10)
    assert found["feedback"][0]["label"] == "rub" and found["answer"]["machine"] == "pump-1"
    assert found["missing"] == []

    words = subprocess.run(
        [sys.executable, "-m", "otoloop", "lineage", row["id"]], cwd=live, capture_output=True, text=True, check=True
    ).stdout
    for one in (answer_id, row["model"], "approve   lee", "cycle/0001", "r0001  10 items"):
        assert one in words, words


def test_an_answer_of_no_registered_version_says_so(live):
    with catalog.open_workspace(live).session() as session:
        answers.add_answer(session, "a1", question="?", output="x", version="adapter@00000000", sha="00")
    found = lineage(live, "a1")
    assert found.version is None and "never registered" in found.missing[0]


@pytest.mark.slow
def test_the_gateway_is_a_part_of_the_workspace(approved, wav):
    parts = {part.name: part for part in up(approved, only=["gateway"])}
    with httpx.Client(base_url=parts["gateway"].url, timeout=120) as client:
        assert client.get("/health").status_code == 200
        refused = client.post("/v1/chat/completions", json=body(wav))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_model")
        until(lambda: "no version is live" in client.get("/ready").json()["problem"])
        promote(approved)
        until(lambda: client.get("/ready").status_code == 200)
        told = client.post("/v1/chat/completions", json=body(wav, max_tokens=8)).json()
        assert told["model"].startswith("otoloop@v1-")
    command = [sys.executable, "-m", "otoloop", "feedback", told["id"], "--wrong", "--label", "rotor rub", "--json"]
    given = subprocess.run(command, cwd=approved, capture_output=True, text=True, check=True).stdout
    assert json.loads(given)["correct_label"] == "rub"
    assert down(approved) == ["gateway"] and marked(approved) == []
