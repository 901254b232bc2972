"""What multiplies codes: the 8-bit units of a GPU, or on any machine an emulation of them by the same codes.

Legend: N rows, M rows sorted by expert, O output width, I input width, E experts, P places with experts
apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from dspipe.fp8.gemm import multiply
from dspipe.fp8.native import multiply_native
from dspipe.fp8.tiles import Quantized
from dspipe.model.products.grouped import multiply_grouped, sum_outer_products


class Units(Protocol):
    def multiply(self, a: Quantized, b: Quantized, dtype: torch.dtype) -> Tensor:
        """a · bᵀ, of N x I by O x I."""
        ...

    def multiply_grouped(self, a: Quantized, b: Quantized, ends_E: Tensor, dtype: torch.dtype) -> Tensor:
        """Each row of a times its expert's weight, M x I by E x O x I."""
        ...

    def sum_outer(self, a: Quantized, b: Quantized, ends_E: Tensor) -> Tensor:
        """For each expert a · bᵀ along its places, O x P by I x P, in float32: E x O x I.

        Ends are multiples of 128.
        """
        ...


class Emulation:
    """Products of the dequantized operands in float32: the codes of the units, and sums at least as exact."""

    def multiply(self, a: Quantized, b: Quantized, dtype: torch.dtype) -> Tensor:
        return multiply(a, b).to(dtype)

    def multiply_grouped(self, a: Quantized, b: Quantized, ends_E: Tensor, dtype: torch.dtype) -> Tensor:
        with torch.autocast(a.codes.device.type, enabled=False):
            return multiply_grouped(a.dequantize(), b.dequantize(), ends_E).to(dtype)

    def sum_outer(self, a: Quantized, b: Quantized, ends_E: Tensor) -> Tensor:
        with torch.autocast(a.codes.device.type, enabled=False):
            return sum_outer_products(a.dequantize().T, b.dequantize().T, ends_E)


class NativeUnits:
    """Those of a Hopper GPU. Experts take turns, for which sizes come back from it: right, not fast."""

    def multiply(self, a: Quantized, b: Quantized, dtype: torch.dtype) -> Tensor:
        return multiply_native(a, b, dtype)

    def multiply_grouped(self, a: Quantized, b: Quantized, ends_E: Tensor, dtype: torch.dtype) -> Tensor:
        y_MO = torch.empty(len(a.codes), b.codes.shape[1], device=a.codes.device, dtype=dtype)
        for expert, place in list_slices(ends_E):
            rows = Quantized(a.codes[place], a.scales[place])
            weight = Quantized(b.codes[expert], b.scales[expert], b.height)
            y_MO[place] = multiply_native(rows, weight, dtype)
        return y_MO

    def sum_outer(self, a: Quantized, b: Quantized, ends_E: Tensor) -> Tensor:
        shape = len(ends_E), len(a.codes), len(b.codes)
        y_EOI = torch.zeros(shape, device=a.codes.device)
        for expert, place in list_slices(ends_E):
            y_EOI[expert] = multiply_native(a.cut(place), b.cut(place), torch.float32)
        return y_EOI


def list_slices(ends_E: Tensor) -> Iterator[tuple[int, slice]]:
    """The experts that have rows, and which."""
    start = 0
    for expert, end in enumerate(ends_E.tolist()):
        if end > start:
            yield expert, slice(start, end)
        start = end
