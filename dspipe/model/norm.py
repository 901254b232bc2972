"""RMSNorm: turns vectors into vectors of mean square 1, times a weight for each of their entries.

y = w · x / sqrt(mean(x²) + epsilon), in float32 at least. On a GPU torch has it as one kernel; on a CPU torch
composes it of five steps and keeps what each of them needs, so that it is written out here: kept for the
gradient are x, which others keep too, and one number per vector.

Legend: D width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dspipe.model.precision import raise_precision


class Norm(nn.Module):
    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda:
            return F.rms_norm(raise_precision(x), self.weight.shape, self.weight, self.epsilon)
        y: Tensor = RootMeanSquare.apply(x, self.weight, self.epsilon)  # type: ignore[no-untyped-call]
        return y


class RootMeanSquare(torch.autograd.Function):
    """With r = 1 / sqrt(mean(x²) + epsilon) and g the gradient by y, that by x is
    r · (g·w - x·r² · mean(g·w·x)).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight_D: Tensor, epsilon: float) -> Tensor:
        wide = raise_precision(x)
        length = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
        scale = length.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight_D, scale)
        y: Tensor = (wide * scale).mul_(weight_D)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight_D, scale = ctx.saved_tensors
        normed = raise_precision(x) * scale
        weight_grad = (grad * normed).flatten(0, -2).sum(0)
        weighted = grad * weight_D
        along = torch.linalg.vecdot(weighted, normed).unsqueeze(-1).div_(x.shape[-1])
        x_grad: Tensor = weighted.sub_(normed.mul_(along)).mul_(scale)
        return x_grad.to(x.dtype), weight_grad, None
