"""Tensors ↔ the integers that `tests.reference.formats` reckons with, and numbers that are hard to round."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tests.reference.formats import E4M3, E5M2, Integers

FORMATS = {torch.float8_e4m3fn: E4M3, torch.float8_e5m2: E5M2}
LIMITS = {torch.float8_e4m3fn: 448, torch.float8_e5m2: 57344}
INFINITY = 0x7F800000


def read_bits(numbers: Tensor) -> Integers:
    """Float32 or bfloat16 → the bits of float32, as int64."""
    return numbers.float().contiguous().view(torch.int32).numpy().astype(np.int64) & 0xFFFFFFFF


def make_numbers(bits: Integers) -> Tensor:
    return torch.from_numpy(bits.astype(np.uint32).view(np.float32))


def read_codes(codes: Tensor) -> Integers:
    """Codes of 8 bits, or of 12 in int16."""
    wide = codes if codes.dtype == torch.int16 else codes.view(torch.uint8)
    return wide.numpy().astype(np.int64)


def draw_bits(count: int, seed: int, least: int = 0, beyond: int = INFINITY) -> Integers:
    """Magnitudes whose bits are equally likely, all the finite ones unless bounded, with a sign."""
    generator = np.random.default_rng(seed)
    return generator.integers(least, beyond, count) | generator.integers(0, 2, count) << 31


def draw_magnitudes(count: int, seed: int) -> Integers:
    """As scales are: finite and above 0."""
    return np.random.default_rng(seed).integers(1, INFINITY, count)


def list_ties() -> Integers:
    """All finite float32 numbers with upper halves as they like and the lower halves at and beside a tie.

    In them is every value and every tie of each of the formats, since none of those needs more than the upper
    16 bits, every subnormal one too, and the float32 numbers on both sides of each.
    """
    upper = np.arange(1 << 16) << 16
    bits: Integers = (upper[:, None] | np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF])).ravel()
    return bits[bits & 0x7FFFFFFF < INFINITY]


def draw_normal(shape: tuple[int, ...], seed: int = 0, deviation: float = 1.0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * deviation


def draw_spread(shape: tuple[int, ...], seed: int, reach: int = 20) -> Tensor:
    """Normal numbers under exponents from -reach to reach: much falls below the least of a tile's codes."""
    generator = torch.Generator().manual_seed(seed + 1)
    exponents = torch.randint(-reach, reach + 1, shape, generator=generator)
    return torch.ldexp(draw_normal(shape, seed), exponents)
