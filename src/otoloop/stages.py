"""The stages of a cycle: which function each one is, and which section of params.yaml it reads.

Their order stands in dvc.yaml only. Every stage's module has ``main(params, workspace)``: it gets its section of
params.yaml and the workspace's folder, reads files, writes files, and knows nothing else: no clock, no network.
Judging stages return normally for any verdict; an exception is a crash.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from otoloop.errors import OtoloopError
from otoloop.params import load_params


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's module, and its section of params.yaml."""

    module: str
    section: str


STAGES: dict[str, Stage] = {
    "validate": Stage("otoloop.release.validate", "release"),
    "encode": Stage("otoloop.train.encode", "encode"),
    "train": Stage("otoloop.train.stage", "train"),
    "answer": Stage("otoloop.evaluate.answer", "answer"),
    "score": Stage("otoloop.evaluate.score", "score"),
    "gate": Stage("otoloop.gate.stage", "gate"),
}


def stage(name: str) -> Stage:
    """A stage by its name.

    Raises:
        OtoloopError: there is none.
    """
    if name not in STAGES:
        raise OtoloopError(f"There is no stage {name!r}.", f"Choose one of: {', '.join(STAGES)}.")
    return STAGES[name]


def run(name: str, workspace: Path) -> None:
    """Run one stage after checking that ``otoloop.lock`` describes the installed code.

    Raises:
        OtoloopError: no such stage, a stale lock, wrong params, or missing inputs.
    """
    from otoloop.codelock import require_fresh

    chosen = stage(name)
    section = getattr(load_params(workspace / "params.yaml"), chosen.section)
    require_fresh(workspace, name)
    importlib.import_module(chosen.module).main(section, workspace)
