"""Two matrices in codes, M x K and N x K → their product M x N, as 8-bit units make it.

The sums go along K, 128 numbers at a time: each partial sum is multiplied by the scales of its tiles and
added in float32 (DeepSeek-V3 report, 3.3.2). `multiply` is that sum to float32's last digits, made by one
product of the dequantized operands: what is trained with where there are no such units. `accumulate` makes it
chunk by chunk, and can make the partial sums in registers of 14 bits, as Hopper's units do.

Such units add 32 products at a time. They are aligned to the largest of them, and what lies below its 13th
fraction bit is cut off; what lies below the 13th fraction bit of the sum that they are added to is cut off as
well (report, second version, 3.3.2; arXiv 2505.09343, 3.1.1). Whether products are aligned to that sum, too,
where it is larger, is not said; both are here. Unless it is promoted, the sum stays in such a register along
all of K.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from dspipe.fp8.tiles import TILE, Quantized

INSTRUCTION = 32  # numbers along K that one instruction sums
FRACTION_BITS = 13

Register = Literal["exact", "products", "sum"]


def multiply(a: Quantized, b: Quantized) -> Tensor:
    """a · bᵀ in float32, `y_MN`."""
    with torch.autocast(a.codes.device.type, enabled=False):
        return a.dequantize() @ b.dequantize().mT


def accumulate(
    a: Quantized, b: Quantized, register: Register = "exact", promotion: int | None = TILE
) -> Tensor:
    """The same, in chunks of `promotion` numbers along K, each added in float32; None: never promoted.

    register: partial sums are made in float64, or in 14 bits, aligned to the largest of 32 products, or to
    the larger of that and the sum so far. Without promotion scales are multiplied before the sum, which for
    tiles with different scales no unit does: it is for operands with one.

    Raises:
        ValueError: `promotion` does not divide 128.
    """
    if promotion is not None and TILE % promotion:
        raise ValueError(f"chunks of {promotion} numbers straddle tiles of {TILE}")
    depth, scales = a.codes.shape[1], [repeat_rows(part) for part in (a, b)]
    x, y = a.codes.double(), b.codes.double()
    if promotion is None:
        x, y, promotion = a.dequantize().double(), b.dequantize().double(), depth
        scales = [torch.ones_like(part[:, :1]) for part in scales]
    total_MN = torch.zeros(len(x), len(y), device=x.device)
    for start in range(0, depth, promotion):
        pair = x[:, start : start + promotion], y[:, start : start + promotion]
        partial_MN = pair[0] @ pair[1].T if register == "exact" else add_up_truncated(*pair, register)
        factors = [part[:, min(start // TILE, part.shape[1] - 1)] for part in scales]
        total_MN += partial_MN.float() * torch.outer(*factors)
    return total_MN


def repeat_rows(matrix: Quantized) -> Tensor:
    """A scale for each row and tile."""
    return matrix.scales.repeat_interleave(matrix.height, 0)[: len(matrix.codes)]


def add_up_truncated(x_MK: Tensor, y_NK: Tensor, register: Register) -> Tensor:
    """Σ_k x · y of float64, 32 products at a time into a register of 14 bits."""
    sum_MN = x_MK.new_zeros(len(x_MK), len(y_NK))
    for start in range(0, x_MK.shape[1], INSTRUCTION):
        part = slice(start, start + INSTRUCTION)
        products = x_MK[:, None, part] * y_NK[None, :, part]
        largest_MN = products.abs().amax(2)
        if register == "sum":
            largest_MN = torch.maximum(largest_MN, sum_MN.abs())
        sum_MN = sum_MN + truncate(products, largest_MN[..., None]).sum(2)
        sum_MN = truncate(sum_MN, sum_MN.abs())
    return sum_MN


def truncate(values: Tensor, largest: Tensor) -> Tensor:
    """Cut off what lies below the last fraction bit of the largest, towards zero."""
    step = torch.ldexp(torch.ones_like(largest), torch.frexp(largest)[1] - 1 - FRACTION_BITS)
    return (values / step).trunc() * step
