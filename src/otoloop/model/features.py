"""From sound to audio tokens: log-mel and the tower on valid frames only.

Qwen2-Audio pads every clip to 30 s and masks the padding; running the tower on the valid frames alone gives the same
numbers at a fraction of the cost (checked against the stock path in the tests).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from otoloop.model.bases import Base

RATE = 16000
HOP = 160
_N_FFT = 400
MAX_SECONDS = 30


def n_frames(samples: int) -> int:
    """Valid mel frames of a clip."""
    return -(-samples // HOP)


def n_tokens(samples: int) -> int:
    """Audio tokens of a clip (25 a second), as Qwen2-Audio's processor counts them."""
    return ((n_frames(samples) - 1) // 2 + 1 - 2) // 2 + 1


@cache
def _mel_filters(device: str) -> torch.Tensor:
    """Slaney mel filters [128, 201] of Whisper's 128-bin front end."""
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        num_frequency_bins=1 + _N_FFT // 2, num_mel_filters=128, min_frequency=0.0, max_frequency=8000.0, sampling_rate=RATE,
        norm="slaney", mel_scale="slaney",
    )  # fmt: skip
    return torch.tensor(np.asarray(bank), dtype=torch.float32, device=device).T.contiguous()


def log_mel(waves: torch.Tensor) -> torch.Tensor:
    """Whisper's log-mel of equally long waves [B, T] at 16 kHz: [B, 128, frames + 10], as if followed by silence."""
    padded = torch.nn.functional.pad(waves.float(), (0, 10 * HOP))
    window = torch.hann_window(_N_FFT, device=waves.device)
    spectrum = torch.stft(padded, _N_FFT, HOP, window=window, return_complex=True)[..., :-1]
    mel = _mel_filters(str(waves.device)) @ (spectrum.real**2 + spectrum.imag**2)
    logs = mel.clamp_min(1e-10).log10()
    loudest = logs.amax(dim=(1, 2), keepdim=True)
    return (torch.maximum(logs, loudest - 8.0) + 4.0) / 4.0


def tower_forward(tower: Any, mel: torch.Tensor, samples: int) -> torch.Tensor:
    """Tower output [B, tokens, width] of clips of one length, valid frames only."""
    conv = (n_frames(samples) - 1) // 2 + 1
    mel = mel[:, :, : 2 * conv + 2].to(tower.conv1.weight.dtype)
    hidden = torch.nn.functional.gelu(tower.conv1(mel))
    hidden = torch.nn.functional.gelu(tower.conv2(hidden)).transpose(1, 2)[:, :conv]
    hidden = hidden + tower.embed_positions.weight[:conv]
    for layer in tower.layers:
        hidden = layer(hidden, None)
    pooled = tower.avg_pooler(hidden.transpose(1, 2)).transpose(1, 2)
    return tower.layer_norm(pooled)[:, : n_tokens(samples)]  # type: ignore[no-any-return]


@torch.inference_mode()
def encode(base: Base, waves: Sequence[np.ndarray], batch: int = 8) -> list[torch.Tensor]:
    """Audio tokens before the projector, [n_tokens, width] float32 each, of 16 kHz mono waves up to 30 s.

    Raises:
        ValueError: a wave is shorter than 0.1 s or longer than 30 s (the stock processor would cut it silently).
    """
    for wave in waves:
        if not RATE // 10 <= len(wave) <= MAX_SECONDS * RATE:
            raise ValueError(
                f"A clip of {len(wave) / RATE:.2f} s cannot be encoded; 0.1 to {MAX_SECONDS} s are allowed."
            )
    tower, device = base.parts.tower, base.device
    groups: dict[int, list[int]] = defaultdict(list)
    for index, wave in enumerate(waves):
        groups[len(wave)].append(index)
    found: dict[int, torch.Tensor] = {}
    for length, members in groups.items():
        for start in range(0, len(members), batch):
            chunk = members[start : start + batch]
            stack = torch.stack(
                [torch.as_tensor(np.ascontiguousarray(waves[i]), dtype=torch.float32) for i in chunk]
            ).to(device)
            out = tower_forward(tower, log_mel(stack), length).float().cpu()
            found.update(zip(chunk, out, strict=True))
    return [found[i].clone() for i in range(len(waves))]
