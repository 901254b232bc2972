"""Rotary position: turns a token's position into a rotation of its rotary width, pair by pair.

DeepSeek's pairs are interleaved, (x0, x1), (x2, x3), …, so that a pair is one complex number and the rotation
one complex product. The angle of pair j at position p is p · theta^(-2j/R), as in the released code in
float32, so that a checkpoint sees here the angles that it sees elsewhere.

Legend: B rows, L tokens, H heads, R rotary width, P = R/2 pairs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def compute_rotations(positions_L: Tensor, rope_width: int, theta: float) -> Tensor:
    """Rotations as complex64 `rotations_LP`."""
    exponents_P = torch.arange(0, rope_width, 2, dtype=torch.float32, device=positions_L.device) / rope_width
    angles_LP = torch.outer(positions_L.float(), 1.0 / theta**exponents_P)
    return torch.polar(torch.ones_like(angles_LP), angles_LP)


def rotate(x_BLHR: Tensor, rotations_LP: Tensor) -> Tensor:
    """Rotate in float32, return in x's type."""
    rotated: Tensor = Rotation.apply(x_BLHR, rotations_LP)  # type: ignore[no-untyped-call]
    return rotated


class Rotation(torch.autograd.Function):
    """The gradient is the rotation back; so nothing has to be kept for it."""

    @staticmethod
    def forward(ctx: Any, x_BLHR: Tensor, rotations_LP: Tensor) -> Tensor:
        ctx.rotations_LP = rotations_LP
        return multiply_pairs(x_BLHR, rotations_LP)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BLHR: Tensor) -> tuple[Tensor, None]:
        return multiply_pairs(grad_BLHR, ctx.rotations_LP.conj()), None


def multiply_pairs(x_BLHR: Tensor, rotations_LP: Tensor) -> Tensor:
    # A copy always: complex numbers must not start at an odd place, as those of a slice may.
    copied = x_BLHR.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    pairs_BLHP = torch.view_as_complex(copied.view(*copied.shape[:-1], -1, 2))
    pairs_BLHP *= rotations_LP[:, None]
    return copied.to(x_BLHR.dtype)
