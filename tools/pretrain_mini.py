"""Pre-train `otoloop-mini` on a GPU: sounds and evidence made in batches on the device, texts in worker processes.

    python tools/pretrain_mini.py --out OUT --clips 150000 --seconds 400        # one H100, about 8 minutes in all
    python tools/pretrain_mini.py --out /tmp/smoke --clips 400 --steps 6 --batch 16 --device cpu   # smoke run

Writes weights (fp16 safetensors in shards), results.json and log.txt into OUT. Same seed and library versions: same data;
GPU arithmetic makes the weights equal only up to rounding.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoProcessor

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
from otoloop.audio.derive import derive
from otoloop.audio.evidence import measure_batch
from otoloop.model.architecture import build_mini, parts
from otoloop.model.bases import mini_path
from otoloop.model.features import log_mel, n_tokens, tower_forward
from otoloop.model.lessons import Mix, lesson, note_lesson
from otoloop.reasoning.vocab import taught_faults
from otoloop.simulate.batched import torch_render
from otoloop.simulate.scenes import sample

SECONDS = (2.0, 3.0, 4.0, 5.0)
AUDIO_TEXT = "<|AUDIO|>"
RESPONSE_WEIGHT = 4.0


class Sounds(NamedTuple):
    """Clips of one length: int16 waves [N, T] on the device, measured facts, truth."""

    seconds: float
    waves: torch.Tensor
    faults: list[str]
    evidence: list[dict[str, Any]]
    scenes: Any


class Texts(NamedTuple):
    """Token rows on the device: flat ids, offsets, lengths, where supervision and the response start, and the clip of each row."""

    flat: torch.Tensor
    offset: torch.Tensor
    length: torch.Tensor
    start: torch.Tensor
    response: torch.Tensor
    clip: torch.Tensor


def make_sounds(
    seed: int, n: int, faults: list[str], split: str, seconds: float, device: str, chunk: int = 2048
) -> Sounds:
    """Render and measure ``n`` clips."""
    waves, evidence, labels, scenes = [], [], [], []
    for start in range(0, n, chunk):
        batch = sample(
            np.random.default_rng([seed, start, int(seconds * 1000)]),
            min(chunk, n - start),
            faults=faults,
            split=split,
            seconds=seconds,
        )
        wave = torch_render(batch, device)
        evidence += measure_batch(wave, 16000, torch)
        waves.append((wave * 32767).round().to(torch.int16))
        labels += [str(f) for f in batch.fault]
        scenes.append(batch)
    return Sounds(seconds, torch.cat(waves), labels, evidence, scenes)


def contexts(sounds: Sounds) -> list[tuple[dict[str, Any], dict[str, float]]]:
    """Machine and sensors of every clip."""
    return [(s.machine(i), s.sensors(i)) for s in sounds.scenes for i in range(len(s.fault))]


def _write(job: tuple[int, int, float, list[Any], list[str], Mix]) -> list[tuple[int, str, str]]:
    """Lessons of a chunk of clips (in a worker): (clip, prompt, target)."""
    seed, first, share, rows, pool, mix = job
    rng = random.Random(seed * 1000003 + first)
    out = []
    for n, (facts, fault, (machine, sensors)) in enumerate(rows):
        full = derive(facts, sensors if rng.random() < 0.8 else None, machine if rng.random() < 0.9 else None)
        for _ in range(int(share)):
            made = lesson(str(first + n), full, fault, pool, mix, rng, {})
            out.append((first + n, made.prompt, made.target))
    return out


def make_texts(
    seed: int, sounds: Sounds, per_clip: int, pool: list[str], mix: Mix, tokenizer: Any, device: str, workers: Any
) -> Texts:
    """Several lessons a clip, tokenised, audio placeholder widened."""
    rows = list(zip(sounds.evidence, sounds.faults, contexts(sounds), strict=True))
    jobs = [(seed, i, per_clip, rows[i : i + 500], pool, mix) for i in range(0, len(rows), 500)]
    made = [r for part in workers.imap(_write, jobs) for r in part]
    return tokenise(made, tokenizer, n_tokens(int(sounds.seconds * 16000)), device)


def tokenise(made: list[tuple[int, str, str]], tokenizer: Any, n_audio: int, device: str) -> Texts:
    """Flat token rows of (clip, prompt, target)."""
    prompts = [p.replace(AUDIO_TEXT, AUDIO_TEXT * n_audio) for _, p, _ in made]
    heads = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    tails = tokenizer([t for _, _, t in made], add_special_tokens=False)["input_ids"]
    lengths = np.array([len(h) + len(t) for h, t in zip(heads, tails, strict=True)])
    flat = np.concatenate([np.array(h + t, dtype=np.int16) for h, t in zip(heads, tails, strict=True)])
    ends = tokenizer([t[t.index("<RESPONSE>") :] for _, _, t in made], add_special_tokens=False)["input_ids"]
    to = lambda a: torch.as_tensor(a, device=device)  # noqa: E731
    return Texts(
        to(flat), to(np.cumsum(lengths) - lengths), to(lengths), to(np.array([len(h) for h in heads])),
        to(lengths - np.array([len(e) for e in ends])), to(np.array([c for c, _, _ in made])),
    )  # fmt: skip


def batches(texts: Texts, size: int, rng: np.random.Generator) -> list[torch.Tensor]:
    """Row indices of batches of nearly equal length, in random order."""
    order = rng.permutation(len(texts.length))
    lengths = texts.length.cpu().numpy()
    out = []
    for start in range(0, len(order) - size + 1, size * 16):
        mega = order[start : start + size * 16]
        mega = mega[np.argsort(lengths[mega], kind="stable")]
        out += [torch.as_tensor(mega[i : i + size]) for i in range(0, len(mega) - size + 1, size)]
    rng.shuffle(out)  # type: ignore[arg-type]
    return out


def loss_of(
    model: Any,
    aux: torch.nn.Module,
    audio_id: int,
    pad: int,
    texts: Texts,
    rows: torch.Tensor,
    waves: torch.Tensor | None,
    labels: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """(text loss on supervised tokens, fault loss of a throw-away linear classifier that helps the tower along)."""
    piece = parts(model)
    device = texts.flat.device
    rows = rows.to(device)
    length = texts.length[rows]
    span = torch.arange(int(length.max()), device=device)
    valid = span[None] < length[:, None]
    ids = torch.where(
        valid, texts.flat[(texts.offset[rows][:, None] + span[None]).clamp_max(len(texts.flat) - 1)].long(), pad
    )
    hidden = piece.lm.embed_tokens(ids)
    fault_loss = torch.zeros((), device=device)
    if waves is not None and labels is not None:
        clip = texts.clip[rows]
        wave = waves[clip].float() / 32767
        gain = 10 ** (torch.empty(len(wave), 1, device=device).uniform_(-8, 8) / 20)
        hiss = 10 ** (torch.empty(len(wave), 1, device=device).uniform_(-90, -55) / 20)
        wave = (wave * gain + hiss * torch.randn_like(wave)).clamp(-1, 1)
        tower = tower_forward(piece.tower, log_mel(wave), wave.shape[1])
        hidden = hidden.masked_scatter((ids == audio_id)[..., None], piece.projector(tower).to(hidden.dtype))
        fault_loss = torch.nn.functional.cross_entropy(aux(tower.float().mean(1)), labels[clip])
    out = piece.lm(inputs_embeds=hidden, attention_mask=None, use_cache=False).last_hidden_state[:, :-1]
    wanted = (span[None, 1:] >= texts.start[rows][:, None]) & valid[:, 1:]
    each = torch.nn.functional.cross_entropy(piece.head(out[wanted]).float(), ids[:, 1:][wanted], reduction="none")
    # the letter of the right option is one token in a hundred: without a weight it is learned last
    weight = torch.where(span[None, 1:] >= texts.response[rows][:, None], RESPONSE_WEIGHT, 1.0)[wanted]
    return (each * weight).sum() / weight.sum(), fault_loss


def schedule(done: float) -> float:
    """Warm-up over the first 3 %, constant to half, then linear to nearly nothing."""
    return min(done / 0.03, 1.0) if done < 0.5 else max(0.01, 2 * (1 - done))


def train(args: argparse.Namespace, model: Any, tokenizer: Any, log: Any) -> None:
    """The training loop; stops after ``args.seconds`` of training or ``args.steps``."""
    device, taught = args.device, taught_faults()
    rng = np.random.default_rng(args.seed)
    per = args.clips // len(SECONDS)
    began = time.monotonic()
    mix = Mix(choices=0.7, japanese=args.japanese)
    with multiprocessing.get_context("fork").Pool(args.workers) as workers:
        groups = []
        sounds = [make_sounds(args.seed + 1, per, taught, "train", s, device) for s in SECONDS]
        log(f"rendered and measured {per * len(SECONDS)} clips in {time.monotonic() - began:.0f} s")
        for one in sounds:
            groups.append((one, make_texts(args.seed + 2, one, args.per_clip, taught, mix, tokenizer, device, workers)))
            length = groups[-1][1].length
            size = f"{len(length)} rows, mean {length.float().mean():.0f} tokens"
            log(f"texts of {one.seconds:g} s clips: {size}, {time.monotonic() - began:.0f} s")
    noted = random.Random(args.seed + 3)
    notes = tokenise(
        [(0, m.prompt, m.target) for m in (note_lesson(noted) for _ in range(20000))], tokenizer, 1, device
    )
    labels = [torch.tensor([taught.index(f) for f in one.faults], device=device) for one, _ in groups]
    aux = torch.nn.Linear(model.config.audio_config.d_model, len(taught)).to(device)
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": [*decayed, *aux.parameters()], "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
        lr=args.lr, betas=(0.9, 0.98), fused=device == "cuda",
    )  # fmt: skip
    audio_id, pad = tokenizer.convert_tokens_to_ids(AUDIO_TEXT), tokenizer.pad_token_id
    queue: list[tuple[int, torch.Tensor]] = []
    note_queue: list[torch.Tensor] = []
    step, began = 0, time.monotonic()
    model.train()
    while True:
        elapsed = time.monotonic() - began
        done = step / args.steps if args.steps else elapsed / args.seconds
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = args.lr * schedule(done)
        if not queue:
            queue = [(g, b) for g, (_, texts) in enumerate(groups) for b in batches(texts, args.batch, rng)]
            rng.shuffle(queue)  # type: ignore[arg-type]
            log(f"pass over the texts begins, {len(queue)} batches")
        if step % args.note_every == args.note_every - 1:
            note_queue = note_queue or batches(notes, args.batch, rng)
            texts, waves, label, rows = notes, None, None, note_queue.pop()
        else:
            g, rows = queue.pop()
            texts, waves, label = groups[g][1], groups[g][0].waves, labels[g]
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            text_loss, fault_loss = loss_of(model, aux, audio_id, pad, texts, rows, waves, label)
        optimiser.zero_grad(set_to_none=True)
        (text_loss + args.aux * fault_loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        if step % args.report == 0:
            losses = f"text {text_loss.item():.4f} fault {fault_loss.item():.3f}"
            log(f"step {step} {elapsed:.0f} s {losses} lr {optimiser.param_groups[0]['lr']:.2e}")
    model.eval()
    log(f"trained {step} steps of {args.batch} in {time.monotonic() - began:.0f} s")


def main() -> None:
    """Train, save, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=150000)
    parser.add_argument("--per-clip", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--aux", type=float, default=0.3)
    parser.add_argument("--japanese", type=float, default=0.15)
    parser.add_argument("--note-every", type=int, default=9, help="every n-th step is a batch of text-only rows")
    parser.add_argument("--init", type=Path, help="go on from these weights")
    parser.add_argument("--report", type=int, default=100)
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--judge", type=int, default=80, help="test clips a fault")
    parser.add_argument("--learn", action="store_true", help="also try to teach left-out kinds")
    parser.add_argument("--weights", type=Path, help="judge these weights instead of training")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def log(text: str) -> None:
        print(text, flush=True)
        with (args.out / "log.txt").open("a") as stream:
            stream.write(text + "\n")

    torch.backends.cuda.matmul.allow_tf32 = True
    processor = AutoProcessor.from_pretrained(mini_path(), local_files_only=True)
    processor.tokenizer.padding_side = "left"
    model = build_mini(processor.tokenizer, args.seed)
    if args.weights or args.init:
        from transformers import Qwen2AudioForConditionalGeneration

        model = Qwen2AudioForConditionalGeneration.from_pretrained(args.weights or args.init, dtype=torch.float32)
        parts(model).tower.embed_positions.requires_grad_(False)
    model.to(args.device)
    if not args.weights:
        train(args, model, processor.tokenizer, log)
        model.half().save_pretrained(args.out, max_shard_size="14MB")
        model.float()
    log(f"weights after {time.monotonic() - began:.0f} s")
    from judge_mini import judge, learn

    results = {
        "args": {k: str(v) for k, v in vars(args).items()},
        "judge": judge(model, processor.tokenizer, args.judge, args.device, log),
    }
    (args.out / "results.json").write_text(json.dumps(results, indent=1))
    if args.learn:
        results["learn"] = learn(model, processor.tokenizer, args.device, log)
        (args.out / "results.json").write_text(json.dumps(results, indent=1))
    log(f"done after {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
