"""FP8 by blocks, the slow way: a loop over blocks and values, all rounding in exact fractions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import partial

Matrix = list[list[float]]
BLOCK = 128


def round_fraction(x: Fraction, digits: int, least: int) -> Fraction:
    """To `digits` binary digits, ties to even; numbers below 2^least keep its last digit."""
    if x == 0:
        return x
    exponent = abs(x).numerator.bit_length() - abs(x).denominator.bit_length()
    exponent -= Fraction(2) ** exponent > abs(x)
    step = Fraction(2) ** (max(exponent, least) - digits + 1)
    return round(x / step) * step  # `round` of a fraction takes ties to even


to_float32 = partial(round_fraction, digits=24, least=-126)


def to_e4m3(x: Fraction) -> Fraction:
    return round_fraction(max(Fraction(-448), min(Fraction(448), x)), 4, -6)


def list_blocks(rows: int, columns: int) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    for r in range(math.ceil(rows / BLOCK)):
        for c in range(math.ceil(columns / BLOCK)):
            places = [
                (i, j)
                for i in range(r * BLOCK, min((r + 1) * BLOCK, rows))
                for j in range(c * BLOCK, min((c + 1) * BLOCK, columns))
            ]
            yield r, c, places


def quantize(weight: Matrix) -> tuple[Matrix, Matrix]:
    """Values of the codes, and scales."""
    rows, columns = len(weight), len(weight[0])
    codes = [[0.0] * columns for _ in range(rows)]
    scales = [[0.0] * math.ceil(columns / BLOCK) for _ in range(math.ceil(rows / BLOCK))]
    for r, c, places in list_blocks(rows, columns):
        values = [Fraction(weight[i][j]) for i, j in places]
        scale = choose_scale(values)
        scales[r][c] = float(scale)
        for (i, j), value in zip(places, values, strict=True):
            codes[i][j] = float(to_e4m3(to_float32(value / scale)))
    return codes, scales


def choose_scale(values: list[Fraction]) -> Fraction:
    largest = max(abs(value) for value in values)
    if largest == 0:
        return Fraction(1)
    candidates = list_scales(max(to_float32(largest / 448), Fraction(2) ** -149))
    return next((scale for scale in candidates if gives_back(values, scale)), candidates[0])


def list_scales(usual: Fraction) -> list[Fraction]:
    """It, the float32 above, the one below, and the power of two that is not below it."""
    step, power = Fraction(2) ** -149, Fraction(2) ** -149
    while usual / step >= 2**24:
        step *= 2
    while power < usual:
        power *= 2
    below = usual - (step / 2 if usual / step == 2**23 and step > Fraction(2) ** -149 else step)
    return [usual, usual + step, max(below, Fraction(2) ** -149), power]


def gives_back(values: list[Fraction], scale: Fraction) -> bool:
    return all(to_float32(to_e4m3(to_float32(value / scale)) * scale) == value for value in values)


def dequantize(codes: Matrix, scales: Matrix) -> Matrix:
    return [
        [
            float(to_float32(Fraction(code) * Fraction(scales[i // BLOCK][j // BLOCK])))
            for j, code in enumerate(row)
        ]
        for i, row in enumerate(codes)
    ]
