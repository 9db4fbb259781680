"""Load the base that a cycle names, and make sure that it is that one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otoloop.errors import OtoloopError
from otoloop.release.cycle import BaseRef

if TYPE_CHECKING:
    from otoloop.model.bases import Base


def device() -> str:
    """``cuda`` where there is a GPU, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load(ref: BaseRef, threads: int | None = None) -> Base:
    """The base of a cycle: float32 on a CPU, bfloat16 on a GPU.

    Raises:
        OtoloopError: its files are not those the cycle was made with.
    """
    import torch

    from otoloop.model.bases import load_base

    if threads:
        torch.set_num_threads(threads)
    where = device()
    base = load_base(ref.ref, device=where, dtype=torch.bfloat16 if where == "cuda" else torch.float32)
    if base.sha256 != ref.sha256:
        message = f"Base {ref.ref} has sha256 {base.sha256[:12]}, but the cycle was made with {ref.sha256[:12]}."
        raise OtoloopError(message, "Give the right weights, or start a new cycle on this base.")
    return base


def describe(ref: str) -> BaseRef:
    """What a cycle writes down of the base that ``ref`` loads."""
    from otoloop.model.bases import folder_sha256, locate

    folder, name, revision = locate(ref)
    return BaseRef(ref, name, revision, folder_sha256(folder))


def memo_dir(workspace: Path, name: str) -> Path:
    """Where results that are dear to compute are kept outside the outs; safe to delete at any time."""
    folder = workspace / ".otoloop" / "memo" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
