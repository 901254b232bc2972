"""A weight → E4M3 codes with a scale for each block of 128 x 128, as DeepSeek-V3 stores weights, and back.

A scale is the multiplier that leads back: weight ≈ code · scale (report 3.3.2; checkpoints name it
`weight_scale_inv`). It is the block's largest magnitude / 448, which takes that to the largest code. Where
another scale gives the block back bit for bit, the block was dequantized from it, and it is taken instead: so
weights that came out of such a file go back into the same bytes.

Legend: a weight has shape (out, in); R row blocks, C column blocks, the last of each cut off by the edge.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from dspipe.fp8.formats import E4M3, LARGEST, LEAST_SCALE, encode, find_scales

BLOCK = 128


def count_blocks(shape: tuple[int, ...]) -> tuple[int, int]:
    """(R, C): rows and columns of scales for a weight (out, in)."""
    rows, columns = shape
    return -(-rows // BLOCK), -(-columns // BLOCK)


def quantize_blocks(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return codes (out, in) in E4M3 and scales (R, C) in float32.

    A quotient weight / scale is rounded to float32, then to the nearest code, ties to even. A block of zeros
    has scale 1.

    Raises:
        ValueError: a weight is infinite or no number.
    """
    blocks = cut_blocks(weight.float())
    largest = blocks.abs().amax((2, 3))
    if not largest.isfinite().all():
        raise ValueError("a weight is infinite or no number")
    scales = choose_scales(blocks, largest)
    codes = encode(blocks, scales[..., None, None])
    rows, columns = weight.shape
    return codes.transpose(1, 2).flatten(2).flatten(0, 1)[:rows, :columns].contiguous(), scales


def dequantize_blocks(codes: Tensor, scales: Tensor) -> Tensor:
    """Codes · scales, each product rounded to float32."""
    rows, columns = codes.shape
    spread = scales.repeat_interleave(BLOCK, 0)[:rows].repeat_interleave(BLOCK, 1)[:, :columns]
    return codes.float() * spread


def cut_blocks(weight: Tensor) -> Tensor:
    """(out, in) → (R, C, 128, 128), with zeros past the edges."""
    (rows, columns), (down, across) = weight.shape, count_blocks(tuple(weight.shape))
    padded = F.pad(weight, (0, across * BLOCK - columns, 0, down * BLOCK - rows))
    return padded.view(down, BLOCK, across, BLOCK).transpose(1, 2)


def choose_scales(blocks: Tensor, largest: Tensor) -> Tensor:
    """The scale of each block, (R, C): the first candidate that gives it back, else the first candidate."""
    chosen, found = None, torch.zeros_like(largest, dtype=torch.bool)
    for scales in list_candidates(largest):
        chosen = scales.clone() if chosen is None else chosen
        # Seldom is it more than the largest value that comes back, so few blocks are looked at as a whole.
        likely = ~found & (encode(largest, scales).float() * scales == largest)
        some, their = blocks[likely], scales[likely][:, None, None]
        exact = (encode(some, their).float() * their == some).all(2).all(1)
        likely[likely.clone()] = exact
        chosen[likely] = scales[likely]
        found |= likely
    assert chosen is not None
    return chosen


def list_candidates(largest: Tensor) -> Iterator[Tensor]:
    """Scales that a block may have been dequantized from, given the largest magnitude in it.

    448 · scale is rounded, so that what leads back can be a neighbour, where scales were computed otherwise
    than here. Later releases of DeepSeek have powers of two.
    """
    usual = find_scales(largest, LARGEST[E4M3])
    yield usual
    yield torch.nextafter(usual, torch.full_like(usual, torch.inf))
    yield torch.nextafter(usual, torch.zeros_like(usual)).clamp_min(LEAST_SCALE)
    yield find_scales(largest, LARGEST[E4M3], power=True)
