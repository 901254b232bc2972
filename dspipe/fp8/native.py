"""Two matrices in codes → their product by the 8-bit units of a Hopper GPU, through torch.

torch's `scaled_mm` takes tiles of 1 x 128 by blocks of 128 x 128 or by tiles of 1 x 128 (cuBLASLt of CUDA
12.9 or later, compute capability 9.0 alone). It wants K a multiple of 16, columns of scales whose lengths are
multiples of 4, and those of blocks along K filled up to a multiple of 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dspipe.fp8.tiles import Quantized

STEP = 16  # what rows and depth of operands must be multiples of
COLUMN = 4  # what the columns of scales of blocks must be multiples of
CAPABILITY = (9, 0)


def find_obstacle(device: torch.device) -> str | None:
    """Why products cannot be made in 8-bit units here, or None where they can."""
    if device.type != "cuda" or not torch.cuda.is_available():
        return "there is no GPU"
    name, capability = torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device)
    if capability != CAPABILITY:
        return (
            f"{name} (compute capability {capability[0]}.{capability[1]}) has no units for blocks of scales"
        )
    if not torch.version.cuda or tuple(map(int, torch.version.cuda.split(".")[:2])) < (12, 9):
        return f"torch was built with CUDA {torch.version.cuda}, and 12.9 is the first that has such products"
    return None


def multiply_native(a: Quantized, b: Quantized, dtype: torch.dtype) -> Tensor:
    """a · bᵀ, `y_MN`; a is in tiles, b in tiles or blocks; dtype: bfloat16 or float32."""
    rows, columns = len(a.codes), len(b.codes)
    a, b = (fill_rows(fill_depth(part)) for part in (a, b))
    y: Tensor = F.scaled_mm(
        a.codes,
        b.codes.T,
        lay_out_columns(a.scales),
        F.ScalingType.BlockWise1x128,
        lay_out_columns(b.scales) if b.height == 1 else lay_out_blocks(b.scales),
        F.ScalingType.BlockWise1x128 if b.height == 1 else F.ScalingType.BlockWise128x128,
        output_dtype=dtype,
    )
    return y[:rows, :columns].contiguous()


def fill_depth(matrix: Quantized) -> Quantized:
    """Zeros up to a multiple of 16 along K, for which the last tile has room."""
    return fill(matrix, 0, -matrix.codes.shape[1] % STEP)


def fill_rows(matrix: Quantized) -> Quantized:
    """Rows of zeros up to a multiple of 16: the last block has room for them, tiles of one row get scales."""
    return fill(matrix, -len(matrix.codes) % STEP, 0)


def fill(matrix: Quantized, down: int, across: int) -> Quantized:
    codes, scales = matrix.codes.contiguous(), matrix.scales
    if down or across:
        codes = F.pad(codes.view(torch.uint8), (0, across, 0, down)).view(codes.dtype)
    if down and matrix.height == 1:
        scales = F.pad(scales, (0, 0, 0, down), value=1.0)
    return Quantized(codes, scales, matrix.height)


def lay_out_columns(scales_RT: Tensor) -> Tensor:
    """The same values, (R, T), with those of a column one after the other: strides (1, R)."""
    rows, tiles = scales_RT.shape
    return torch.empty_strided((rows, tiles), (1, rows), device=scales_RT.device).copy_(scales_RT)


def lay_out_blocks(scales_RT: Tensor) -> Tensor:
    """Scales of blocks (N / 128, K / 128) as scaled_mm wants them: transposed, K's filled up to a multiple of
    4, strides (1, filled).
    """
    return lay_out_columns(F.pad(scales_RT.T, (0, 0, 0, -scales_RT.shape[1] % COLUMN)))
