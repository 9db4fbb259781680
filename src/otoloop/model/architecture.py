"""The architecture of `otoloop-mini`: Qwen2-Audio's classes at about 10 M parameters."""

from __future__ import annotations

import math
from typing import Any

import torch

TOWER_WIDTH = 256
LM_WIDTH = 256


def mini_config(vocabulary: int, audio_token: int, pad: int, eos: int) -> Any:
    """The configuration: 30 s window and 128 mel bins as in Qwen2-Audio-7B, 5 tower and 6 language layers of width 256."""
    from transformers import Qwen2AudioConfig, Qwen2AudioEncoderConfig, Qwen2Config

    audio = Qwen2AudioEncoderConfig(
        num_mel_bins=128, d_model=TOWER_WIDTH, encoder_layers=5, encoder_attention_heads=4, encoder_ffn_dim=4 * TOWER_WIDTH,
        max_source_positions=1500,
    )  # fmt: skip
    text = Qwen2Config(
        vocab_size=vocabulary, hidden_size=LM_WIDTH, intermediate_size=768, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=2048, tie_word_embeddings=False, pad_token_id=pad, eos_token_id=eos,
        bos_token_id=None,
    )  # fmt: skip
    return Qwen2AudioConfig(
        audio_config=audio, text_config=text, audio_token_index=audio_token, pad_token_id=pad, eos_token_id=eos
    )


def build_mini(tokenizer: Any, seed: int) -> Any:
    """A randomly initialised mini model; weights follow from ``seed`` alone."""
    from transformers import Qwen2AudioForConditionalGeneration

    torch.manual_seed(seed)
    config = mini_config(
        len(tokenizer),
        tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        tokenizer.pad_token_id,
        tokenizer.convert_tokens_to_ids("<|im_end|>"),
    )
    model = Qwen2AudioForConditionalGeneration(config)
    with torch.no_grad():
        parts(model).tower.embed_positions.weight.copy_(_sinusoids(1500, TOWER_WIDTH))
    return model


class Parts:
    """The pieces of a Qwen2-Audio model by what they do."""

    def __init__(self, model: Any) -> None:
        inner = model.model
        self.tower = inner.audio_tower
        self.projector = inner.multi_modal_projector
        self.lm = inner.language_model
        self.head = model.lm_head


def parts(model: Any) -> Parts:
    """Tower, projector, language model and head of ``model`` (PEFT wrappers are looked through)."""
    return Parts(model.get_base_model() if hasattr(model, "get_base_model") else model)


def _sinusoids(length: int, width: int) -> torch.Tensor:
    """Whisper's fixed position table (arXiv 2212.04356): sines then cosines over log-spaced time scales, [length, width]."""
    scales = torch.exp(-math.log(10000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * scales[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)
