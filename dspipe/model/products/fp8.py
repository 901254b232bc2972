"""A product with a weight in 8 bits: fprop, dgrad and wgrad, each in codes or as `Products` makes it.

Operands are quantized as they come, in tiles of 1 x 128 along what is summed over, weights in blocks of 128 x
128 once a step (DeepSeek-V3 report, 3.3). Of an input are kept the codes that it was multiplied with, which
wgrad cuts anew along the tokens. Cut along the tokens from what they are, and rounded once, are gradients,
the output of attention as it is kept in 12 bits, and that of SwiGLU where it is made again from codes.

Scales as in the report: powers of two for the output of attention, for what is sent to the experts and for
the gradient that is sent to them, float32 for all else.

Legend: N rows (tokens, or places of tokens sorted by expert), I input width, O output width, E experts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from dspipe.fp8.tiles import (
    Packed,
    Quantized,
    pack_tiles,
    part_segments,
    quantize_columns,
    quantize_tiles,
    quantize_weight,
)
from dspipe.model.keeping import Format, Like
from dspipe.model.products.plain import Products, Shape, Source, Weight
from dspipe.model.products.units import Units
from dspipe.recipe import Fp8, Keeping

POWERS = {Source.ATTENTION, Source.DISPATCH, Source.DISPATCHED_GRADIENT}
DISPATCHED = {Source.DISPATCH, Source.DISPATCHED_GRADIENT}

Choose = Callable[[str, Shape], bool]


class Operand:
    """Rows in the type that is computed in, or in codes, or both; each is made when it is first asked for.

    Rows chosen from another operand have its codes: it is quantized before it is sent.
    """

    def __init__(
        self,
        like: Like,
        source: Source,
        power: bool,
        own: Tensor | Quantized | None = None,
        chosen: tuple[Operand, Tensor] | None = None,
    ) -> None:
        self.like, self.source, self.power, self.own, self.chosen = like, source, power, own, chosen

    @cached_property
    def tiles(self) -> Quantized:
        if self.chosen is not None:
            operand, index = self.chosen
            return operand.tiles.select_rows(index)
        if isinstance(self.own, Quantized):
            return self.own
        return quantize_tiles(self.tensor, self.power)

    @cached_property
    def tensor(self) -> Tensor:
        if self.chosen is not None:
            operand, index = self.chosen
            return operand.tensor.index_select(0, index)
        if isinstance(self.own, Quantized):
            return self.own.dequantize().to(self.like.dtype)
        assert self.own is not None
        return self.own

    def choose_rows(self, index: Tensor) -> Operand:
        shape = torch.Size((len(index), self.like.shape[1]))
        return Operand(Like(shape, self.like.dtype), self.source, self.power, chosen=(self, index))


class Fp8Products(Products):
    """choose(kind, shape): whether such a product is made in codes, by `units`, unless the settings have it
    plain.
    """

    def __init__(self, settings: Fp8, keeping: Keeping, units: Units, choose: Choose) -> None:
        self.settings, self.keeping, self.units, self.choose = settings, keeping, units, choose
        self.weights = WeakIdKeyDictionary()

    def prepare(self, weight: Tensor) -> Quantized | None:
        """The weight in codes, made anew if it has changed since; an optimizer's kernel says by `refresh`
        that it has, which torch does not see.
        """
        if self.settings.fprop == self.settings.dgrad == "bf16":
            return None
        version, quantized = self.weights.get(weight, (None, None))  # type: ignore[no-untyped-call]
        if version == weight._version:
            assert isinstance(quantized, Quantized)
            return quantized
        return self.requantize(weight)

    def requantize(self, weight: Tensor) -> Quantized:
        quantized = quantize_weight(weight.detach())
        self.weights[weight] = weight._version, quantized
        return quantized

    def refresh(self, weight: Tensor) -> None:
        if weight in self.weights:
            self.requantize(weight)

    def take(self, x: Tensor, source: Source, dtype: Any) -> Operand:
        return Operand(Like(x.shape, dtype), source, self.has_powers(source), x.to(dtype))

    def has_powers(self, source: Source) -> bool:
        return source in POWERS if self.settings.scales == "report" else self.settings.scales == "power"

    def select_rows(self, x: Operand, index: Tensor) -> Operand:
        return x.choose_rows(index)

    def save(self, x: Operand) -> tuple[Tensor, ...]:
        if x.source == Source.ATTENTION or not self.keeping.codes_of_inputs:
            return (x.tensor,)
        return x.tiles.codes, x.tiles.scales

    def restore(self, saved: tuple[Tensor, ...], source: Source, dtype: Any) -> Operand:
        if len(saved) == 1:
            return self.take(saved[0], source, dtype)
        return Operand(
            Like(saved[0].shape, dtype), source, self.has_powers(source), Quantized(saved[0], saved[1])
        )

    def narrow(self, hidden: Tensor) -> tuple[Tensor, ...]:
        return TileFormat().narrow(hidden) if self.keeping.codes_of_activations else (hidden,)

    def widen(self, saved: tuple[Tensor, ...], dtype: Any) -> Tensor:
        return saved[0] if len(saved) == 1 else TileFormat().widen(saved, Like(saved[0].shape, dtype))

    def multiply(self, x: Operand, weight: Weight, ends_E: Tensor | None = None) -> Tensor:
        if not self.is_in_codes("fprop", find_shape(x, weight.tensor)):
            return super().multiply(x.tensor, weight, ends_E)
        return self.multiply_rows(x, weight.prepared, ends_E)

    def multiply_back(self, grad: Operand, weight: Weight, ends_E: Tensor | None = None) -> Tensor:
        if not self.is_in_codes("dgrad", find_shape(grad, weight.tensor)):
            return super().multiply_back(grad.tensor, weight, ends_E)
        return self.multiply_rows(grad, weight.prepared.transpose(), ends_E)

    def sum_outer(self, grad: Operand, x: Operand, ends_E: Tensor | None = None) -> Tensor:
        (rows, outputs), inputs = grad.like.shape, x.like.shape[1]
        experts = 0 if ends_E is None else len(ends_E)
        if not self.is_in_codes("wgrad", Shape(rows, outputs, inputs, experts)):
            return super().sum_outer(grad.tensor, x.tensor, ends_E)
        parts = grad, x
        if ends_E is None:
            one, other = (quantize_columns(self.find_rows(part), part.power) for part in parts)
            return self.units.multiply(one, other, torch.float32)
        apart = [part_segments(self.find_rows(part), ends_E) for part in parts]
        one, other = (
            quantize_columns(rows, part.power) for (rows, _), part in zip(apart, parts, strict=True)
        )
        return self.units.sum_outer(one, other, apart[0][1])

    def is_in_codes(self, kind: str, shape: Shape) -> bool:
        return getattr(self.settings, kind) == "fp8" and self.choose(kind, shape)

    def multiply_rows(self, x: Operand, weight: Quantized, ends_E: Tensor | None) -> Tensor:
        if ends_E is None:
            return self.units.multiply(x.tiles, weight, x.like.dtype)
        return self.units.multiply_grouped(x.tiles, weight, ends_E, x.like.dtype)

    def find_rows(self, operand: Operand) -> Tensor:
        """What wgrad cuts along the tokens: the numbers themselves, or those of the codes that are kept."""
        return operand.tensor if self.cuts_once(operand.source) else operand.tiles.dequantize()

    def cuts_once(self, source: Source) -> bool:
        if source in DISPATCHED:  # it came as codes
            return False
        if source == Source.ACTIVATION and self.keeping.codes_of_activations:  # it is made again, always
            return True
        return source in (Source.GRADIENT, Source.ATTENTION) or not self.keeping.codes_of_inputs


def find_shape(rows: Operand, weight: Tensor) -> Shape:
    *experts, outputs, inputs = weight.shape
    return Shape(rows.like.shape[0], outputs, inputs, experts[0] if experts else 0)


class TileFormat(Format):
    """E4M3 in tiles of 1 x 128, for the inputs of SwiGLU."""

    def narrow(self, x: Tensor) -> tuple[Tensor, ...]:
        tiles = quantize_tiles(x.flatten(0, -2))
        return tiles.codes, tiles.scales

    def widen(self, kept: tuple[Tensor, ...], like: Like) -> Tensor:
        codes, scales = kept
        return Quantized(codes, scales).dequantize().to(like.dtype).view(like.shape)


class PackedFormat(Format):
    """E5M6 in tiles of 1 x 128 under powers of two, for the output of attention."""

    def narrow(self, x: Tensor) -> tuple[Tensor, ...]:
        packed = pack_tiles(x.flatten(0, -2))
        return packed.bytes, packed.scales

    def widen(self, kept: tuple[Tensor, ...], like: Like) -> Tensor:
        content, scales = kept
        return Packed(content, scales, like.shape[-1]).unpack().to(like.dtype).view(like.shape)
