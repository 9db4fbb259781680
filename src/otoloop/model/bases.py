"""Load a base: the embedded `otoloop-mini`, or Qwen2-Audio from a path, S3 or the hub (safetensors only)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from otoloop.errors import OtoloopError
from otoloop.model.architecture import Parts, build_mini, parts
from otoloop.reasoning.hearing import hearing

MINI = "otoloop-mini"
RATE = 16000
# hub bases are pinned: a branch name would let the weights change under a release
PINNED = {"Qwen/Qwen2-Audio-7B-Instruct": "0a095220c30b7b31434169c3086508ef3ea5bf0a"}


@dataclass(frozen=True)
class Base:
    """The pinned audio language model that adapters are trained on."""

    name: str
    revision: str
    sha256: str
    model: Any
    processor: Any
    device: str = "cpu"

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer, padding on the left."""
        return self.processor.tokenizer

    @property
    def window(self) -> int:
        """How many samples of a recording, at 16 kHz, it is given to hear."""
        return RATE * hearing(self.name).seconds

    @property
    def parts(self) -> Parts:
        """Tower, projector, language model and head."""
        return parts(self.model)


def mini_path() -> Path:
    """Where the embedded base lies inside the package."""
    return Path(str(files("otoloop.model"))) / "mini"


def load_base(ref: str = MINI, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Base:
    """Load a base by name, path, or ``hub/name@revision``.

    Raises:
        OtoloopError: the folder or name does not hold a Qwen2-Audio model in safetensors form, or a hub name has no pinned revision.
    """
    folder, name, revision = locate(ref)
    return _load(folder, name, revision, device, dtype)


def locate(ref: str) -> tuple[Path, str, str]:
    """Folder, name and revision of a base without loading it; a hub base is downloaded.

    Raises:
        OtoloopError: it is neither a folder nor a hub name with a pinned revision.
    """
    if ref == MINI:
        return mini_path(), MINI, "embedded"
    if Path(ref).is_dir():
        return Path(ref), Path(ref).name, "path"
    name, _, revision = ref.partition("@")
    revision = revision or PINNED.get(name, "")
    if not revision:
        raise OtoloopError(
            f"Base {ref!r} is neither a folder nor a pinned hub name.",
            "Give a folder, or NAME@REVISION with a commit hash.",
        )
    return _download(name, revision), name, revision


def _download(name: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=["*.safetensors", "*.json", "*.txt"]))
    except Exception as err:
        raise OtoloopError(
            f"Base {name}@{revision} could not be fetched: {err}.",
            "Check the network, or give the path of a local copy.",
        ) from err


def _load(folder: Path, name: str, revision: str, device: str, dtype: torch.dtype) -> Base:
    from transformers import AutoProcessor, Qwen2AudioForConditionalGeneration
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    if not any(folder.glob("*.safetensors")):
        raise OtoloopError(
            f"No *.safetensors weights in {folder}.", "Only safetensors are loaded; convert the weights first."
        )
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    processor.tokenizer.padding_side = "left"  # lost on save by some tokenizers, so set after every load
    model = Qwen2AudioForConditionalGeneration.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, local_files_only=True
    )
    model.eval().requires_grad_(False).to(device)
    return Base(name, revision, folder_sha256(folder), model, processor, device)


def random_base(seed: int = 0) -> Base:
    """The mini architecture with random weights: for tests of mechanics, never for answers."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(mini_path(), local_files_only=True)
    processor.tokenizer.padding_side = "left"
    model = build_mini(processor.tokenizer, seed).eval().requires_grad_(False)
    return Base(
        "random-mini", f"seed-{seed}", hashlib.sha256(f"random-mini {seed}".encode()).hexdigest(), model, processor
    )


def folder_sha256(folder: Path) -> str:
    """One digest over names and contents of the files that decide a model's answers."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in {".safetensors", ".json", ".txt", ".jinja"}):
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
