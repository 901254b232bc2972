"""SwiGLU: turns a vector of gate and up, one after the other, into silu(gate) * up, half as wide."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def swiglu(gate_up: Tensor) -> Tensor:
    """silu(first half) * second half."""
    activated: Tensor = SwiGLU.apply(gate_up)  # type: ignore[no-untyped-call]
    return activated


class SwiGLU(torch.autograd.Function):
    """Keeps its input alone for the gradient, and computes the rest again."""

    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        return activate(gate_up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        return differentiate_activation(gate_up, grad)


def activate(gate_up: Tensor) -> Tensor:
    gate, up = gate_up.chunk(2, -1)
    return F.silu(gate).mul_(up)


def differentiate_activation(gate_up: Tensor, grad: Tensor) -> Tensor:
    """The gradient by both halves of the input, from that by silu(gate) * up."""
    gate, up = gate_up.chunk(2, -1)
    gradient = torch.empty_like(gate_up)
    gate_grad, up_grad = gradient.chunk(2, -1)
    torch.mul(grad, F.silu(gate), out=up_grad)
    gate_grad.copy_(torch.ops.aten.silu_backward(grad * up, gate))
    return gradient
