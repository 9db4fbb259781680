"""Stage `answer`: base, champion and candidate answer the sealed test and the suites, greedily, from cached features.

    answers/base.jsonl, champion.jsonl (if there is one), candidate.jsonl, candidate@<variant>.jsonl     {id, output}

Sealed answers are not read here. Answers are memoised by everything they depend on. An answer must not depend on which
others are asked beside it, so batches have a fixed shape: always as many rows, padded to a length that follows from the
prompt alone.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.codelock import entry
from otoloop.model.prompts import prompt
from otoloop.outs import key_of, read_json, replacing, write_json, write_jsonl
from otoloop.params import AnswerParams
from otoloop.records import Item
from otoloop.release import layout
from otoloop.release.cycle import CHAMPION, BaseRef, Cycle, read_cycle
from otoloop.train import base as bases
from otoloop.train.encode import encode_files, sound_files
from otoloop.train.features import FeatureStore

if TYPE_CHECKING:
    import torch

    from otoloop.model.bases import Base

OUT = "answers"
ADAPTER = "models/adapter"
_BUCKET = 32
_QUESTION = ("id", "clip", "question", "choices", "kind", "style", "lang", "evidence", "slice")


def main(params: AnswerParams, workspace: Path) -> None:
    """Write answers/ for every answerer of the cycle.

    Raises:
        OtoloopError: features or inputs are missing, or a base is not the one the cycle names.
    """
    cycle = read_cycle(workspace)
    items = questions(workspace, cycle)
    store = FeatureStore(workspace / "work" / "features")
    base, candidate = Answerer(cycle.base, None), Answerer(cycle.base, workspace / ADAPTER)
    with replacing(workspace / OUT) as out:
        out.mkdir()
        _write(out, "base", answer(base, items, store, params, workspace))
        if cycle.champion:
            _write(out, "champion", _champion(cycle, items, store, params, workspace))
        _write(out, "candidate", answer(candidate, items, store, params, workspace))
        some = drawn(items, params.variant_items)
        for variant in params.variants:
            asked = [replace(i, style="direct") for i in some] if variant == "direct" else some
            sound = changed_sound(variant, cycle.base, some, store)
            _write(out, f"candidate@{variant}", answer(candidate, asked, sound, params, workspace))


def questions(workspace: Path, cycle: Cycle) -> list[Item]:
    """All items to answer, without their answers: the sealed test, then the suites."""
    files = [workspace / "release" / layout.ITEMS_FILE.format(split="test")]
    files += [workspace / path for path in cycle.suite_files.values()]
    return [layout.item_of(row) for file in files for row in layout.read_rows(file, _QUESTION)]


def drawn(items: Sequence[Item], count: int) -> list[Item]:
    """At most ``count`` items of the site's own test, drawn by the digests of their ids."""
    own = [i for i in items if i.slice.get("suite", "site") == "site"]
    return sorted(own, key=lambda i: hashlib.sha256(i.id.encode()).hexdigest())[:count]


def _write(out: Path, name: str, outputs: Mapping[str, str]) -> None:
    write_jsonl(out / f"{name}.jsonl", ({"id": i, "output": text} for i, text in sorted(outputs.items())))


def _champion(
    cycle: Cycle, items: Sequence[Item], store: FeatureStore, params: AnswerParams, workspace: Path
) -> dict[str, str]:
    """The champion's answers, on its own base: its features are made for it when that is another one."""
    own = cycle.champion_base or cycle.base
    champion = Answerer(own, workspace / CHAMPION)
    if own.sha256 == cycle.base.sha256:
        return answer(champion, items, store, params, workspace)
    with tempfile.TemporaryDirectory(dir=workspace / ".otoloop") as folder:
        encode_files(sound_files(workspace), own, params.batch, workspace, Path(folder) / "features")
        return answer(champion, items, FeatureStore(Path(folder) / "features"), params, workspace)


@dataclass(frozen=True)
class Answerer:
    """Who answers: a base, with an adapter or without."""

    base: BaseRef
    adapter: Path | None

    @property
    def sha256(self) -> str:
        """Digest of the adapter's files; ``base`` without one."""
        if self.adapter is None:
            return "base"
        files = sorted(p for p in self.adapter.iterdir() if p.name.startswith("adapter_"))
        return key_of([(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files])

    def load(self) -> tuple[Base, Any]:
        """The base and the model that answers; in float32 the adapter is merged, which is exact and faster."""
        import torch

        from otoloop.model.adapters import load_adapter

        base = bases.load(self.base)
        if self.adapter is None:
            return base, base.model
        model = load_adapter(base.model, self.adapter)
        return base, model.merge_and_unload() if next(model.parameters()).dtype == torch.float32 else model


def answer(
    who: Answerer, items: Sequence[Item], sound: Mapping[str, torch.Tensor] | FeatureStore, params: AnswerParams,
    workspace: Path,
) -> dict[str, str]:  # fmt: skip
    """Outputs by item id; what was answered before under the same conditions comes from the memo."""
    memo = bases.memo_dir(workspace, "answer")
    setting = (who.sha256, who.base.sha256, params.max_new_tokens, params.batch, entry("otoloop.evaluate.answer"))
    path = {i.id: memo / _key(i, sound[i.clip], setting) for i in items}
    missing = [i for i in items if not path[i.id].is_file()]
    if missing:
        base, model = who.load()
        for part, length in batches(base.tokenizer, missing, sound, params.batch):
            for item, text in _generate(base, model, part, sound, params, length):
                write_json(path[item.id], text)
    return {i.id: read_json(path[i.id]) for i in items}


def _key(item: Item, features: torch.Tensor, setting: Sequence[Any]) -> str:
    heard = hashlib.sha256(features.numpy().tobytes()).hexdigest()
    key = key_of(prompt(item), heard, bases.device(), *setting)
    return f"{key[:2]}/{key}.json"


def batches(
    tokenizer: Any, items: Sequence[Item], sound: Mapping[str, torch.Tensor] | FeatureStore, size: int
) -> Iterator[tuple[list[Item], int]]:
    """Items of one style whose prompts round up to one length, at most ``size`` at a time, with that length.

    Direct answers are short: among themselves they end after a few tokens.
    """
    from otoloop.model.embed import tokenize

    groups: dict[tuple[str, int], list[Item]] = defaultdict(list)
    for item in items:
        tokens = len(tokenize(tokenizer, prompt(item), len(sound[item.clip])).ids)
        groups[item.style, -(-tokens // _BUCKET) * _BUCKET].append(item)
    for (_, length), members in sorted(groups.items()):
        for start in range(0, len(members), size):
            yield members[start : start + size], length


def _generate(
    base: Base, model: Any, part: Sequence[Item], sound: Mapping[str, torch.Tensor] | FeatureStore,
    params: AnswerParams, length: int,
) -> Iterator[tuple[Item, str]]:  # fmt: skip
    """Answers to one batch, filled up with its first item to the full number of rows."""
    from otoloop.model.generate import generate

    rows = [*part, *[part[0]] * (params.batch - len(part))]
    found = generate(
        model, base.tokenizer, [prompt(i) for i in rows], [sound[i.clip] for i in rows],
        max_new_tokens=params.max_new_tokens, length=length,
    )  # fmt: skip
    yield from zip(part, (g.text for g in found), strict=False)


def changed_sound(
    variant: str, ref: BaseRef, items: Sequence[Item], store: FeatureStore
) -> Mapping[str, torch.Tensor] | FeatureStore:
    """What is heard in a variant: silence of the same length, another recording, or the real sound."""
    clips = sorted({i.clip for i in items})
    if variant == "swapped":
        half = len(clips) // 2
        return {clip: store[other] for clip, other in zip(clips, clips[half:] + clips[:half], strict=True)}
    if variant == "silent":
        return _silence(ref, {clip: store.length(clip) for clip in clips})
    return store


def _silence(ref: BaseRef, tokens: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """The base's features of silence, for each clip as many tokens as it has."""
    import numpy as np

    from otoloop.model.features import HOP, MAX_SECONDS, RATE, encode

    base, lengths = bases.load(ref), sorted(set(tokens.values()))
    # a token stands for four frames; half a token more makes rounding safe, but nothing is longer than the window
    waves = [np.zeros(min(HOP * (4 * n + 2), MAX_SECONDS * RATE), dtype=np.float32) for n in lengths]
    heard = dict(zip(lengths, encode(base, waves), strict=True))
    return {clip: heard[n][:n].half().float() for clip, n in tokens.items()}
