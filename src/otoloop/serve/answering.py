"""From a question to an answer that is stored: hear, measure, ask the engine, hold every claim against the sound.

The prompt is made by the code that training used, evidence block included, so that the model meets what it was taught.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.audio.derive import derive
from otoloop.catalog import Catalog, answers, machines
from otoloop.errors import OtoloopError
from otoloop.evaluate.ask import Asked, make_item, response_of
from otoloop.intake.machines import find_machine
from otoloop.model.prompts import prompt
from otoloop.params import ServeParams
from otoloop.reasoning.check import claims_against
from otoloop.reasoning.evidence_text import block
from otoloop.records import Evidence, Item
from otoloop.serve import decline
from otoloop.serve.chat import Ask
from otoloop.serve.ears import Ears, Heard
from otoloop.serve.keeping import keep
from otoloop.serve.lineup import Lineup, Version
from otoloop.serve.refusals import Refusal
from otoloop.serve.sources import Sources

if TYPE_CHECKING:
    from otoloop.serve.engine import OnText, Question, Written

log = logging.getLogger("otoloop.serve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A question with its sound heard and measured; ``begun`` is the monotonic time at which the request came."""

    answer_id: str
    ask: Ask
    item: Item
    heard: Heard
    facts: Evidence
    machine: Mapping[str, Any]
    begun: float

    @property
    def place(self) -> tuple[str, str]:
        """Site and machine, empty when they are not known."""
        return str(self.machine.get("site", "")), str(self.machine.get("machine", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: the checked answer, why it ended, tokens read and written, and facts about it (``details``)."""

    asked: Asked
    ended: str = "stop"
    prompt_tokens: int = 0
    tokens: int = 0
    details: Mapping[str, Any]


class Desk:
    """Answers questions for one gateway. Its methods block; several threads may call them."""

    def __init__(
        self, workspace: Path, params: ServeParams, book: Catalog, lineup: Lineup, sources: Sources, ears: Ears
    ) -> None:
        """Everything that answering needs."""
        self.workspace, self.params, self.book = workspace, params, book
        self.lineup, self.sources, self.ears = lineup, sources, ears

    def prepare(self, ask: Ask) -> Prepared:
        """Fetch, decode and measure the sound of a question, and write its prompt.

        Raises:
            Refusal: there is no sound, it is not admitted, or its machine is unknown.
        """
        begun = time.monotonic()
        machine = self._machine(ask.machine)
        if ask.sound is None:
            raise Refusal(
                400, "no_sound", "The question brings no sound.", "Add a content part of type input_audio or audio_url.",
                "messages",
            )  # fmt: skip
        heard = self.ears.hear(self.sources.read(ask.sound))
        facts = derive(heard.facts, ask.sensors, machine)
        item = make_item(ask.question, ask.choices, block(facts) if ask.evidence else None, ask.style)
        return Prepared(answer_id=_new_id(), ask=ask, item=item, heard=heard, facts=facts, machine=machine, begun=begun)

    def _machine(self, name: str | None) -> Mapping[str, Any]:
        """The entry of a machine that machines.yaml or the catalogue knows: the pages offer those of the catalogue."""
        if not name:
            return {}
        with self.book.reading() as session:
            seen = machines.entries(session)
        try:
            return find_machine(self.workspace / "machines.yaml", name, seen)
        except OtoloopError as err:
            raise Refusal(400, "unknown_machine", err.message, err.remedy, "machine") from None

    def begin(self, prepared: Prepared, on_text: OnText | None = None) -> tuple[Version, Question]:
        """Queue the question; see `Lineup.ask`."""
        limit = min(prepared.ask.limit or self.params.max_new_tokens, self.params.max_new_tokens)
        return self.lineup.ask(prepared.ask.model, prompt(prepared.item), prepared.heard.wave, limit, on_text)

    def finish(self, prepared: Prepared, version: Version, written: Written) -> Answer:
        """Check what was written against the sound, and store it before anybody sees it."""
        claims = claims_against(written.text, prepared.facts, prepared.item.kind, version.base)
        asked = Asked(
            answer_id=prepared.answer_id, question=prepared.item.question, trace=written.text,
            response=response_of(written.text), confidence=written.confidence, version=version.name,
            sha=version.sha256, claims=claims,
        )  # fmt: skip
        item = prepared.item
        details = {
            "kind": item.kind, "style": item.style, "lang": item.lang, "seconds": round(prepared.heard.seconds, 3),
            "valid": asked.response is not None, "ended": written.ended,
            "claim_counts": dict(Counter(c.status for c in claims)),
        }  # fmt: skip
        answer = Answer(
            asked=asked,
            ended=written.ended,
            prompt_tokens=written.prompt_tokens,
            tokens=written.tokens,
            details=details,
        )
        self._store(prepared.ask, answer, prepared.place, prepared.heard.clip, time.monotonic() - prepared.begun)
        return answer

    def decline(self, ask: Ask) -> Answer:
        """The answer to a question about what people feel; stored as any answer."""
        version, item = self.lineup.meant(ask.model), make_item(ask.question, ask.choices, None, "direct")
        text = decline.trace(item.lang)
        asked = Asked(
            answer_id=_new_id(), question=ask.question, trace=text, response=response_of(text),
            confidence=1.0, version=version.name, sha=version.sha256, claims=(),
        )  # fmt: skip
        answer = Answer(asked=asked, details={"declined": True, "valid": True, "lang": item.lang, "claim_counts": {}})
        self._store(ask, answer, ("", ""), None, 0.0)
        return answer

    def _store(self, ask: Ask, answer: Answer, place: tuple[str, str], clip: str | None, seconds: float) -> None:
        asked = answer.asked
        with self.book.session() as session:
            answers.add_answer(
                session, asked.answer_id, question=asked.question, output=asked.trace, version=asked.version,
                sha=asked.sha, channel=self.lineup.channel, clip=clip, site=place[0], machine=place[1],
                confidence=None if answer.details.get("declined") else asked.confidence,
                latency_ms=round(1000 * seconds, 1), details={**answer.details, "user": ask.user},
            )  # fmt: skip

    def keep(self, prepared: Prepared) -> None:
        """Hand the sound of a known machine to the intake; nobody waits for that, and no answer fails by it."""
        url = getattr(prepared.ask.sound, "url", "")
        if not self.params.keep or not prepared.machine or url.startswith("s3:"):
            return
        try:
            keep(self.sources.store(), prepared.heard, *prepared.place, prepared.answer_id, datetime.now(UTC))
        except OtoloopError as err:
            log.warning("the sound of answer %s was not kept: %s", prepared.answer_id, err)


def _new_id() -> str:
    return uuid.uuid4().hex[:16]
