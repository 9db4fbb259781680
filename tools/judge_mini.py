"""Judge the mini base on sounds it never met, and try to teach it what it was never taught.

python tools/judge_mini.py --weights src/otoloop/model/mini [--learn] [--device cpu]
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from otoloop.audio.derive import derive
from otoloop.audio.evidence import measure_batch
from otoloop.model.adapters import add_adapter
from otoloop.model.architecture import parts
from otoloop.model.embed import embeddings, tokenize
from otoloop.model.features import log_mel, tower_forward
from otoloop.model.generate import generate
from otoloop.model.lessons import Lesson, Mix, lesson
from otoloop.reasoning import trace as traces
from otoloop.reasoning.vocab import by_name, left_out_faults, taught_faults
from otoloop.simulate.batched import torch_render
from otoloop.simulate.scenes import Scenes, sample

Log = Callable[[str], None]


def features_of(model: Any, waves: torch.Tensor) -> list[torch.Tensor]:
    """Tower outputs of equally long waves."""
    out: list[torch.Tensor] = []
    with torch.inference_mode():
        for start in range(0, len(waves), 64):
            part = waves[start : start + 64]
            out += list(tower_forward(parts(model).tower, log_mel(part), part.shape[1]).float().clone())
    return out


def facts_of(scenes: Scenes, waves: torch.Tensor) -> list[dict[str, Any]]:
    """Measured and derived evidence of every clip."""
    measured = measure_batch(waves, 16000, torch)
    return [dict(derive(m, scenes.sensors(i), scenes.machine(i))) for i, m in enumerate(measured)]


def answers(
    model: Any, tokenizer: Any, lessons: Sequence[Lesson], features: Sequence[torch.Tensor], batch: int = 256
) -> list[str]:
    """Greedy answers in batches of similar prompts."""
    order = sorted(range(len(lessons)), key=lambda i: len(lessons[i].prompt))
    found = [""] * len(lessons)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        for i, made in zip(
            rows,
            generate(
                model, tokenizer, [lessons[i].prompt for i in rows], [features[i] for i in rows], max_new_tokens=180
            ),
            strict=True,
        ):
            found[i] = made.text
    return found


def named(text: str) -> str:
    """The fault id in the response, or an empty string."""
    match = re.search(r"<RESPONSE>(.*?)</RESPONSE>", text, re.DOTALL)
    fault = by_name(re.sub(r"\s*\([a-h]\)\s*$", "", match.group(1))) if match else None
    return fault.id if fault else ""


def valid(text: str) -> bool:
    """Whether the text is one well-formed trace."""
    try:
        traces.parse(text)
    except traces.TraceFormatError:
        return False
    return True


def numbers(text: str, part: str) -> list[str]:
    """The numbers in one part of a trace."""
    match = re.search(rf"<{part}>(.*?)</{part}>", text, re.DOTALL)
    return re.findall(r"\d+(?:\.\d+)?", match.group(1)) if match else []


def share(values: Sequence[bool]) -> float | None:
    """Share of true values, rounded."""
    return round(float(np.mean(values)), 4) if values else None


def measures(lessons: Sequence[Lesson], texts: Sequence[str], faults: Sequence[str]) -> dict[str, Any]:
    """Named right, exact choice, format, copied and combined numbers."""
    rows = list(zip(lessons, texts, faults, strict=True))
    choice = [(m, t) for m, t, _ in rows if m.item and m.item.choices]
    cot = [(m, t) for m, t, _ in rows if m.item and m.item.kind == "with_evidence" and m.item.style == "cot"]
    copied = [n in (m.item.evidence or "") for m, t in cot if m.item for n in numbers(t, "CAPTION")]
    ratio = [
        (m, t) for m, t in cot if "order" in "".join(re.findall(r"<REASONING>(.*?)</", m.target)) or "次数" in m.target
    ]
    return {
        "n": len(rows), "named": share([named(t) == f for _, t, f in rows]),
        "open_named": share([named(t) == f for m, t, f in rows if m.item and not m.item.choices]),
        "choice_exact": share([f"<RESPONSE>{m.item.answer} ({m.item.answer_letter})</RESPONSE>" in t for m, t in choice if m.item]),
        "format": share([valid(t) for _, t, _ in rows]), "numbers_copied": share(copied), "numbers_in_captions": len(copied),
        "combined": share([numbers(t, "REASONING") == numbers(m.target, "REASONING") for m, t in ratio]), "combined_n": len(ratio),
    }  # fmt: skip


def build(
    scenes: Scenes, facts: Sequence[dict[str, Any]], pool: list[str], mix: Mix, seed: int, per_clip: int = 1
) -> tuple[list[Lesson], list[int]]:
    """Lessons and the clip of each."""
    rng = random.Random(seed)
    made = [
        (lesson(f"{seed}-{i}", facts[i], str(f), pool, mix, rng, {}), i)
        for i, f in enumerate(scenes.fault)
        for _ in range(per_clip)
    ]
    return [m for m, _ in made], [i for _, i in made]


def judge(model: Any, tokenizer: Any, per_fault: int, device: str, log: Log) -> dict[str, Any]:
    """Scores by split and form, and a confusion table."""
    taught, out = taught_faults(), {}
    for name, split, seed in (
        ("train speeds", "train", 901),
        ("held out, moderate", "heldout", 902),
        ("held out, low", "heldout", 902),
    ):
        scenes = sample(
            np.random.default_rng(seed),
            per_fault * len(taught) * (2 if split == "heldout" else 1),
            faults=taught,
            split=split,
            seconds=4.0,
        )
        if split == "heldout":
            scenes = scenes.take(scenes.snr_band == name.split()[-1])
        waves = torch_render(scenes, device)
        facts, features = facts_of(scenes, waves), features_of(model, waves)
        for form, mix in (
            ("sound cot", Mix(0, 0.6, 0, 0)),
            ("sound direct", Mix(1, 0.6, 0, 0)),
            ("evidence cot", Mix(0, 0.6, 1, 0)),
            ("japanese cot", Mix(0, 0.6, 0.5, 1)),
        ):
            lessons, clips = build(scenes, facts, taught, mix, seed)
            texts = answers(model, tokenizer, lessons, [features[i] for i in clips])
            faults = [str(scenes.fault[i]) for i in clips]
            row = measures(lessons, texts, faults)
            per: dict[str, list[str]] = defaultdict(list)
            for fault, text in zip(faults, texts, strict=True):
                per[fault].append(named(text))
            row["by_fault"] = {f: share([n == f for n in ns]) for f, ns in per.items()}
            row["confused"] = sorted(
                ((ns.count(o), f, o) for f, ns in per.items() for o in set(ns) if o != f), reverse=True
            )[:8]
            out[f"{name} | {form}"] = row
            log(f"{name} | {form}: " + json.dumps({k: v for k, v in row.items() if k not in ("by_fault",)}))
            log("   " + json.dumps(row["by_fault"]))
            log("   e.g. " + texts[0][:400].replace("\n", " "))
    return out


def site(seed: int, new: int, known: int, device: str, seconds: float = 3.5) -> tuple[Scenes, Scenes]:
    """(teaching, test) clips of a new site: left-out and known kinds; test has other machines and sessions."""
    rng = np.random.default_rng(seed)
    pools = []
    for faults, count in ((left_out_faults(), new), (taught_faults(), known)):
        pools.append(sample(rng, len(faults) * count * 4, faults=faults, split="site", seconds=seconds))
    teach, test = [], []
    for scenes, count in zip(pools, (new, known), strict=True):
        early, late = scenes.individual < 200, scenes.individual >= 200
        names = list(dict.fromkeys(scenes.fault.tolist()))
        teach.append((scenes, np.concatenate([np.flatnonzero(early & (scenes.fault == f))[:count] for f in names])))
        test.append(
            (
                scenes,
                np.concatenate(
                    [np.flatnonzero(late & (scenes.fault == f))[: 40 if scenes is pools[0] else 12] for f in names]
                ),
            )
        )
    return teach, test  # type: ignore[return-value]


def _render(groups: Any, model: Any, device: str) -> list[tuple[Scenes, list[dict[str, Any]], list[torch.Tensor]]]:
    out = []
    for scenes, index in groups:
        picked = scenes.take(index)
        waves = torch_render(picked, device)
        out.append((picked, facts_of(picked, waves), features_of(model, waves)))
    return out


def learn(
    model: Any, tokenizer: Any, device: str, log: Log, configs: Sequence[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Teach the left-out kinds with LoRA on cached features, and test on machines and sessions never met."""
    results = []
    # what a laptop can do in two minutes, in growing cost
    configs = configs or [
        {"new": 40, "known": 8, "lr": 3e-3, "rank": 16, "steps": 150, "per_clip": 2, "direct": 0.5},
        {"new": 40, "known": 8, "lr": 3e-3, "rank": 16, "steps": 240, "per_clip": 2, "direct": 0.5},
        {"new": 40, "known": 8, "lr": 5e-3, "rank": 32, "steps": 150, "per_clip": 2, "direct": 0.5},
    ]
    everything = [*taught_faults(), *left_out_faults()]
    made: dict[tuple[int, int], Any] = {}
    for config in configs:
        key = (config["new"], config["known"])
        if key not in made:
            teach, test = site(77, *key, device)
            made[key] = _render(teach, model, device), _render(test, model, device)
        groups, tests = made[key]
        rows: list[tuple[Lesson, torch.Tensor]] = []
        for scenes, facts, features in groups:
            lessons, clips = build(
                scenes, facts, everything, Mix(config.get("direct", 0.3), 0.6, 0.5, 0), 5, config.get("per_clip", 3)
            )
            times = config.get("boost", 1) if scenes is groups[0][0] else 1
            rows += [(m, features[i]) for m, i in zip(lessons, clips, strict=True)] * times
        before = _test(model, tokenizer, tests, everything)
        began = time.monotonic()
        tuned = add_adapter(copy.deepcopy(model), rank=config["rank"], alpha=2 * config["rank"], seed=1)
        tokens = _fit(tuned, tokenizer, rows, config, log)
        seconds = time.monotonic() - began
        after = _test(tuned.eval(), tokenizer, tests, everything)
        results.append(
            {"config": config, "seconds": round(seconds, 1), "tokens": tokens, "before": before, "after": after}
        )
        log(
            f"learn {config} {seconds:.0f} s {tokens} tokens\n   before {json.dumps(before)}\n   after  {json.dumps(after)}"
        )
    return results


def _fit(tuned: Any, tokenizer: Any, rows: list[tuple[Lesson, torch.Tensor]], config: dict[str, Any], log: Log) -> int:
    """Plain LoRA training; returns the number of tokens seen."""
    steps, batch = config.get("steps", 300), config.get("batch", 12)
    piece, rng, seen = parts(tuned), random.Random(3), 0
    optimiser = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=config["lr"], weight_decay=0.0)
    tuned.train()
    order: list[list[int]] = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = config["lr"] * min(1.0, (step + 1) / 15) * (1 - step / steps)
        if not order:
            order = _batches([len(m.prompt + m.target) for m, _ in rows], batch, rng)
        picked = [rows[i] for i in order.pop()]
        texts = [tokenize(tokenizer, m.prompt + m.target, len(f)) for m, f in picked]
        sizes = [len(tokenizer(m.target, add_special_tokens=False)["input_ids"]) for m, _ in picked]
        with torch.no_grad():
            hidden, _ = embeddings(piece, texts, [f for _, f in picked], side="right", pad=tokenizer.pad_token_id)
        out = piece.lm(inputs_embeds=hidden, attention_mask=None, use_cache=False).last_hidden_state
        chosen = torch.cat(
            [out[i, len(t.ids) - n - 1 : len(t.ids) - 1] for i, (t, n) in enumerate(zip(texts, sizes, strict=True))]
        )
        wanted = torch.cat([torch.tensor(t.ids[-n:]) for t, n in zip(texts, sizes, strict=True)]).to(chosen.device)
        each = torch.nn.functional.cross_entropy(piece.head(chosen), wanted, reduction="none")
        weight = torch.cat(
            [
                _weights(tokenizer, m.target, n, config.get("focus", 1.0))
                for (m, _), n in zip(picked, sizes, strict=True)
            ]
        ).to(each.device)
        loss = (each * weight).sum() / weight.sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tuned.parameters(), 1.0)
        optimiser.step()
        seen += hidden.shape[0] * hidden.shape[1]
        if step % 60 == 59:
            log(f"   step {step + 1} loss {loss.item():.4f}")
    return seen


def _weights(tokenizer: Any, target: str, size: int, focus: float) -> torch.Tensor:
    """Weight ``focus`` on every token from the reasoning on (a direct answer: all), 1 before."""
    late = target[target.index("<REASONING>") :] if "<REASONING>" in target else target
    n = len(tokenizer(late, add_special_tokens=False)["input_ids"])
    return torch.cat([torch.ones(size - n), torch.full((n,), focus)])


def _batches(sizes: list[int], batch: int, rng: random.Random) -> list[list[int]]:
    """Batches of rows of similar length, in random order."""
    order = rng.sample(range(len(sizes)), len(sizes))
    out = []
    for start in range(0, len(order), batch * 8):
        mega = sorted(order[start : start + batch * 8], key=lambda i: sizes[i])
        out += [mega[i : i + batch] for i in range(0, len(mega) - batch + 1, batch)]
    rng.shuffle(out)
    return out


def _test(model: Any, tokenizer: Any, tests: Any, pool: list[str]) -> dict[str, Any]:
    """Named right by group and form."""
    out: dict[str, Any] = {}
    for name, (scenes, facts, features) in zip(("new", "known"), tests, strict=True):
        for form, mix in (("sound", Mix(0, 0.6, 0, 0)), ("evidence", Mix(0, 0.6, 1, 0)), ("direct", Mix(1, 0.6, 0, 0))):
            lessons, clips = build(scenes, facts, pool, mix, 99)
            texts = answers(model, tokenizer, lessons, [features[i] for i in clips])
            row = measures(lessons, texts, [str(scenes.fault[i]) for i in clips])
            out[f"{name} {form}"] = {k: row[k] for k in ("n", "named", "open_named", "choice_exact", "format")}
            broken = [t for t in texts if not valid(t)][:2]
            if broken:
                print("   broken:", form, [b[-300:] for b in broken])
            if name == "new":
                kinds = {str(scenes.fault[i]) for i in clips}
                out[f"{name} {form}"]["by"] = {
                    k: share([named(t) == k for t, i in zip(texts, clips, strict=True) if scenes.fault[i] == k])
                    for k in sorted(kinds)
                }
    return out


def main() -> None:
    """Judge weights from the command line."""
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--per-fault", type=int, default=20)
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--configs", type=json.loads)
    args = parser.parse_args()
    processor = AutoProcessor.from_pretrained(args.weights, local_files_only=True)
    processor.tokenizer.padding_side = "left"
    model = (
        Qwen2AudioForConditionalGeneration.from_pretrained(args.weights, dtype=torch.float32)
        .eval()
        .requires_grad_(False)
        .to(args.device)
    )
    if args.learn:
        learn(model, processor.tokenizer, args.device, lambda text: print(text, flush=True), args.configs)
    else:
        judge(model, processor.tokenizer, args.per_fault, args.device, print)


if __name__ == "__main__":
    main()
