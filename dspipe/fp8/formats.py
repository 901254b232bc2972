"""Numbers → codes of 8 or 12 bits under a scale, and back, in plain torch: what every kernel must reproduce.

    E4M3   1 + 4 + 3 bits, largest 448, least 2^-9: every operand of a product (DeepSeek-V3 report, 3.3.2)
    E5M2   1 + 5 + 2 bits, largest 57,344: to compare with; no product takes it
    E5M6   1 + 5 + 6 bits, the upper 12 of a half, largest 65,024: the output of attention, as it is kept for
           the backward pass (report 3.3.3)

A scale is the multiplier that leads back: value ≈ code · scale. It is the largest magnitude / the format's
largest, rounded to float32, or the least power of two that is not below that. The report's code takes no
magnitude below 1e-4 for the largest; gradients are smaller than that, so that here the only bound is
float32's least number. A tile of zeros has scale 1. If one number of a tile is infinite or none, so is the
tile's scale, and all that is made of the tile is no number: nothing goes on in silence.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

E4M3 = torch.float8_e4m3fn
E5M2 = torch.float8_e5m2
LARGEST = {E4M3: 448.0, E5M2: 57344.0}
LARGEST_E5M6 = 65024.0
LEAST_SCALE = 2.0**-149  # of float32: a scale is never rounded to zero


def find_scales(largest: Tensor, limit: float, power: bool = False) -> Tensor:
    """Scales in float32 that take the largest magnitudes of tiles to `limit`, or with `power` to no more."""
    usual = (largest.float() / limit).clamp_min(LEAST_SCALE)
    if power:
        fraction, exponent = torch.frexp(usual)
        above = torch.ldexp(torch.ones_like(usual), exponent - (fraction == 0.5).int())
        usual = torch.where(usual.isfinite(), above, usual)
    # Not infinite: that would make codes that are no numbers, which a decoder may take for numbers.
    usual = torch.where(usual.isfinite(), usual, torch.nan)
    return torch.where(largest == 0, 1.0, usual)


def encode(values: Tensor, scales: Tensor, dtype: torch.dtype = E4M3) -> Tensor:
    """The codes nearest to values / scales, ties to even; the quotient is rounded to float32 first.

    Clamped before the cast, which makes NaN of what is too large.
    """
    return (values.float() / scales).clamp_(-LARGEST[dtype], LARGEST[dtype]).to(dtype)


def decode(codes: Tensor) -> Tensor:
    """The values of codes in float32.

    Those of E4M3 by way of half precision, whose exponents are 8 higher, in less than a fifth of the cast's
    time on a CPU. The code that is no number is read as one there; the scale of its tile makes it none again.
    """
    if codes.dtype != E4M3 or codes.is_cuda:
        return codes.float()
    bits = codes.view(torch.int8).to(torch.int16).bitwise_left_shift_(7).bitwise_and_(-0x4001)
    return bits.view(torch.float16).float().mul_(256.0)


def encode_e5m6(values: Tensor) -> Tensor:
    """The nearest codes of 12 bits, ties to even, as int16; clamped to the largest.

    Rounded once, in integers: by way of a half, some would be rounded twice.
    """
    clamped = values.float().clamp(-LARGEST_E5M6, LARGEST_E5M6)
    bits = clamped.view(torch.int32)
    magnitude = bits & 0x7FFFFFFF
    normal = (magnitude + 0xFFFF + (magnitude >> 17 & 1) >> 17) - (112 << 6)
    # Below 2^-14 a step is 2^-20, the last place of float32's numbers from 8 to 16: the sum rounds to it.
    subnormal = (clamped.abs() + 8.0).view(torch.int32) - 0x41000000
    code = torch.where(magnitude < 113 << 23, subnormal, normal)
    return ((code | (bits >> 20 & 0x800)) & 0xFFF).to(torch.int16)


def decode_e5m6(codes: Tensor) -> Tensor:
    """The values of 12-bit codes in float32."""
    return (codes << 4).view(torch.float16).float()


def pack_codes(codes_RC: Tensor) -> Tensor:
    """Two codes of 12 bits in three bytes, the higher bits first: (R, C) → uint8 (R, 3 · ceil(C / 2)).

    An odd last column is followed by a zero.
    """
    pairs = -(-codes_RC.shape[1] // 2)
    padded = F.pad(codes_RC, (0, 2 * pairs - codes_RC.shape[1]))
    first, second = padded[:, 0::2], padded[:, 1::2]
    packed = torch.empty(len(codes_RC), 3 * pairs, dtype=torch.uint8, device=codes_RC.device)
    packed[:, 0::3] = first >> 4
    packed[:, 1::3] = (first & 15) << 4 | second >> 8
    packed[:, 2::3] = second & 255
    return packed


def unpack_codes(packed: Tensor, columns: int) -> Tensor:
    """int16 (R, columns)."""
    first, middle, last = (packed[:, place::3].to(torch.int16) for place in range(3))
    codes = torch.empty(len(packed), 2 * first.shape[1], dtype=torch.int16, device=packed.device)
    codes[:, 0::2] = first << 4 | middle >> 4
    codes[:, 1::2] = (middle & 15) << 8 | last
    return codes[:, :columns]
