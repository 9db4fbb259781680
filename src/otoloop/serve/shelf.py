"""The base with every adapter that is loaded; each row of a batch is answered with an adapter of its own.

Names are never reused: what was loaded under a name stays what it was. Only the engine's thread calls this.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otoloop.errors import OtoloopError
from otoloop.evaluate.probe import Probe, check
from otoloop.model.adapters import TARGETS

if TYPE_CHECKING:
    from otoloop.model.bases import Base

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MAX_RANK = 256
_PLAIN = "__base__"
# keys of PEFT's configuration that would bring weights outside the language model, or code
_UNUSED = ("modules_to_save", "auto_mapping", "layers_to_transform", "trainable_token_indices", "exclude_modules",
           "layer_replication", "megatron_config", "target_parameters", "eva_config", "corda_config", "loftq_config")  # fmt: skip


class Shelf:
    """A base and its adapters."""

    def __init__(self, base: Base) -> None:
        """Start with the base alone."""
        self.base = base
        self._model: Any = None
        self.names: set[str] = set()

    @property
    def model(self) -> Any:
        """What answers: PEFT's wrapper once there is an adapter."""
        return self.base.model if self._model is None else self._model

    def add(self, name: str, folder: Path, probe: Probe) -> None:
        """Load an adapter and prove by its probe that it is the registered one and has effect; else it is gone again.

        Raises:
            OtoloopError: its files are not what is served, or the probe fails.
        """
        if name in self.names:
            raise OtoloopError(f"{name} is loaded already.", "An adapter's name never changes its meaning.")
        require_servable(folder)
        self._load(name, folder)
        try:
            with self.using([name]):
                check(self.base, self.model, probe)
        except BaseException:
            self.remove(name)
            raise

    def _load(self, name: str, folder: Path) -> None:
        """Put the weights beside those that are there; every key of the file must find its place."""
        from peft import PeftModel

        if self._model is None:
            wrapped = PeftModel.from_pretrained(self.base.model, str(folder), adapter_name=name, is_trainable=False)
            self._model = wrapped.eval()
        else:
            self._model.load_adapter(str(folder), adapter_name=name, is_trainable=False)
            self._model.eval()
        self.names.add(name)

    def remove(self, name: str) -> None:
        """Unload an adapter; the base is unwrapped with the last one."""
        self.names.remove(name)
        if self.names:
            self._model.delete_adapter(name)
        else:
            self._model.unload()
            self._model = None

    def using(self, names: Sequence[str]) -> AbstractContextManager[None]:
        """A context in which row i of every batch is answered with adapter ``names[i]``.

        Raises:
            KeyError: one is not loaded.
        """
        if missing := {*names} - {*self.names, _PLAIN}:
            raise KeyError(f"not loaded: {', '.join(sorted(missing))}")
        if self._model is None:
            return nullcontext()
        hooks: AbstractContextManager[None] = self._model._enable_peft_forward_hooks(adapter_names=list(names))
        return hooks


def require_servable(folder: Path) -> None:
    """Refuse an adapter that is not LoRA on the language model alone, in safetensors.

    Raises:
        OtoloopError: names what is different.
    """
    strange = sorted(p.name for p in folder.iterdir() if p.name not in (CONFIG, WEIGHTS))
    if strange or not (folder / WEIGHTS).is_file() or not (folder / CONFIG).is_file():
        problem = f"has {', '.join(strange)}" if strange else f"lacks {CONFIG} or {WEIGHTS}"
        raise _unservable(folder, problem)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as err:
        raise _unservable(folder, f"has a {CONFIG} that is not JSON ({err})") from None
    wanted = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "bias": "none", "target_modules": TARGETS}
    wrong = [key for key, value in wanted.items() if config.get(key) != value]
    wrong += [key for key in _UNUSED if config.get(key)]
    wrong += [] if isinstance(rank := config.get("r"), int) and 1 <= rank <= MAX_RANK else ["r"]
    if wrong:
        raise _unservable(folder, f"sets {', '.join(wrong)} in a way that is not served")


def _unservable(folder: Path, problem: str) -> OtoloopError:
    return OtoloopError(f"The adapter in {folder} {problem}.", "Export it again from `otoloop stage train`.")
