"""Matrices → codes with a scale for each tile along a row, or for each block, and back.

Products go along rows (operands are M x K and N x K), so that a tile is 1 row x 128 of the numbers summed
over (DeepSeek-V3 report, 3.3.2). The backward pass sums over tokens: what was cut 1 x 128 is cut anew, 128 x
1, which is the transpose cut 1 x 128 (`retile`). Tokens of two experts never share a tile (`part_segments`).
Weights are cut in blocks of 128 x 128, so that their transposes need no rounding of their own.

Legend: R rows, C columns, T tiles of a row, E segments of rows (experts).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from dspipe.fp8.formats import (
    E4M3,
    LARGEST,
    LARGEST_E5M6,
    decode,
    decode_e5m6,
    encode,
    encode_e5m6,
    find_scales,
    pack_codes,
    unpack_codes,
)

TILE = 128


@dataclass(frozen=True)
class Quantized:
    """A matrix in 8-bit codes: `codes_RC`, and scales in float32 for each `height` rows x 128 columns.

    height: 1 for tiles, 128 for blocks, of which there may be one matrix for each expert.
    """

    codes: Tensor
    scales: Tensor
    height: int = 1

    def dequantize(self) -> Tensor:
        """Codes · scales, each product rounded to float32."""
        values = decode(self.codes)
        if self.height > 1:
            return values.mul_(spread_scales(self))
        whole, rest = split_tiles(values)
        whole.mul_(self.scales[:, : whole.shape[1], None])
        rest.mul_(self.scales[:, whole.shape[1] :])
        return values

    def transpose(self) -> Quantized:
        """Of blocks alone: the same codes and scales, seen from the side."""
        if self.height == 1:
            raise ValueError("tiles of one row have no transpose; cut them anew with `retile`")
        return replace(self, codes=self.codes.mT, scales=self.scales.mT)

    def cut(self, place: slice) -> Quantized:
        """Of tiles alone: some columns, which begin and end with tiles."""
        tiles = slice(place.start // TILE, -(-place.stop // TILE))
        return Quantized(self.codes[:, place], self.scales[:, tiles])

    def select_rows(self, index: Tensor) -> Quantized:
        """Of tiles alone: these rows, with their scales."""
        codes = self.codes.view(torch.uint8).index_select(0, index).view(self.codes.dtype)
        return Quantized(codes, self.scales.index_select(0, index))


def split_tiles(x_RC: Tensor) -> tuple[Tensor, Tensor]:
    """Views: the whole tiles, (R, T, 128), and what is left of each row, of fewer columns."""
    rows, tiles = len(x_RC), x_RC.shape[1] // TILE
    whole = tiles * TILE
    return x_RC[:, :whole].view(rows, tiles, TILE), x_RC[:, whole:]


def measure_tiles(x_RC: Tensor) -> Tensor:
    """The largest magnitude of each tile, `largest_RT`; NaN where there is one."""
    whole, rest = split_tiles(x_RC.abs())
    largest = whole.amax(2)
    return torch.cat([largest, rest.amax(1, keepdim=True)], 1) if rest.shape[1] else largest


def divide_tiles(x_RC: Tensor, scales_RT: Tensor) -> Tensor:
    """Each number by its tile's scale, in float32."""
    quotients = x_RC.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    whole, rest = split_tiles(quotients)
    whole.div_(scales_RT[:, : whole.shape[1], None])
    rest.div_(scales_RT[:, whole.shape[1] :])
    return quotients


def quantize_tiles(x_RC: Tensor, power: bool = False, dtype: torch.dtype = E4M3) -> Quantized:
    """Codes with a scale for each tile of 1 x 128; power: scales are powers of two."""
    limit = LARGEST[dtype]
    scales = find_scales(measure_tiles(x_RC), limit, power)
    return Quantized(divide_tiles(x_RC, scales).clamp_(-limit, limit).to(dtype), scales)


def quantize_weight(weight: Tensor) -> Quantized:
    """A weight (R, C), or one for each expert (E, R, C), in E4M3 with a scale for each block of 128 x 128."""
    *experts, rows, columns = weight.shape
    down, across = -(-rows // TILE), -(-columns // TILE)
    padded = F.pad(weight.float(), (0, across * TILE - columns, 0, down * TILE - rows))
    blocks = padded.view(*experts, down, TILE, across, TILE)
    scales = find_scales(blocks.abs().amax((-3, -1)), LARGEST[E4M3])
    codes = encode(blocks, scales[..., :, None, :, None]).view(padded.shape)
    return Quantized(codes[..., :rows, :columns].contiguous(), scales, TILE)


def spread_scales(matrix: Quantized) -> Tensor:
    """A scale for each number of a matrix in blocks."""
    rows, columns = matrix.codes.shape[-2:]
    spread = matrix.scales.repeat_interleave(TILE, -2)[..., :rows, :]
    return spread.repeat_interleave(TILE, -1)[..., :columns]


def quantize_columns(x_RC: Tensor, power: bool = False) -> Quantized:
    """The transpose, (C, R), in tiles of 1 x 128: x cut in tiles of 128 x 1."""
    return quantize_tiles(x_RC.T.contiguous(), power)


def retile(tiles: Quantized, power: bool = False) -> Quantized:
    """A matrix cut along its rows → its transpose (C, R), cut along what were rows.

    Where both have powers of two for scales nothing is rounded but what falls below the format's least.
    """
    return quantize_columns(tiles.dequantize(), power)


def part_segments(x_MC: Tensor, ends_E: Tensor) -> tuple[Tensor, Tensor]:
    """Rows so far apart that no tile of 128 holds rows of two segments, with zeros between, and the new ends.

    Every segment takes a multiple of 128 rows, of M + 127 · E in all, whatever the sizes: nothing waits for
    them.
    """
    lengths_E = ends_E.long().diff(prepend=ends_E.new_zeros(1).long())
    filled_E = -(-lengths_E // TILE) * TILE
    apart_E = filled_E.cumsum(0)
    index_M = torch.arange(len(x_MC), device=x_MC.device)
    segment_M = torch.searchsorted(ends_E.long(), index_M, right=True)
    shift_E = apart_E - filled_E - (ends_E - lengths_E)
    parted = x_MC.new_zeros(len(x_MC) + (TILE - 1) * len(ends_E), x_MC.shape[1])
    return parted.index_copy_(0, index_M + shift_E[segment_M], x_MC), apart_E.int()


@dataclass(frozen=True)
class Packed:
    """A matrix in E5M6: three bytes for two numbers, and power-of-two scales for tiles of 1 x 128."""

    bytes: Tensor
    scales: Tensor
    columns: int

    def unpack(self) -> Tensor:
        """Codes · scales in float32, (R, columns)."""
        values = decode_e5m6(unpack_codes(self.bytes, self.columns)).contiguous()
        whole, rest = split_tiles(values)
        whole.mul_(self.scales[:, : whole.shape[1], None])
        rest.mul_(self.scales[:, whole.shape[1] :])
        return values


def pack_tiles(x_RC: Tensor) -> Packed:
    scales = find_scales(measure_tiles(x_RC), LARGEST_E5M6, power=True)
    return Packed(pack_codes(encode_e5m6(divide_tiles(x_RC, scales))), scales, x_RC.shape[1])
