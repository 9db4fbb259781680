"""Checkpoints outside the outs, so that a run that was killed goes on where it was and ends in the same adapter.

    <folder>/step-000050/state.safetensors, progress.json      the newest two are kept

A checkpoint that exists is whole: it is written under another name first.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from otoloop import crash
from otoloop.outs import read_json, replacing, write_json
from otoloop.train.loop import Progress

KEPT = 2


class Checkpoints:
    """The checkpoints of one run; the folder's name holds a digest of everything the run depends on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, progress: Progress, model: Any, optimiser: torch.optim.Optimizer, schedule: Any) -> None:
        """Write one whole, then drop the older ones."""
        with replacing(self.folder / f"step-{progress.step:06d}") as draft:
            draft.mkdir(parents=True)
            save_file(_tensors(model, optimiser), draft / "state.safetensors")
            state = {"step": progress.step, "losses": progress.losses, "schedule": schedule.last_epoch}
            write_json(draft / "progress.json", state)
        for old in self._all()[:-KEPT]:
            shutil.rmtree(old)
        crash.here(f"checkpoint {progress.step}")

    def restore(self, model: Any, optimiser: torch.optim.Optimizer, schedule: Any) -> Progress:
        """Put the newest checkpoint into model and optimiser; a fresh start when there is none."""
        found = self._all()
        if not found:
            return Progress()
        state = read_json(found[-1] / "progress.json")
        _put(load_file(found[-1] / "state.safetensors"), model, optimiser)
        schedule.last_epoch = state["schedule"]
        for group, rate in zip(optimiser.param_groups, _rates(schedule, state["schedule"]), strict=True):
            group["lr"] = rate
        return Progress(state["step"], state["losses"])

    def _all(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("step-*") if (p / "progress.json").is_file())


def _rates(schedule: Any, epoch: int) -> list[float]:
    pairs = zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
    return [base * factor(epoch) for base, factor in pairs]


def _trained(model: Any) -> list[tuple[str, torch.Tensor]]:
    return [(n, p) for n, p in model.named_parameters() if p.requires_grad]


def _tensors(model: Any, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Weights, both moments and step counts of every trained parameter."""
    flat = {}
    for name, p in _trained(model):
        flat[f"weight {name}"] = p.detach()
        flat.update({f"{key} {name}": torch.as_tensor(value) for key, value in optimiser.state[p].items()})
    return {k: v.cpu().contiguous() for k, v in flat.items()}


def _put(flat: dict[str, torch.Tensor], model: Any, optimiser: torch.optim.Optimizer) -> None:
    keys = {key.split(" ", 1)[0] for key in flat} - {"weight"}
    with torch.no_grad():
        for name, p in _trained(model):
            p.copy_(flat[f"weight {name}"])
            moments = {key: flat[f"{key} {name}"] for key in keys}
            optimiser.state[p] = {k: v if k == "step" else v.to(p.device) for k, v in moments.items()}
