"""Rotary position: turns a token's position into a rotation of its rotary width, pair by pair.

DeepSeek's pairs are interleaved, (x0, x1), (x2, x3), …, so that a pair is one complex number and the rotation
one complex product. The angle of pair j at position p is p · f_j with f_j = theta^(-2j/R), as in the released
code in float32, so that a checkpoint sees here the angles that it sees elsewhere.

YaRN makes a network trained on rows of `original_length` read rows `factor` times as long (DeepSeek-V3
report, 4.3; arXiv 2309.00071): pairs that turn often within the original length stay, those that hardly turn
are slowed down by the factor, those between are mixed. Scores are then sharpened (`score_scale`); the
rotations themselves are not scaled. Until a network is extended, its YaRN is passed over (`turn_positions`).

Legend: B rows, L tokens, H heads, R rotary width, P = R/2 pairs.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from msgspec.structs import replace
from torch import Tensor
from torch.autograd.function import once_differentiable

from dspipe.recipe import Model, Yarn


class Rotary(NamedTuple):
    """What attention knows of its tokens' places: their rotations, and the factor on its scores."""

    rotations_LP: Tensor
    scale: float


def turn_positions(positions_L: Tensor, config: Model, extended: bool = True) -> Rotary:
    """extended: whether YaRN is in force, where the network has it."""
    if not extended:
        config = replace(config, yarn=None)
    return Rotary(compute_rotations(positions_L, config), score_scale(config))


def compute_rotations(positions_L: Tensor, config: Model) -> Tensor:
    """Rotations as complex64 `rotations_LP`."""
    angles_LP = torch.outer(positions_L.float(), compute_frequencies(config, positions_L.device))
    return torch.polar(torch.ones_like(angles_LP), angles_LP)


def compute_frequencies(config: Model, device: torch.device) -> Tensor:
    """Radians per token as float32 `frequencies_P`, slowed down by YaRN where there is one."""
    width, theta, yarn = config.rope_width, config.rope_theta, config.yarn
    exponents_P = torch.arange(0, width, 2, dtype=torch.float32, device=device) / width
    frequencies_P = 1.0 / theta**exponents_P
    if yarn is None:
        return frequencies_P
    first, last = find_ramp(yarn, width, theta)
    pairs_P = torch.arange(len(frequencies_P), dtype=torch.float32, device=device)
    slowed_P = ((pairs_P - first) / max(last - first, 0.001)).clamp(0, 1)
    return frequencies_P / yarn.factor * slowed_P + frequencies_P * (1 - slowed_P)


def find_ramp(yarn: Yarn, rope_width: int, theta: float) -> tuple[int, int]:
    """The last pair that stays as it is and the first that is slowed down by the whole factor.

    Pair j turns L0 · theta^(-2j/R) / 2π times within the original length L0. DeepSeek-V3's: 10 and 23.
    """

    def locate(turns: float) -> float:
        return rope_width * math.log(yarn.original_length / (turns * 2 * math.pi)) / (2 * math.log(theta))

    first, last = math.floor(locate(yarn.beta_fast)), math.ceil(locate(yarn.beta_slow))
    return max(first, 0), min(last, rope_width - 1)


def score_scale(config: Model) -> float:
    """The factor on a whole score, rotary and plain part alike: (C+R)^-0.5, sharpened by YaRN's t.

    t = (0.1 · mscale · ln factor + 1)²; DeepSeek-V3's with factor 40: 1.8739 times 192^-0.5.
    """
    scale = 1.0 / math.sqrt(config.head_width + config.rope_width)
    if config.yarn is None:
        return scale
    return scale * (0.1 * config.yarn.mscale * math.log(config.yarn.factor) + 1.0) ** 2


def rotate(x_BLHR: Tensor, rotations_LP: Tensor) -> Tensor:
    """Rotate in float32 at least, return in x's type."""
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
    wide = torch.promote_types(x_BLHR.dtype, torch.float32)
    copied = x_BLHR.to(wide, copy=True, memory_format=torch.contiguous_format)
    pairs_BLHP = torch.view_as_complex(copied.view(*copied.shape[:-1], -1, 2))
    pairs_BLHP *= rotations_LP[:, None]
    return copied.to(x_BLHR.dtype)
