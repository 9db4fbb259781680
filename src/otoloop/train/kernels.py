"""Two exact shortcuts for training a small float32 model on a CPU; together a third off the time of a step.

- LoRA as one product forward and one back, where PEFT needs three and two sums. The effective weight W + s B A costs
  next to nothing to form at these sizes, the gradients of A and B come from products of rank r, and the gradient of W
  is never made. In lower precision the sum would round small updates away, so there PEFT's own form is kept.
- Causal attention in blocks of queries that skip what lies in the future; the fused kernel's backward is four times
  slower on short sequences. The backward pass follows FlashAttention-2 (arXiv 2307.08691, section 2.3.2) with the
  probabilities kept instead of made again.
"""

from __future__ import annotations

from typing import Any

import torch

from otoloop.model.architecture import parts

_BLOCK = 64


class _Linear(torch.autograd.Function):
    """y = x (W + s B A)^T + bias for x [..., in]; W [out, in] and bias are frozen, A [r, in] and B [out, r] learn."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, a: torch.Tensor, b: torch.Tensor,
        s: float,
    ) -> torch.Tensor:  # fmt: skip
        flat = x.reshape(-1, x.shape[-1])
        effective = torch.addmm(weight, b, a, alpha=s)
        y = flat @ effective.T if bias is None else torch.addmm(bias, flat, effective.T)
        ctx.save_for_backward(flat, effective, a, b)
        ctx.scale, ctx.shape = s, x.shape
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        flat, effective, a, b = ctx.saved_tensors
        dy = grads[0].reshape(-1, effective.shape[0])
        dx = (dy @ effective).view(ctx.shape) if ctx.needs_input_grad[0] else None
        da = (dy @ b).T @ flat
        db = dy.T @ (flat @ a.T)
        return dx, None, None, da.mul_(ctx.scale), db.mul_(ctx.scale), None


class _Causal(torch.autograd.Function):
    """softmax(s q k^T, no future) v for q, k, v [N, L, D]."""

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, s: float) -> torch.Tensor:
        out, probabilities = torch.empty_like(q), []
        future = torch.full((_BLOCK, _BLOCK), float("-inf")).triu_(1)
        for begin in range(0, q.shape[1], _BLOCK):
            end = min(begin + _BLOCK, q.shape[1])
            scores = torch.bmm(q[:, begin:end], k[:, :end].transpose(1, 2)).mul_(s)
            scores[:, :, begin:end] += future[: end - begin, : end - begin]
            probabilities.append(scores.softmax(-1))
            out[:, begin:end] = torch.bmm(probabilities[-1], v[:, :end])
        ctx.save_for_backward(q, k, v, out, *probabilities)
        ctx.scale = s
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v, out, *probabilities = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        mean = (grads[0] * out).sum(-1, keepdim=True)
        for number, p in enumerate(probabilities):
            begin, end = number * _BLOCK, number * _BLOCK + p.shape[1]
            dout = grads[0][:, begin:end]
            dv[:, :end].baddbmm_(p.transpose(1, 2), dout)
            ds = torch.bmm(dout, v[:, :end].transpose(1, 2)).sub_(mean[:, begin:end]).mul_(p).mul_(ctx.scale)
            dq[:, begin:end] = torch.bmm(ds, k[:, :end])
            dk[:, :end].baddbmm_(ds.transpose(1, 2), q[:, begin:end])
        return dq, dk, dv, None


def speed_up(model: Any) -> None:
    """Use both in ``model`` (PEFT, one adapter, no dropout) if it is float32 on a CPU; else leave it as it is.

    Attention then takes no mask: batches must be padded on the right.
    """
    from peft.tuners.lora import Linear
    from transformers import AttentionInterface, AttentionMaskInterface

    lm = parts(model).lm
    if lm.embed_tokens.weight.dtype != torch.float32 or lm.embed_tokens.weight.device.type != "cpu":
        return
    for module in lm.modules():
        if isinstance(module, Linear):
            module.forward = _forward(module)
    AttentionInterface.register("causal_blocks", _attention)
    AttentionMaskInterface.register("causal_blocks", lambda *_, **__: None)
    lm.set_attn_implementation("causal_blocks")


def _forward(module: Any) -> Any:
    base, scale = module.base_layer, float(module.scaling["default"])
    a, b = module.lora_A["default"], module.lora_B["default"]

    def forward(x: torch.Tensor) -> torch.Tensor:
        return _Linear.apply(x, base.weight, base.bias, a.weight, b.weight, scale)  # type: ignore[no-any-return, no-untyped-call]

    return forward


def _attention(
    module: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, *, scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """Causal attention of q, k, v [B, H, L, D], for as many key as query heads: [B, L, H, D]."""
    assert mask is None and q.shape == k.shape, "no mask, no cache, no grouped heads"
    batch, heads, length, width = q.shape
    flat = (x.reshape(batch * heads, length, width) for x in (q, k, v))
    out = _Causal.apply(*flat, scaling)  # type: ignore[no-untyped-call]
    return out.view(batch, heads, length, width).transpose(1, 2).contiguous(), None
