"""LoRA adapters on the language model only; the tower stays frozen so that its features can be cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# A regex string: PEFT writes a list in hash order, and bare names would also match the audio tower
TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def add_adapter(model: Any, *, rank: int, alpha: int, seed: int) -> Any:
    """Wrap ``model`` with a fresh LoRA adapter; its initial weights follow from ``seed``."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM")
    return get_peft_model(model, config)


def load_adapter(model: Any, folder: Path) -> Any:
    """Wrap ``model`` with a saved adapter, for answering.

    Raises:
        ValueError: the adapter loads but would change nothing (all its B matrices are zero or no key matched).
    """
    from peft import PeftModel

    wrapped = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
    if not any(p.abs().sum() > 0 for n, p in wrapped.named_parameters() if "lora_B" in n):
        raise ValueError(f"The adapter in {folder} changes nothing: no weight of it was applied.")
    return wrapped.eval()


def remove_adapter(model: Any) -> Any:
    """The base model again, without the adapter."""
    return model.unload()
