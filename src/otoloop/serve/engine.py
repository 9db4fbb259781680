"""The engine: one thread that owns the model and answers waiting questions together, each with its own adapter.

Questions wait in a bounded queue; the first waits a little for others, then up to ``batch`` of them share the passes of
the model. Loading and unloading adapters are errands that the same thread does between two batches, so that no lock
is ever held over a forward pass.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from otoloop.model.embed import Tokens, embeddings, tokenize
from otoloop.model.features import encode, n_tokens
from otoloop.model.generate import steps
from otoloop.serve.refusals import Refusal
from otoloop.serve.shelf import Shelf

if TYPE_CHECKING:
    import numpy as np

    from otoloop.model.bases import Base

T = TypeVar("T")
OnText = Callable[[str], None]
_RESPONSE = "<RESPONSE>"


@dataclass(frozen=True, slots=True)
class Limits:
    """How questions share the model: at most ``batch`` a pass, ``wait_s`` for company, ``queue`` in waiting."""

    batch: int = 8
    wait_s: float = 0.02
    queue: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the model wrote, and why it ended: ``stop`` by its own end mark, ``length`` at the limit.

    ``confidence`` is the mean probability of the response's tokens (of all tokens when there is no response).
    """

    text: str
    confidence: float
    tokens: int
    prompt_tokens: int
    ended: str
    together: int


@dataclass(slots=True, eq=False)
class Question:
    """A prompt with its sound on its way through the engine; its ``answer`` is settled in any case."""

    tokens: Tokens
    wave: np.ndarray[Any, Any]
    adapter: str
    limit: int
    on_text: OnText | None = None
    answer: Future[Written] = field(default_factory=Future)
    ids: list[int] = field(default_factory=list)
    probs: list[float] = field(default_factory=list)
    told: int = 0
    forgotten: bool = False

    @property
    def open(self) -> bool:
        """Whether somebody still waits for more of it."""
        return not self.forgotten and not self.answer.done()


class Engine:
    """Answers questions about sounds on one base with many adapters."""

    def __init__(self, base: Base, limits: Limits) -> None:
        """Take over ``base``; the thread starts at once."""
        self.base, self.limits, self.shelf = base, limits, Shelf(base)
        self._waiting: deque[Question] = deque()
        self._errands: deque[Callable[[], None]] = deque()
        self._bell = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="otoloop-engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer what is being answered, give up what waits, end the thread."""
        with self._bell:
            self._closed = True
            self._bell.notify_all()
        self._thread.join()
        while self._errands:  # somebody waits for each of them
            self._errands.popleft()()
        for question in self._waiting:
            question.answer.set_exception(_busy("The gateway is closing."))

    @property
    def waiting(self) -> int:
        """Questions that no pass has taken up yet."""
        return len(self._waiting)

    def require_room(self) -> None:
        """Refuse early what would be refused after all the work of decoding.

        Raises:
            Refusal: 503, the queue is full.
        """
        if self._closed or len(self._waiting) >= self.limits.queue:
            raise _busy(f"{len(self._waiting)} questions are waiting; no more are taken.")

    def ask(
        self, prompt: str, wave: np.ndarray[Any, Any], adapter: str, limit: int, on_text: OnText | None = None
    ) -> Question:
        """Queue a question; ``.answer`` becomes `Written`. Set ``.forgotten`` when nobody waits any more.

        Args:
            prompt: text with one ``<|AUDIO|>``.
            wave: 16 kHz mono, 0.1 to 30 s; as much is heard as the base listens to.
            adapter: name of a loaded adapter.
            limit: new tokens at most.
            on_text: called on the engine's thread with each piece as it is written; must not block.
                If it raises, nobody waits any more.

        Raises:
            Refusal: 503 when the queue is full; 400 when the prompt is longer than the base reads.
        """
        wave = wave[: self.base.window]
        tokens = tokenize(self.base.tokenizer, prompt, n_tokens(len(wave)))
        self._require_fit(len(tokens.ids) + limit)
        question = Question(tokens, wave, adapter, limit, on_text)
        question.answer.set_running_or_notify_cancel()  # from here on only the engine settles it
        with self._bell:
            self.require_room()
            self._waiting.append(question)
            self._bell.notify()
        return question

    def do(self, errand: Callable[[], T]) -> T:
        """Have the engine's thread do something with the model between two batches; waits for its result."""
        done: Future[T] = Future()
        with self._bell:
            if self._closed:
                raise _busy("The gateway is closing.")
            self._errands.append(lambda: _settle(done, errand))
            self._bell.notify()
        return done.result()

    def _require_fit(self, tokens: int) -> None:
        room = int(self.base.model.config.text_config.max_position_embeddings)
        if tokens > room:
            raise Refusal(
                400, "prompt_too_long", f"Sound, question and answer need {tokens} tokens; the base has {room}.",
                "Shorten the question or the sound.", "messages",
            )  # fmt: skip

    def _run(self) -> None:
        while (work := self._next()) is not None:
            work()

    def _next(self) -> Callable[[], None] | None:
        """The next errand, else the next batch: the first question waits a moment for company; None at the end."""
        with self._bell:
            self._bell.wait_for(lambda: self._errands or self._waiting or self._closed)
            if self._closed:
                return None
            if self._errands:
                return self._errands.popleft()
            end = time.monotonic() + self.limits.wait_s
            while len(self._waiting) < self.limits.batch and (left := end - time.monotonic()) > 0:
                self._bell.wait(left)
            taken = [self._waiting.popleft() for _ in range(min(self.limits.batch, len(self._waiting)))]
        return partial(self._answer_all, taken)

    def _answer_all(self, batch: Sequence[Question]) -> None:
        """Answer a batch; whatever goes wrong, those who wait are told and the next batch is served."""
        problem: BaseException = Refusal(499, "forgotten", "Nobody waits for this answer.", "Ask again.")
        try:
            if wanted := [q for q in batch if q.open]:
                self._answer(wanted)
        except BaseException as err:
            problem = err
        for question in batch:
            if not question.answer.done():
                question.answer.set_exception(problem)

    def _answer(self, batch: Sequence[Question]) -> None:
        """One batch: the tower once, then a token a pass until nobody waits any more."""
        heard = encode(self.base, [q.wave for q in batch], len(batch))
        pad = self.base.tokenizer.pad_token_id
        end = self.base.tokenizer.convert_tokens_to_ids("<|im_end|>")
        with self.shelf.using([q.adapter for q in batch]):
            hidden, mask = embeddings(self.base.parts, [q.tokens for q in batch], heard, side="left", pad=pad)
            for token, prob in steps(self.base.parts, hidden, mask, end, max(q.limit for q in batch)):
                for question, one, chance in zip(batch, token.tolist(), prob.tolist(), strict=True):
                    if question.open:
                        self._take(question, one, chance, one == end, len(batch))
                if not any(q.open for q in batch):
                    return

    def _take(self, question: Question, token: int, prob: float, ended: bool, together: int) -> None:
        """Add a token to an answer; settle it at its end."""
        question.probs.append(prob)
        if not ended:
            question.ids.append(token)
        full = len(question.ids) >= question.limit
        if question.on_text is not None:
            self._tell(question, last=ended or full)
        if ended or full:
            question.answer.set_result(self._written(question, "stop" if ended else "length", together))

    def _tell(self, question: Question, *, last: bool) -> None:
        """Pass on what is new; half a character waits for its other half."""
        assert question.on_text is not None
        text = self.base.tokenizer.decode(question.ids)
        if len(text) > question.told and (last or not text.endswith("\ufffd")):
            try:
                question.on_text(text[question.told :])
            except Exception:  # whoever listened is gone; the others of the batch go on
                question.forgotten = True
            question.told = len(text)

    def _written(self, question: Question, ended: str, together: int) -> Written:
        text = self.base.tokenizer.decode(question.ids)
        told = text.find(_RESPONSE)
        probs = question.probs[self._tokens_to(question.ids, told + len(_RESPONSE)) if told >= 0 else 0 :]
        return Written(
            text=text, confidence=sum(probs) / max(1, len(probs)), tokens=len(question.ids),
            prompt_tokens=len(question.tokens.ids), ended=ended, together=together,
        )  # fmt: skip

    def _tokens_to(self, ids: Sequence[int], characters: int) -> int:
        """How many tokens make up so many characters."""
        decode = self.base.tokenizer.decode
        return next((n for n in range(len(ids) + 1) if len(decode(ids[:n])) >= characters), len(ids))


def _settle(done: Future[T], errand: Callable[[], T]) -> None:
    try:
        done.set_result(errand())
    except BaseException as err:
        done.set_exception(err)


def _busy(message: str) -> Refusal:
    return Refusal(503, "overloaded", message, "Ask again in a moment.")
