"""Tiles and blocks have the codes and scales of a reference in integers, whatever their sizes and numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dspipe.fp8.tiles import (
    Quantized,
    pack_tiles,
    part_segments,
    quantize_columns,
    quantize_tiles,
    quantize_weight,
    retile,
)
from tests.fp8.bits import (
    FORMATS,
    LIMITS,
    draw_bits,
    draw_normal,
    draw_spread,
    make_numbers,
    read_bits,
    read_codes,
)
from tests.reference import formats
from tests.reference.formats import E5M6

E4M3, E5M2 = FORMATS
each_format = pytest.mark.parametrize("dtype", FORMATS, ids=["E4M3", "E5M2"])
each_kind_of_scale = pytest.mark.parametrize("power", [False, True], ids=["float32", "power"])
NO_NUMBERS = [torch.nan, -torch.nan, torch.inf, -torch.inf]
WIDTHS = [*range(1, 301), 511, 512, 513, 1000, 1023, 1025, 2048, 2100, 4095, 4096, 7168, 8191, 8192]


def check_quantized(q: Quantized, x: Tensor, power: bool, dtype: torch.dtype = E4M3, height: int = 1) -> None:
    """Codes, scales and what comes back, all by their bits."""
    kind, bits = FORMATS[dtype], read_bits(x)
    codes, scales = formats.quantize_tiles(bits, kind, LIMITS[dtype], power, height)
    assert q.height == height and q.codes.dtype == dtype and q.scales.dtype == torch.float32
    assert np.array_equal(read_codes(q.codes), codes)
    assert np.array_equal(read_bits(q.scales), scales)
    back = q.dequantize()
    assert back.dtype == torch.float32
    spread = formats.spread(scales, bits.shape, height)
    assert np.array_equal(read_bits(back), formats.dequantize(codes, spread, kind))


def check_packed(x: Tensor) -> None:
    bits = read_bits(x)
    codes, scales = formats.quantize_tiles(bits, E5M6, 65024, power=True)
    packed = pack_tiles(x)
    assert packed.columns == x.shape[1] and packed.bytes.dtype == torch.uint8
    assert packed.bytes.numpy().tobytes() == b"".join(formats.pack_row(row) for row in codes.tolist())
    assert np.array_equal(read_bits(packed.scales), scales)
    expected = formats.dequantize(codes, formats.spread(scales, bits.shape, 1), E5M6)
    assert np.array_equal(read_bits(packed.unpack()), expected)


def same_bits(one: Quantized, other: Quantized) -> bool:
    codes = torch.equal(one.codes.view(torch.uint8), other.codes.view(torch.uint8))
    return codes and torch.equal(one.scales, other.scales) and one.height == other.height


@each_kind_of_scale
@each_format
def test_tiles_of_every_width_equal_the_reference(dtype: torch.dtype, power: bool) -> None:
    """The last tile of a row is cut off by the edge, anything from one number to 128."""
    for width in WIDTHS:
        x = draw_normal((3, width), width, 0.02)
        q = quantize_tiles(x, power, dtype)
        assert q.codes.shape == (3, width) and q.scales.shape == (3, -(-width // 128))
        check_quantized(q, x, power, dtype)


@each_kind_of_scale
@each_format
def test_half_a_million_numbers_of_any_size_equal_the_reference(dtype: torch.dtype, power: bool) -> None:
    for reach in (0, 4, 20, 100):
        x = draw_spread((100, 1290), reach, reach)
        check_quantized(quantize_tiles(x, power, dtype), x, power, dtype)


@each_kind_of_scale
@each_format
def test_tiles_of_any_bits_equal_the_reference(dtype: torch.dtype, power: bool) -> None:
    """A tile of one number, so that each is the largest; and tiles of subnormal ones alone."""
    for x in (
        make_numbers(draw_bits(100_000, 0)).view(-1, 1),
        make_numbers(draw_bits(70_000, 1, beyond=1 << 23)).view(100, 700),
        make_numbers(draw_bits(70_000, 2, beyond=1 << 12)).view(100, 700),
    ):
        check_quantized(quantize_tiles(x, power, dtype), x, power, dtype)


@each_kind_of_scale
@each_format
def test_bfloat16_gives_the_same_as_its_numbers_in_float32(dtype: torch.dtype, power: bool) -> None:
    for width in (1, 100, 128, 129, 700):
        x = draw_spread((50, width), width).bfloat16()
        check_quantized(quantize_tiles(x, power, dtype), x, power, dtype)
        assert same_bits(quantize_tiles(x, power, dtype), quantize_tiles(x.float(), power, dtype))


def test_a_matrix_is_left_as_it_was_and_may_lie_across_its_memory() -> None:
    x = draw_normal((300, 200))
    before = x.clone()
    check_quantized(quantize_tiles(x.T), x.T.contiguous(), False)
    check_quantized(quantize_tiles(x[:, 3:150]), x[:, 3:150].contiguous(), False)
    check_packed(x.T)
    q = quantize_tiles(x)
    codes = q.codes.clone()
    assert torch.equal(q.dequantize(), q.dequantize())
    assert torch.equal(x, before) and torch.equal(q.codes.view(torch.uint8), codes.view(torch.uint8))


@pytest.mark.parametrize("shape", [(0, 128), (0, 5), (5, 0)])
def test_a_matrix_without_numbers_stays_one(shape: tuple[int, int]) -> None:
    q = quantize_tiles(torch.zeros(shape))
    assert q.codes.shape == shape and q.scales.shape == (shape[0], -(-shape[1] // 128))
    assert q.dequantize().shape == shape and pack_tiles(torch.zeros(shape)).unpack().shape == shape


@pytest.mark.parametrize("shape", [(1, 1), (3, 130), (129, 2), (128, 128), (300, 257), (576, 320), (1, 8192)])
def test_blocks_of_weights_equal_the_reference(shape: tuple[int, int]) -> None:
    for weight in (draw_normal(shape, 1, 0.006), draw_spread(shape, 2), draw_normal(shape, 3).bfloat16()):
        q = quantize_weight(weight)
        assert q.codes.shape == shape and q.scales.shape == (-(-shape[0] // 128), -(-shape[1] // 128))
        check_quantized(q, weight, False, height=128)


@each_kind_of_scale
def test_tiles_of_zeros_have_scale_one_and_come_back_with_their_signs(power: bool) -> None:
    x = torch.tensor([0.0, -0.0]).repeat(2, 100)
    x[1, :128] = 7.0
    q, weight = quantize_tiles(x, power), torch.zeros(200, 200).neg()
    scale = 1 / 64 if power else 7 / 448
    assert q.scales.tolist() == [[1.0, 1.0], [scale, 1.0]]
    assert np.array_equal(read_bits(q.dequantize()), read_bits(x))
    assert np.array_equal(read_bits(quantize_weight(weight).dequantize()), read_bits(weight))
    assert np.array_equal(read_bits(pack_tiles(x).unpack()), read_bits(x))
    assert (quantize_weight(weight).scales == 1.0).all()


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("column", [0, 1, 127, 128, 255, 256, 298, 299])
def test_an_infinity_or_nan_makes_nan_of_its_tile_and_leaves_the_others(column: int, value: float) -> None:
    x = draw_normal((5, 300))
    hit = torch.zeros(x.shape, dtype=torch.bool)
    first = column // 128 * 128
    hit[3, first : first + 128] = True
    struck = x.clone()
    struck[3, column] = value
    for power in (False, True):
        for dtype in FORMATS:
            back = quantize_tiles(struck, power, dtype).dequantize()
            assert back[hit].isnan().all()
            assert torch.equal(back[~hit], quantize_tiles(x, power, dtype).dequantize()[~hit])
    back = pack_tiles(struck).unpack()
    assert back[hit].isnan().all() and torch.equal(back[~hit], pack_tiles(x).unpack()[~hit])
    assert quantize_tiles(struck.bfloat16()).dequantize()[hit].isnan().all()


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_a_tile_of_zeros_and_an_infinity_or_nan_has_no_number(value: float) -> None:
    x = torch.zeros(2, 128)
    x[1, 77] = value
    for back in (quantize_tiles(x).dequantize(), quantize_tiles(x, power=True).dequantize()):
        assert back[1].isnan().all() and (back[0] == 0).all()
    assert pack_tiles(x).unpack()[1].isnan().all() and (pack_tiles(x).unpack()[0] == 0).all()


@pytest.mark.parametrize("value", NO_NUMBERS)
@pytest.mark.parametrize("place", [(0, 0), (129, 1), (5, 129), (130, 131)])
def test_an_infinity_or_nan_makes_nan_of_its_block_and_leaves_the_others(
    place: tuple[int, int], value: float
) -> None:
    weight = draw_normal((131, 132))
    (i, j), hit = place, torch.zeros(131, 132, dtype=torch.bool)
    hit[i // 128 * 128 : i // 128 * 128 + 128, j // 128 * 128 : j // 128 * 128 + 128] = True
    struck = weight.clone()
    struck[place] = value
    back = quantize_weight(struck).dequantize()
    assert back[hit].isnan().all()
    assert torch.equal(back[~hit], quantize_weight(weight).dequantize()[~hit])


@pytest.mark.parametrize("value", NO_NUMBERS)
def test_what_is_no_number_is_none_after_it_is_cut_anew(value: float) -> None:
    """First the tile of its row is NaN, so that a tile of each of its 128 columns is."""
    x = draw_normal((300, 140))
    x[150, 7] = value
    back = retile(quantize_tiles(x), False).dequantize()
    assert back[:128, 128:256].isnan().all()
    assert back[128:].isfinite().all() and back[:, :128].isfinite().all() and back[:, 256:].isfinite().all()


@each_kind_of_scale
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (128, 128), (129, 257), (500, 130)])
def test_cut_anew_is_dequantized_transposed_and_quantized(shape: tuple[int, int], power: bool) -> None:
    tiles = quantize_tiles(draw_spread(shape, 4, 6), power)
    codes, scales = read_codes(tiles.codes), read_bits(tiles.scales)
    bits = formats.dequantize(codes, formats.spread(scales, shape, 1), formats.E4M3)
    anew = retile(tiles, power)
    assert anew.codes.shape == shape[::-1]
    check_quantized(anew, make_numbers(bits.T.copy()), power)


def test_cut_anew_under_powers_of_two_is_exact_where_the_last_digit_is_kept() -> None:
    """A value comes back where it is a multiple of its new scale's least number, 2^-9, and nowhere else.

    Its four digits fit: the new scale is a power of two too, and large enough for the largest. What falls
    below may lose its last digits, never more than half of that least number.
    """
    rows = torch.ldexp(torch.ones(500, 1), torch.arange(500)[:, None] % 16)  # whose scales so differ
    tiles = quantize_tiles(draw_normal((500, 600), 5) * rows, power=True)
    values, anew = tiles.dequantize().T, retile(tiles, power=True)
    least = anew.scales.repeat_interleave(128, 1)[:, :500] * 2.0**-9
    kept = (values / least) % 1 == 0
    back = anew.dequantize()
    assert torch.equal(back == values, kept)
    assert kept.float().mean() > 0.1 and (~kept).float().mean() > 0.1
    assert ((back - values).abs() <= least / 2).all()


def test_cut_anew_under_powers_of_two_is_exact_where_scales_differ_little() -> None:
    """The last digit of a code of 2^k or more, k at least -6, is 2^(k - 3) or more.

    So its scale may grow 2^(k + 6) times before that is below the least number; here k is 5.
    """
    x = draw_normal((256, 300), 6).sign() * (1 + draw_normal((256, 300), 7).abs())
    tiles = quantize_tiles(x * torch.ldexp(torch.ones(256, 1), torch.arange(256)[:, None] % 10), power=True)
    assert tiles.codes.float().abs().min() >= 2.0**5
    assert torch.equal(retile(tiles, power=True).dequantize(), tiles.dequantize().T)


@each_kind_of_scale
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
@pytest.mark.parametrize(
    "lengths", [[300], [1, 128, 129, 42], [0, 0, 300], [100, 0, 0, 200, 0], [127, 1, 172]]
)
def test_segments_cut_anew_together_are_those_cut_alone(
    lengths: list[int], dtype: torch.dtype, power: bool
) -> None:
    tiles = quantize_tiles(draw_spread((300, 200), 8, 6), power)
    ends = torch.tensor(lengths, dtype=dtype).cumsum(0, dtype=dtype)
    rows, apart = part_segments(tiles.dequantize(), ends)
    together = quantize_columns(rows, power)
    assert (apart % 128 == 0).all()
    for start, end, last in zip([0, *ends.tolist()], ends.tolist(), apart.tolist(), strict=False):
        alone = retile(Quantized(tiles.codes[start:end], tiles.scales[start:end]), power)
        filled = -(-(end - start) // 128) * 128
        one = together.cut(slice(last - filled, last))
        assert torch.equal(one.scales, alone.scales)
        assert torch.equal(one.codes[:, : end - start].float(), alone.codes.float())
        assert not one.codes[:, end - start :].float().any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_twelve_bits_of_every_width_equal_the_reference(dtype: torch.dtype) -> None:
    for width in [*range(1, 301, 3), *range(120, 140), 1000, 1025, 7168, 8192]:
        check_packed(draw_spread((3, width), width, 6).to(dtype))


def test_twelve_bits_of_any_numbers_equal_the_reference() -> None:
    check_packed(draw_spread((50, 1290), 1, 20))
    check_packed(make_numbers(draw_bits(20_000, 3)).view(-1, 1))
    check_packed(make_numbers(draw_bits(70_000, 4, beyond=1 << 23)).view(100, 700))
    check_packed(make_numbers(draw_bits(70_000, 5)).view(100, 700))


def test_twelve_bits_under_powers_of_two_keep_seven_digits() -> None:
    """So that what has no more, and is not far below the largest of its tile, comes back."""
    x = torch.arange(-127.0, 128.0).repeat(3, 1)
    assert torch.equal(pack_tiles(x).unpack(), x)
