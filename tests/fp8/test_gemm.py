"""Products of codes: one in float32, in chunks as units make them, and with the sums of Hopper's units."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dspipe.fp8.gemm import accumulate, multiply
from dspipe.fp8.native import fill_depth, fill_rows, find_obstacle, lay_out_blocks, lay_out_columns
from dspipe.fp8.tiles import Quantized, quantize_tiles, quantize_weight


def draw(*shape: int, seed: int = 0, outliers: bool = True) -> Tensor:
    """Normal numbers, a few of them a thousand times as large."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator)
    large = torch.rand(shape, generator=generator) < 0.001
    return torch.where(large & outliers, 1000 * x, x)


def error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def multiply_exactly(a: Quantized, b: Quantized) -> Tensor:
    """In float64, of operands that float32 holds."""
    return a.dequantize().double() @ b.dequantize().double().T


SHAPES = [
    (3, 1, 5),
    (4, 127, 9),
    (130, 128, 129),
    (5, 129, 7),
    (70, 300, 200),
    (33, 1000, 131),
    (8, 8192, 16),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("blocks", [True, False])
def test_a_product_is_that_of_the_dequantized_operands_to_a_millionth(
    shape: tuple[int, int, int], blocks: bool
) -> None:
    rows, depth, columns = shape
    a, other = quantize_tiles(draw(rows, depth)), draw(columns, depth, seed=1)
    b = quantize_weight(other) if blocks else quantize_tiles(other)
    expected = multiply_exactly(a, b)
    assert error(multiply(a, b), expected) <= 1e-6
    assert error(accumulate(a, b), expected) <= 1e-6


def test_a_product_with_the_transpose_of_blocks_rounds_nothing_again() -> None:
    weight, grad = quantize_weight(draw(300, 200)), quantize_tiles(draw(9, 300, seed=1))
    expected = grad.dequantize().double() @ weight.dequantize().double()
    assert error(multiply(grad, weight.transpose()), expected) <= 1e-6
    assert torch.equal(weight.transpose().dequantize(), weight.dequantize().T)


def test_a_product_is_of_float32_where_bfloat16_is_computed_in() -> None:
    a, b = quantize_tiles(draw(20, 256)), quantize_weight(draw(30, 256, seed=1))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(multiply(a, b), multiply(a, b)) and multiply(a, b).dtype == torch.float32
        assert error(multiply(a, b), multiply_exactly(a, b)) <= 1e-6


def cut(value: int, largest: int) -> int:
    """An integer without what is below the 14 digits of the largest."""
    lost = max(0, largest.bit_length() - 14)
    return (abs(value) >> lost << lost) * (1 if value > 0 else -1)


def sum_in_14_bits(x: list[int], y: list[int], register: str) -> int:
    """Σ x · y of integers, the products of 32 cut below the largest of them, or the sum's, and so the sum."""
    total = 0
    for start in range(0, len(x), 32):
        products = [p * q for p, q in zip(x[start : start + 32], y[start : start + 32], strict=True)]
        largest = max(abs(product) for product in (*products, *([total] if register == "sum" else [])))
        total += sum(cut(product, largest) for product in products)
        total = cut(total, abs(total))
    return total


@pytest.mark.parametrize("register", ["products", "sum"])
def test_the_sums_of_14_bits_are_those_of_integers(register: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    codes = [
        torch.randint(-15, 16, (6, 200), generator=generator)
        * 2 ** torch.randint(0, 5, (6, 200), generator=generator)
        for _ in range(2)
    ]
    a, b = (Quantized(part.float().to(torch.float8_e4m3fn), torch.ones(6, 2)) for part in codes)
    assert torch.equal(a.codes.float(), codes[0].float())
    found = accumulate(a, b, register, promotion=None)
    one, other = (part.tolist() for part in codes)
    assert found.tolist() == [[sum_in_14_bits(x, y, register) for y in other] for x in one]
    assert not torch.equal(found, accumulate(a, b))


def test_14_bits_lose_digits_along_4096_numbers_unless_they_are_promoted() -> None:
    """The report finds an error of nearly 2 % (3.3.2), between those of the two readings of it."""
    generator = torch.Generator().manual_seed(0)
    a, b = (
        Quantized(torch.rand(12, 4096, generator=generator).to(torch.float8_e4m3fn), torch.ones(12, 32))
        for _ in range(2)
    )
    exact = multiply_exactly(a, b)

    def measure(register: Any, promotion: int | None) -> float:
        return float(((accumulate(a, b, register, promotion) - exact) / exact).abs().max())

    assert 0.002 < measure("products", None) < 0.02 < measure("sum", None) < 0.1
    assert measure("products", 128) < measure("products", None) / 5
    assert measure("sum", 128) < measure("sum", None) / 5


def test_chunks_do_not_straddle_tiles() -> None:
    a, b = quantize_tiles(draw(4, 500)), quantize_tiles(draw(5, 500, seed=1))
    for promotion in (1, 64, 128):
        assert error(accumulate(a, b, promotion=promotion), multiply_exactly(a, b)) <= 1e-6
    for promotion in (96, 256):
        with pytest.raises(ValueError, match="straddle"):
            accumulate(a, b, promotion=promotion)


def test_there_are_no_units_on_a_cpu() -> None:
    assert find_obstacle(torch.device("cpu")) == "there is no GPU"


@pytest.mark.parametrize("depth", [1, 16, 100, 128, 130, 640])
def test_depth_is_filled_with_zeros_to_what_units_take(depth: int) -> None:
    tiles = quantize_tiles(draw(5, depth))
    filled = fill_depth(tiles)
    assert filled.codes.shape[1] % 16 == 0 and filled.codes.shape[1] - depth < 16
    assert filled.scales.shape[1] == -(-filled.codes.shape[1] // 128)
    assert torch.equal(filled.dequantize()[:, :depth], tiles.dequantize())
    assert not filled.dequantize()[:, depth:].any()


def test_rows_are_filled_with_zeros_to_what_units_take() -> None:
    for blocks in (True, False):
        matrix = quantize_weight(draw(130, 96)) if blocks else quantize_tiles(draw(130, 96))
        filled = fill_rows(matrix)
        assert len(filled.codes) == 144
        assert torch.equal(filled.dequantize()[:130], matrix.dequantize())
        assert not filled.dequantize()[130:].any()


@pytest.mark.parametrize("tiles", [1, 2, 3, 4, 5])
def test_scales_are_laid_out_as_units_take_them(tiles: int) -> None:
    """K of 128 to 640: torch before 2.10 read those of blocks wrongly where K / 128 is no multiple of 4."""
    scales = torch.arange(32.0 * tiles).view(32, tiles)
    columns = lay_out_columns(scales)
    assert torch.equal(columns, scales) and columns.stride() == (1, 32)
    blocks = lay_out_blocks(scales)
    filled = -(-tiles // 4) * 4
    assert blocks.shape == (filled, 32) and blocks.stride() == (1, filled)
    assert torch.equal(blocks[:tiles], scales.T)
