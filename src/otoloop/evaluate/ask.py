"""Ask a model one question about one sound, and hold every claim of its answer against the sound."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.errors import OtoloopError
from otoloop.evaluate.answer import ADAPTER, Answerer
from otoloop.model.prompts import prompt
from otoloop.reasoning.check import claims_against
from otoloop.reasoning.evidence_text import block
from otoloop.reasoning.judge import ClaimFinding
from otoloop.reasoning.trace import TraceFormatError, parse
from otoloop.records import Evidence, Item
from otoloop.train import base as bases

if TYPE_CHECKING:
    import numpy as np
    import torch

    from otoloop.model.bases import Base

LATEST = "latest"
BASE = "base"
MARKS = {"confirmed": "✓", "contradicted": "✗", "not_hearable": "✗", "unverifiable": "?"}
MIN_SECONDS = 0.1
MAX_NEW_TOKENS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An answer with its checks. ``trace`` is all that the model wrote; ``response`` None when it cannot be read."""

    answer_id: str
    question: str
    trace: str
    response: str | None
    confidence: float
    version: str
    sha: str
    claims: Sequence[ClaimFinding]

    def to_json(self) -> dict[str, Any]:
        """What `otoloop ask --json` prints."""
        claims = [{**asdict(c), "span": list(c.span) if c.span else None} for c in self.claims]
        return {**{k: getattr(self, k) for k in self.__slots__}, "claims": claims}


class Asker:
    """A loaded model that answers; keep it for many questions."""

    def __init__(self, adapter: str, workspace: Path | None, base: str) -> None:
        """Load ``base`` with an adapter: a folder, ``base`` for none, or ``latest`` for the one trained last.

        Raises:
            OtoloopError: there is no such adapter.
        """
        self.folder = adapter_folder(adapter, workspace)
        who = Answerer(bases.describe(base), self.folder)
        self.base, self.model = who.load()
        self.sha = who.base.sha256 if self.folder is None else who.sha256
        name = self.base.name if self.folder is None else self.folder.name
        self.version = f"{name}@{self.sha[:8]}"

    def ask(
        self, wave: np.ndarray[Any, Any], question: str, facts: Evidence, *, choices: Sequence[str] = (),
        evidence: bool = True, style: str = "cot",
    ) -> Asked:  # fmt: skip
        """Answer a question about a 16 kHz mono wave.

        Args:
            wave: float32 [T], 0.1 s or more; as much is heard as the base listens to.
            question: in English or Japanese.
            facts: measured and derived; what the claims are held against.
            choices: options, or none for an open question.
            evidence: whether the prompt tells the model the facts.
            style: ``cot`` or ``direct``.

        Raises:
            OtoloopError: the sound is too short.
        """
        if len(wave) < MIN_SECONDS * 16000:
            message = f"The sound lasts {len(wave) / 16000:.2f} s; a model hears nothing in less than {MIN_SECONDS} s."
            raise OtoloopError(message, "Record longer, four seconds or more.")
        item = make_item(question, choices, block(facts) if evidence else None, style)
        return self._answer(item, wave, facts)

    def _answer(self, item: Item, wave: np.ndarray[Any, Any], facts: Evidence) -> Asked:
        from otoloop.model.features import encode
        from otoloop.model.generate import generate

        (heard,) = encode(self.base, [wave[: self.base.window]])
        (made,) = generate(
            self.model, self.base.tokenizer, [prompt(item)], [heard], max_new_tokens=MAX_NEW_TOKENS
        )  # fmt: skip
        return Asked(
            answer_id=uuid.uuid4().hex[:16], question=item.question, trace=made.text, response=response_of(made.text),
            confidence=response_confidence(self.base, self.model, prompt(item), made.text, heard),
            version=self.version, sha=self.sha,
            claims=claims_against(made.text, facts, item.kind, self.base.name),
        )  # fmt: skip


def adapter_folder(adapter: str, workspace: Path | None) -> Path | None:
    """The folder of an adapter by what a user calls it; None for the base alone.

    Raises:
        OtoloopError: it is not there.
    """
    if adapter == BASE:
        return None
    if adapter == LATEST and workspace is None:
        raise OtoloopError(
            "`latest` is the adapter trained last in a workspace, and this is none.", "Use --adapter DIR."
        )
    folder = (workspace or Path()) / ADAPTER if adapter == LATEST else Path(adapter)
    if not (folder / "adapter_config.json").is_file():
        raise OtoloopError(f"There is no adapter in {folder}.", "Run `dvc repro train`, or use --adapter base.")
    return folder


def make_item(question: str, choices: Sequence[str], evidence: str | None, style: str) -> Item:
    """The question in the form that the model was taught."""
    item = Item(
        id="", clip="", question=question, answer="", choices=tuple(choices) or None,
        kind="with_evidence" if evidence else "audio_only", evidence=evidence,
        style="direct" if style == "direct" else "cot", lang="ja" if re.search(r"[぀-ヿ一-鿿]", question) else "en",
    )  # fmt: skip
    return replace(item, id=hashlib.sha256(prompt(item).encode()).hexdigest()[:16])


def response_of(text: str) -> str | None:
    """The response of a trace, or None when it is not well-formed."""
    try:
        return parse(text).response
    except TraceFormatError:
        return None


def response_confidence(base: Base, model: Any, asked: str, text: str, heard: torch.Tensor) -> float:
    """Mean probability that the model gave the tokens of its response (of all it wrote, when there is none)."""
    import torch

    from otoloop.model.architecture import parts
    from otoloop.model.embed import Tokens, embeddings, tokenize

    before, mark, after = text.partition("<RESPONSE>")
    told, response = (before + mark, after) if mark else ("", text)
    if not response:
        return 0.0
    start = tokenize(base.tokenizer, asked, len(heard))
    told_ids, ids = (base.tokenizer(t, add_special_tokens=False)["input_ids"] for t in (told, response))
    row = Tokens([*start.ids, *told_ids, *ids], start.audio)
    pieces = parts(model)
    with torch.inference_mode():
        hidden, _ = embeddings(pieces, [row], [heard], side="right", pad=base.tokenizer.pad_token_id)
        out = pieces.lm(inputs_embeds=hidden, use_cache=False).last_hidden_state[0, -len(ids) - 1 : -1]
        chances = pieces.head(out).float().softmax(-1)
    return float(chances[torch.arange(len(ids)), torch.tensor(ids)].mean())


def marked(asked: Asked) -> str:
    """The trace for people: a line a part, each claim followed by its mark and, if it is wrong, by what was measured."""
    text = asked.trace
    for claim in sorted((c for c in asked.claims if c.span), key=lambda c: c.span or (0, 0), reverse=True):
        assert claim.span is not None
        text = f"{text[: claim.span[1]]} {_mark(claim)}{text[claim.span[1] :]}"
    text = re.sub(r"</?THINK>|</(PLANNING|CAPTION|REASONING|SUMMARY|RESPONSE)>", "", text)
    return re.sub(r"<(PLANNING|CAPTION|REASONING|SUMMARY|RESPONSE)>", lambda m: f"\n{m[1].lower():<9}  ", text).strip()


def _mark(claim: ClaimFinding) -> str:
    if claim.status == "contradicted" and claim.measured is not None:
        value = f"{claim.measured:.4g}" if isinstance(claim.measured, float) else str(claim.measured)
        return f"{MARKS[claim.status]} (measured: {value}{' ' + claim.unit if claim.unit else ''})"
    return MARKS[claim.status]


def tally(asked: Asked) -> Mapping[str, int]:
    """How many claims were confirmed, contradicted or left open."""
    found = [MARKS[c.status] for c in asked.claims]
    return {mark: found.count(mark) for mark in ("✓", "✗", "?")}
