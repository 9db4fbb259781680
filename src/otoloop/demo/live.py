"""From a passed gate to a technician's question: a second person approves, the version goes live, somebody asks it."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from otoloop.commands.output import say
from otoloop.demo import runs
from otoloop.demo.asking import chosen, sounds_of
from otoloop.demo.loop import EVENT_WAIT_S, catalogue
from otoloop.demo.site import set_params
from otoloop.demo.tour import Demo
from otoloop.errors import OtoloopError
from otoloop.params import load_params

if TYPE_CHECKING:
    from otoloop.promote.ledger import Request

APPROVER = "demo-approver"
TECHNICIAN = "demo-technician"
READY_S = 90


def approve(demo: Demo) -> str:
    """A person other than owner and reviewers signs with their own key; the flow `promote` carries it out."""
    from otoloop.promote import decisions, enrol, keys

    request = waiting(demo)
    if request is None:
        return "The gate allows no request; nothing goes live."
    os.environ["OTOLOOP_KEYS"] = str(demo.workspace / ".otoloop" / "keys-of-the-demo")
    enrol.add(demo.workspace, APPROVER)
    if demo.ask and not _agreed(request):
        decisions.reject(demo.workspace, request.id, keys.unlock(APPROVER), reason="refused at the terminal")
        return f"{request.id} was rejected; nothing goes live."
    since = datetime.now(UTC)
    decisions.approve(demo.workspace, request.id, keys.unlock(APPROVER), reason="the gate's report convinces")
    _carry_out(demo, since)
    return _told(demo, request)


def waiting(demo: Demo) -> Request | None:
    """The open request of the last cycle."""
    from otoloop.promote.registry import open_registry

    found = list(open_registry(demo.workspace).ledger().requests.values())
    return next((r for r in reversed(found) if r.state(datetime.now(UTC)) == "open"), None)


def _agreed(request: Request) -> bool:
    import typer

    question = f"   {request.id} asks for channel {request.event.channel}. Approve it as {APPROVER}?"
    return bool(typer.confirm(question, default=True))


def _carry_out(demo: Demo, since: datetime) -> None:
    """The approval's event starts the flow; a lost event would cost a minute of the calendar, here a run by hand."""
    target = runs.deployment(demo.facts["prefect"], "promote/promote")
    row = runs.started_since(target, since, wait_s=EVENT_WAIT_S)
    run = row["id"] if row else runs.start(target)
    runs.follow(target.url, run, say=lambda line: say(f"   | {line}"))


def _told(demo: Demo, request: Request) -> str:
    """What is live now; also the part ``live`` of report.json."""
    from otoloop.promote import audit
    from otoloop.promote.registry import open_registry

    pointer = open_registry(demo.workspace).pointer(request.event.channel)
    if pointer is None:
        raise OtoloopError(f"{request.id} is approved and not live.", "See the run of `promote`.")
    demo.report["live"] = {
        "channel": pointer.channel, "version": pointer.version, "sha": pointer.adapter_sha256,
    }  # fmt: skip
    if problems := audit.verify(demo.workspace):
        raise OtoloopError(f"The chain of events does not hold: {problems[0]}", "This is a bug.")
    return (
        f"{APPROVER}, who neither owns nor reviewed the cycle, signed {request.id}; {pointer.version} "
        f"({pointer.adapter_sha256[:8]}) is live on {pointer.channel}, in a signed bundle.\n"
        f"otoloop audit verify: no problem in the chain of events."
    )


def serve(demo: Demo) -> str:
    """The gateway loads the live bundle; a technician asks about a sealed sound and says whether it was right."""
    from otoloop.workspace.state import running
    from otoloop.workspace.up import up

    if not demo.report.get("live"):
        return "Nothing is live, so nobody can ask."
    set_params(demo.workspace, {"serve": {"channel": demo.report["live"]["channel"]}}, "The channel that is live")
    up(demo.workspace, only=["gateway"])
    part = running(demo.workspace, "gateway")
    assert part is not None and part.url, "it was just started"
    demo.facts["gateway"] = part.url
    _await_ready(part.url)
    return _one_question(demo, part.url)


def _await_ready(url: str) -> None:
    end, told = time.monotonic() + READY_S, ""
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=5):
                return
        except urllib.error.HTTPError as err:
            told = err.read().decode(errors="replace")
        except OSError as err:
            told = str(err)
        time.sleep(0.2)
    raise OtoloopError(f"The gateway is not ready: {told[:300]}.", "See .otoloop/logs/gateway.log.")


def _one_question(demo: Demo, url: str) -> str:
    question = chosen(demo)[0]
    item = question.item
    sound = base64.b64encode(sounds_of(demo, [item.clip])[item.clip]).decode()
    parts = [
        {"type": "text", "text": item.question},
        {"type": "input_audio", "input_audio": {"data": sound, "format": "flac"}},
    ]
    body = {
        "messages": [{"role": "user", "content": parts}], "machine": f"{item.slice['site']}/{item.slice['machine']}",
        "sensors": _sensors(demo, item.clip), "user": TECHNICIAN,
    }  # fmt: skip
    answer = post(f"{url}/v1/chat/completions", body)["otoloop"]
    truth = item.slice["fault"].replace("_", " ")
    right = bool(answer["response"]) and _same_fault(answer["response"], item.slice["fault"])
    given = {"answer_id": answer["answer_id"], "rating": "right" if right else "wrong", "user": TECHNICIAN}
    post(f"{url}/v1/feedback", given if right else {**given, "correct_label": item.slice["fault"]})
    demo.facts["asked_live"] = {"answer_id": answer["answer_id"], "right": right, "version": answer["version"]}
    return (
        f"POST {url}/v1/chat/completions with a sound of {item.slice['machine']} (truly {truth}): "
        f"{answer['version']} says {answer['response']!r}, confidence {answer['confidence']:.2f}.\n"
        f"{TECHNICIAN} says it is {given['rating']}; answer {answer['answer_id']} can be followed back: otoloop lineage."
    )


def _same_fault(response: str, fault: str) -> bool:
    from otoloop.evaluate.scorers import fault_or_text

    return fault_or_text(response) == fault


def _sensors(demo: Demo, clip: str) -> dict[str, float]:
    from otoloop.catalog import clips

    with catalogue(demo).reading() as session:
        row = clips.clip(session, clip)
        return {k: float(v) for k, v in row.sensors.items() if isinstance(v, int | float)}


def post(url: str, body: dict[str, Any]) -> Any:
    """One JSON request to the gateway.

    Raises:
        OtoloopError: it was refused; carries the gateway's words.
    """
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as err:
        raise OtoloopError(f"{url} answered {err.code}: {err.read().decode()[:400]}", "See its log.") from err


def stays(demo: Demo) -> str:
    """After a refused cycle the version before it still serves."""
    from otoloop.promote.registry import open_registry

    before = demo.report.get("live")
    if not before:
        return "Nothing was live before."
    pointer = open_registry(demo.workspace).pointer(before["channel"])
    now = pointer.version if pointer else None
    if demo.report["cycles"][-1]["verdict"] == "pass":
        raise OtoloopError("The gate let a candidate pass that careless names had spoiled.", "This is a bug.")
    if now != before["version"]:
        raise OtoloopError(f"{before['channel']} serves {now} instead of {before['version']}.", "This is a bug.")
    expect = load_params(demo.workspace / "params.yaml").serve.channel
    return f"The candidate was refused; {now} still serves {expect}."
