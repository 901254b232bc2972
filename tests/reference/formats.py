"""Number formats and tiles of FP8 training, the slow way: integers only, on the bits of float32.

A number is (-1)^sign · m · 2^e with integers m and e, held exactly; only `round_number` loses anything. A
code is what a format stores of a magnitude: exponent field and fraction side by side, so that codes are in
the order of their values, and the code after the last of a binade is the first of the next. Float32 is one
of the formats here, its codes the 31 low bits. No floating-point operation is made anywhere in this file.

Legend: `bits` are those of float32 numbers that are not NaN, as int64; so are codes, signs, m and e.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
TILE = 128


@dataclass(frozen=True)
class Format:
    fraction: int  # binary digits stored of the significand
    least: int  # 2^least is the least number above 0
    largest: int  # the largest code: what is too large becomes it
    sign: int  # the sign's place


FLOAT32 = Format(fraction=23, least=-149, largest=0x7F800000, sign=31)  # too large: infinity
E4M3 = Format(fraction=3, least=-9, largest=0x7E, sign=7)  # 448
E5M2 = Format(fraction=2, least=-16, largest=0x7B, sign=7)  # 57344
E5M6 = Format(fraction=6, least=-20, largest=0x7BF, sign=11)  # 65024
POWERS = np.int64(1) << np.arange(63)


def count_digits(m: Integers) -> Integers:
    """Binary digits of m, none of 0: as many as there are powers of two that are no greater."""
    return np.searchsorted(POWERS, m, side="right")  # integers are compared with integers


def split_code(code: Integers, kind: Format) -> tuple[Integers, Integers]:
    """A code without its sign → m, e."""
    field, fraction = code >> kind.fraction, code & ((1 << kind.fraction) - 1)
    return np.where(field > 0, fraction + (1 << kind.fraction), fraction), np.maximum(
        field - 1, 0
    ) + kind.least


def split_sign(code: Integers, kind: Format) -> tuple[Integers, Integers]:
    """A code → sign, code without it."""
    return code >> kind.sign, code & ((1 << kind.sign) - 1)


def goes_up(whole: Integers, rest: Integers, half: Integers) -> NDArray[np.bool_]:
    """Whether whole + rest / (2 · half) is rounded up: to the nearest, ties to even."""
    tie, odd = rest == half, whole % 2 == 1
    return np.where(tie, odd, rest > half)


def round_number(m: Integers, e: Integers, kind: Format) -> Integers:
    """m · 2^e → code, for m below 2^62."""
    e = np.where(m > 0, e, kind.least)
    step = np.maximum(
        count_digits(m) + e - (kind.fraction + 1), kind.least
    )  # exponent of the last digit kept
    drop = np.clip(step - e, 0, 62)
    whole, rest = m >> drop, m & ((np.int64(1) << drop) - 1)
    whole += (drop > 0) & goes_up(whole, rest, (np.int64(1) << drop) >> 1)
    whole <<= np.maximum(e - step, 0)
    # The digit before the point, if there is one, adds one to the exponent field; so does a carry.
    code: Integers = ((step - kind.least) << kind.fraction) + whole
    return np.minimum(code, kind.largest)


def divide(a: Integers, b: Integers) -> Integers:
    """The quotient of two float32 codes, b above 0, as a float32 code.

    37 digits of it or more, and a last one that says whether any are missing: rounding need know no more.
    """
    (am, ae), (bm, be) = split_code(a, FLOAT32), split_code(b, FLOAT32)
    shift = 61 - count_digits(am)
    whole, rest = np.divmod(am << shift, bm)
    return round_number(2 * whole + (rest > 0), ae - shift - be - 1, FLOAT32)


def find_scales(largest: Integers, limit: int, power: bool = False) -> Integers:
    """Largest magnitude / limit, at least 2^-149, 1 where the largest is 0."""
    divisor = round_number(np.array([limit]), np.array([0]), FLOAT32)
    quotient = np.maximum(divide(largest, divisor), 1)
    if power:
        m, e = split_code(quotient, FLOAT32)
        quotient = round_number(np.ones_like(m), e + count_digits(m - 1), FLOAT32)
    return np.where(largest == 0, 127 << 23, quotient)


def encode(bits: Integers, scales: Integers, kind: Format) -> Integers:
    """Quotient rounded to float32, then to the nearest code."""
    sign, code = split_sign(bits, FLOAT32)
    m, e = split_code(divide(code, scales), FLOAT32)
    return (sign << kind.sign) | round_number(m, e, kind)


def convert(code: Integers, source: Format, target: Format) -> Integers:
    """From one format to another with one rounding, codes with their signs."""
    sign, magnitude = split_sign(code, source)
    return (sign << target.sign) | round_number(*split_code(magnitude, source), target)


def dequantize(code: Integers, scales: Integers, kind: Format) -> Integers:
    """Code · scale, rounded to float32."""
    sign, magnitude = split_sign(code, kind)
    (am, ae), (bm, be) = split_code(magnitude, kind), split_code(scales, FLOAT32)
    return (sign << 31) | round_number(am * bm, ae + be, FLOAT32)


def spread(scales: Integers, shape: tuple[int, ...], height: int) -> Integers:
    """A scale a tile → a scale a number."""
    return scales.repeat(height, 0)[: shape[0]].repeat(TILE, 1)[:, : shape[1]]


def quantize_tiles(
    bits: Integers, kind: Format, limit: int, power: bool = False, height: int = 1
) -> tuple[Integers, Integers]:
    """Codes (R, C) and scales of tiles of `height` x 128, those at the edges cut off there."""
    rows, columns = bits.shape
    magnitudes = bits & 0x7FFFFFFF
    largest = np.maximum.reduceat(magnitudes, np.arange(0, rows, height), 0)
    largest = np.maximum.reduceat(largest, np.arange(0, columns, TILE), 1)
    scales = find_scales(largest, limit, power)
    return encode(bits, spread(scales, bits.shape, height), kind), scales


def pack_row(codes: list[int]) -> bytes:
    """Codes of 12 bits one after the other, the highest digit first, an even number of them."""
    digits = "".join(f"{code:012b}" for code in [*codes, 0][: len(codes) + len(codes) % 2])
    return bytes(int(digits[i : i + 8], 2) for i in range(0, len(digits), 8))
