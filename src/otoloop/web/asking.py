"""A technician's question: to the gateway if it runs and has a live version, else to a model in this process.

Both ways hear, measure, prompt, check and store by the same code. What was heard is remembered for a while, so that the
answer's page shows sound and claims before the intake has the recording.
"""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.catalog import Catalog
from otoloop.errors import OtoloopError
from otoloop.params import Params, load_params
from otoloop.records import Evidence
from otoloop.settings import Settings
from otoloop.workspace.state import running

if TYPE_CHECKING:
    from otoloop.evaluate.ask import Asker
    from otoloop.serve.answering import Desk, Prepared
    from otoloop.serve.chat import Ask
    from otoloop.serve.ears import Ears
    from otoloop.serve.engine import Written
    from otoloop.serve.lineup import Version

KEPT = 32
TIMEOUT_S = 120
BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody asks about a sound; ``machine`` is ``site/machine`` or empty."""

    sound: bytes
    text: str
    user: str
    machine: str = ""
    choices: tuple[str, ...] = ()
    speed_rpm: float | None = None


@dataclass(frozen=True, slots=True)
class Recent:
    """A sound that was asked about: its bytes, length and measured facts."""

    clip: str
    sound: bytes
    seconds: float
    facts: Evidence


@dataclass(slots=True)
class Asking:
    """Asks for the pages of one workspace; safe to share between threads."""

    workspace: Path
    book: Catalog
    _ears: Ears | None = None
    _model: tuple[str, Asker] | None = None
    _recent: OrderedDict[str, Recent] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Question) -> str:
        """Answer a question; the answer is stored before this returns.

        Returns:
            The answer's id.

        Raises:
            OtoloopError: the sound is not admitted, the machine is unknown, or no model can be asked.
        """
        params = load_params(self.workspace / "params.yaml")
        asked = _as_chat(question)
        desk = self._desk(params, params.serve.channel)
        prepared = desk.prepare(asked)
        answer_id = self._by_gateway(question) or self._here(params, prepared, asked)
        self._remember(answer_id, prepared)
        return answer_id

    def recent(self, answer_id: str) -> Recent | None:
        """What was heard for an answer, if it was asked here not long ago."""
        return self._recent.get(answer_id)

    def sound(self, clip: str) -> bytes | None:
        """The bytes of a sound that was asked about here not long ago."""
        return next((r.sound for r in list(self._recent.values()) if r.clip == clip), None)

    def _remember(self, answer_id: str, prepared: Prepared) -> None:
        heard = prepared.heard
        with self._lock:
            self._recent[answer_id] = Recent(heard.clip, heard.file, heard.seconds, prepared.facts)
            while len(self._recent) > KEPT:
                self._recent.popitem(last=False)

    # ---- the gateway -------------------------------------------------------------------------------------------------

    def _by_gateway(self, question: Question) -> str | None:
        """The id of the gateway's answer; None when it does not run or has nothing live.

        Raises:
            OtoloopError: it refuses the question, in its words.
        """
        part = running(self.workspace, "gateway")
        if part is None or part.url is None:
            return None
        try:
            told = _post(f"{part.url}/v1/chat/completions", _chat_body(question))
            return str(told["otoloop"]["answer_id"])
        except urllib.error.HTTPError as err:
            problem = json.loads(err.read() or b"{}").get("error", {})
            if problem.get("code") == "no_model":
                return None
            raise OtoloopError(
                str(problem.get("message", err)), str(problem.get("remedy", "Try again in a minute."))
            ) from None
        except OSError:
            return None

    # ---- in this process ---------------------------------------------------------------------------------------------

    def _here(self, params: Params, prepared: Prepared, asked: Ask) -> str:
        """Ask the live version, or the base where none is live, one question after the other."""
        from otoloop.serve import decline

        with self._lock:
            asker, channel = self._asker(params)
            desk = self._desk(params, channel)
            if decline.about_feelings(asked.question):
                return _declined(desk, _version(asker), asked)
            return desk.finish(prepared, _version(asker), _written(asker, prepared)).asked.answer_id

    def _asker(self, params: Params) -> tuple[Asker, str]:
        """The loaded model with the channel it stands for; another one is loaded when the live version changed."""
        from otoloop.evaluate.ask import BASE as NO_ADAPTER
        from otoloop.evaluate.ask import Asker
        from otoloop.serve.bundles import live_asker

        live = _live(self.workspace, params.serve.channel)
        if self._model is None or self._model[0] != (live or BASE):
            made = live_asker(self.workspace, params) if live else Asker(NO_ADAPTER, self.workspace, params.base)
            self._model = (live or BASE, made)
        return self._model[1], params.serve.channel if live else BASE

    def _desk(self, params: Params, channel: str) -> Desk:
        from otoloop.serve.answering import Desk
        from otoloop.serve.ears import Ears
        from otoloop.serve.lineup import Lineup
        from otoloop.serve.sources import Sources

        if self._ears is None:
            self._ears = Ears(params.intake, params.serve, count=1)
        sources = Sources(self.workspace, params.serve, params.prefix)
        return Desk(self.workspace, params.serve, self.book, Lineup(channel, _no_engine), sources, self._ears)


def _no_engine() -> Any:
    raise OtoloopError("These pages ask without an engine.", "Start the gateway: `otoloop up --only gateway`.")


def _live(workspace: Path, channel: str) -> str | None:
    """The version that a channel serves; None for nothing, or where the registry cannot be asked."""
    from otoloop.promote.registry import open_registry

    try:
        pointer = open_registry(workspace).pointer(channel)
    except OtoloopError:
        return None
    return f"{pointer.version}-{pointer.adapter_sha256}" if pointer else None


def _as_chat(question: Question) -> Ask:
    """The question as the gateway reads it, with all that it refuses."""
    from otoloop.serve import chat

    return chat.read(json.dumps(_chat_body(question)).encode())


def _chat_body(question: Question) -> dict[str, Any]:
    sound = {"data": base64.b64encode(question.sound).decode(), "format": "wav"}
    content = [{"type": "text", "text": question.text}, {"type": "input_audio", "input_audio": sound}]
    return {
        "model": "otoloop", "messages": [{"role": "user", "content": content}], "user": question.user,
        "machine": question.machine or None, "choices": list(question.choices),
        "sensors": {} if question.speed_rpm is None else {"speed_rpm": question.speed_rpm},
    }  # fmt: skip


def _post(url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if key := Settings().api_key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return dict(json.load(answer))


def _version(asker: Asker) -> Version:
    """The model in this process by the name that its answers carry."""
    from otoloop.serve.lineup import Version

    named = asker.version.partition("@")[2].rpartition("-")[0]
    return Version(
        version=named or BASE, sha256=asker.sha, base=asker.base.name, base_sha256=asker.base.sha256
    )  # fmt: skip


def _written(asker: Asker, prepared: Prepared) -> Written:
    from otoloop.serve.engine import Written

    ask = prepared.ask
    asked = asker.ask(
        prepared.heard.wave, ask.question, prepared.facts, choices=ask.choices, evidence=ask.evidence, style=ask.style
    )  # fmt: skip
    return Written(text=asked.trace, confidence=asked.confidence, tokens=0, prompt_tokens=0, ended="stop", together=1)


def _declined(desk: Desk, version: Version, asked: Ask) -> str:
    """The answer to a question about what people feel."""
    desk.lineup.live = version
    return desk.decline(asked).asked.answer_id
