"""Stage `train`: approved items and cached features in, a fresh adapter out, from the same pinned base every cycle.

    release/items/{train,valid}.parquet + inputs/replay + work/features   ->   models/adapter, metrics/train.json, plots/loss.csv

Checkpoints lie outside the outs, since DVC deletes those before it runs a stage.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.codelock import entry
from otoloop.errors import OtoloopError
from otoloop.outs import file_sha256, key_of, replacing, write_json
from otoloop.params import TrainParams
from otoloop.release import layout
from otoloop.release.cycle import Cycle, read_cycle
from otoloop.train import base as bases
from otoloop.train.batches import plan
from otoloop.train.features import FeatureStore

if TYPE_CHECKING:
    from otoloop.train.examples import Example
    from otoloop.train.loop import Progress

OUT = "models/adapter"
# More validation examples than this tell nothing new about the loss
_VALID = 256


def main(params: TrainParams, workspace: Path) -> None:
    """Train one adapter; killed at any moment and run again, it ends in the same bytes.

    Raises:
        OtoloopError: inputs are missing, there is nothing to learn from, or the loss diverges.
    """
    from otoloop.model.adapters import add_adapter
    from otoloop.train import loop
    from otoloop.train.checkpoints import Checkpoints
    from otoloop.train.examples import make_examples
    from otoloop.train.kernels import speed_up

    cycle = read_cycle(workspace)
    lessons = {split: _rows(workspace, split) for split in ("train", "valid")}
    base = bases.load(cycle.base, params.threads)
    store = FeatureStore(workspace / "work" / "features")
    train, valid = (make_examples(base.tokenizer, lessons[s], store) for s in ("train", "valid"))
    again = make_examples(base.tokenizer, _replayed(workspace, cycle), store) if params.replay else []
    if not train:
        raise OtoloopError("The release has no training items.", "Approve more items, then `otoloop release create`.")
    model = add_adapter(base.model, rank=params.rank, alpha=params.alpha, seed=params.seed)
    speed_up(model)
    pad, held = base.tokenizer.pad_token_id, valid[:_VALID]
    before = loop.mean_loss(model, pad, held, store, params.batch) if held else None
    seen = [*train, *again]
    order = plan([len(e) for e in seen], [e.fault for e in seen], batch=params.batch, steps=params.steps,
                 seed=params.seed, balance=params.balance, replayed=len(again), replay=params.replay)  # fmt: skip
    folder = workspace / ".otoloop" / "checkpoints" / _run_key(params, workspace, cycle)[:16]
    done = loop.train(model, pad, seen, store, order, params, Checkpoints(folder), _say)
    after = loop.mean_loss(model, pad, held, store, params.batch) if held else None
    save(model, cycle.base.name, cycle.base.revision, workspace / OUT)
    _write_losses(done, workspace / "plots" / "loss.csv")
    write_json(workspace / "metrics" / "train.json", _metrics(seen, len(again), order, done, before, after))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _rows(workspace: Path, split: str) -> list[dict[str, Any]]:
    return layout.read_rows(workspace / "release" / layout.ITEMS_FILE.format(split=split))


def _replayed(workspace: Path, cycle: Cycle) -> list[dict[str, Any]]:
    """Lessons that keep the base's knowledge alive."""
    return [row for path in cycle.replay_files for row in layout.read_rows(workspace / path, layout.LESSONS.names)]


def _run_key(params: TrainParams, workspace: Path, cycle: Cycle) -> str:
    """Everything the adapter depends on: another value never meets these checkpoints."""
    release = workspace / "release"
    data = [file_sha256(release / layout.ITEMS_FILE.format(split=s)) for s in ("train", "valid")]
    data += [file_sha256(p) for p in sorted((workspace / "work" / "features").iterdir())]
    data += [file_sha256(workspace / p) for p in cycle.replay_files]
    return key_of(params.model_dump(), data, cycle.base.sha256, entry("otoloop.train.stage"), bases.device())


def save(model: Any, base: str, revision: str, folder: Path) -> None:
    """Write the adapter as safetensors and JSON; the same weights give the same bytes on any machine.

    The base is named, not located: PEFT would write the path of this machine.
    """
    model.peft_config["default"].base_model_name_or_path = base
    model.peft_config["default"].revision = revision
    with replacing(folder) as draft:
        model.save_pretrained(str(draft), save_embedding_layers=False)  # "auto" would ask the network
        (draft / "README.md").unlink(missing_ok=True)


def _write_losses(done: Progress, path: Path) -> None:
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(("step", "loss"))
        rows.writerows((i, f"{loss:.6f}") for i, loss in enumerate(done.losses, 1))


def _metrics(
    examples: list[Example],
    replayed: int,
    order: list[list[int]],
    done: Progress,
    before: float | None,
    after: float | None,
) -> dict[str, Any]:
    """Numbers that follow from the inputs alone: no times, no rates."""
    seen = [examples[i] for step in order for i in step]
    last = done.losses[-min(20, len(done.losses)) :]
    return {
        "examples": len(examples) - replayed,
        "replayed": replayed,
        "steps": done.step,
        "examples_seen": len(seen),
        "supervised_tokens_seen": sum(e.supervised for e in seen),
        "seen_by_fault": dict(sorted(Counter(e.fault for e in seen).items())),
        "loss_first": round(done.losses[0], 6),
        "loss_last": round(sum(last) / len(last), 6),
        "valid_loss_before": None if before is None else round(before, 6),
        "valid_loss_after": None if after is None else round(after, 6),
    }
