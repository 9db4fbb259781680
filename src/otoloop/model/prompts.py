"""From an item to the text a base reads (Qwen2-Audio's chat form) and the text it should write."""

from __future__ import annotations

from otoloop.reasoning.items import option_lines
from otoloop.records import Item

AUDIO = "<|audio_bos|><|AUDIO|><|audio_eos|>"
_THINK = "Think in <THINK>, answer in <RESPONSE>."
_DIRECT = "Answer in <RESPONSE> without thinking."


def prompt(item: Item) -> str:
    """The whole prompt up to where the assistant begins; ``<|AUDIO|>`` stands once and is widened to the clip's tokens."""
    system = _DIRECT if item.style == "direct" else _THINK
    parts = [f"Audio 1: {AUDIO}"]
    if item.evidence:
        parts.append(item.evidence)
    parts.append(item.question)
    if item.choices:
        parts.append(option_lines(item.choices))
    user = "\n".join(parts)
    return f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


def target(trace_text: str) -> str:
    """What is supervised: the trace, the response and the end mark."""
    return f"{trace_text}<|im_end|>"
