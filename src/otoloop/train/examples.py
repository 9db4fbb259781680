"""From released items to token ids: what the base reads, and from where on it is taught."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from otoloop.model.embed import Tokens, tokenize
from otoloop.model.prompts import prompt, target
from otoloop.release.layout import item_of
from otoloop.train.features import FeatureStore


@dataclass(frozen=True, slots=True)
class Example:
    """One item as token ids; positions ``start`` to the end are supervised: trace, response and end mark."""

    id: str
    clip: str
    fault: str
    tokens: Tokens
    start: int

    def __len__(self) -> int:
        return len(self.tokens.ids)

    @property
    def supervised(self) -> int:
        """How many tokens are taught."""
        return len(self.tokens.ids) - self.start


def make_examples(tokenizer: Any, rows: Iterable[Mapping[str, Any]], store: FeatureStore) -> list[Example]:
    """Examples of rows of `layout.LESSONS`, tokenised once.

    Prompt and target are tokenised apart, since answering starts from the prompt alone.
    """
    return [_example(tokenizer, row, store.length(row["clip"])) for row in rows]


def _example(tokenizer: Any, row: Mapping[str, Any], n_audio: int) -> Example:
    question = tokenize(tokenizer, prompt(item_of(row)), n_audio)
    taught = tokenizer(target(row["trace"]), add_special_tokens=False)["input_ids"]
    tokens = Tokens([*question.ids, *taught], question.audio)
    return Example(row["id"], row["clip"], row["fault"], tokens, len(question.ids))
