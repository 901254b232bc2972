"""Codes and scales are those of a reference in integers, over fifty million numbers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from dspipe.fp8.formats import (
    decode,
    decode_e5m6,
    encode,
    encode_e5m6,
    find_scales,
    pack_codes,
    unpack_codes,
)
from tests.fp8.bits import (
    FORMATS,
    INFINITY,
    LIMITS,
    draw_bits,
    draw_magnitudes,
    list_ties,
    make_numbers,
    read_bits,
    read_codes,
)
from tests.reference import blocks, formats
from tests.reference.formats import E5M6, FLOAT32, Format, Integers

E4M3, E5M2 = FORMATS
ALL_LIMITS = [448, 57344, 65024]
CHUNK = 1 << 16  # of the reference's int64 numbers, so that they stay in the cache
ONE = 127 << 23
each_format = pytest.mark.parametrize("dtype", FORMATS, ids=["E4M3", "E5M2"])
each_kind_of_scale = pytest.mark.parametrize("power", [False, True], ids=["float32", "power"])


def count_differences(bits: Integers, scales: Integers, dtype: torch.dtype = E4M3) -> int:
    """Codes in which `encode` is not the reference."""
    kind, wrong = FORMATS[dtype], 0
    for at in range(0, len(bits), CHUNK):
        some, their = bits[at : at + CHUNK], scales[at : at + CHUNK]
        codes = encode(make_numbers(some), make_numbers(their), dtype)
        assert codes.dtype == dtype
        wrong += int((read_codes(codes) != formats.encode(some, their, kind)).sum())
    return wrong


def count_differences_e5m6(bits: Integers) -> int:
    wrong = 0
    for at in range(0, len(bits), CHUNK):
        codes = encode_e5m6(make_numbers(bits[at : at + CHUNK]))
        assert codes.dtype == torch.int16
        expected = formats.convert(bits[at : at + CHUNK], FLOAT32, E5M6)
        wrong += int((read_codes(codes) != expected).sum())
    return wrong


def count_differences_of_scales(largest: Integers, limit: int, power: bool) -> int:
    wrong = 0
    for at in range(0, len(largest), CHUNK):
        scales = find_scales(make_numbers(largest[at : at + CHUNK]), float(limit), power)
        expected = formats.find_scales(largest[at : at + CHUNK], limit, power)
        wrong += int((read_bits(scales) != expected).sum())
    return wrong


def all_codes(dtype: torch.dtype) -> Tensor:
    """Those of 8 bits that are numbers, both zeros among them, by their bytes."""
    codes = torch.arange(256, dtype=torch.uint8).view(dtype)
    return codes[codes.float().isfinite()]


def all_codes_e5m6() -> Tensor:
    """3968 codes: those of an infinity and above are none."""
    codes = torch.arange(1 << 12, dtype=torch.int16)
    return codes[(codes & 0x7FF) <= E5M6.largest]


@each_format
def test_every_code_has_its_value(dtype: torch.dtype) -> None:
    codes = all_codes(dtype)
    values = decode(codes)
    assert values.dtype == torch.float32
    assert np.array_equal(read_bits(values), formats.convert(read_codes(codes), FORMATS[dtype], FLOAT32))
    assert np.array_equal(read_bits(values), read_bits(codes.float()))
    assert np.array_equal(read_codes(encode(values, torch.ones(()), dtype)), read_codes(codes))


def test_values_of_codes_known_by_heart() -> None:
    e4m3 = torch.tensor([0x7E, 0x38, 0x08, 0x01, 0x80, 0xFE], dtype=torch.uint8).view(E4M3)
    assert decode(e4m3).tolist() == [448.0, 1.0, 2.0**-6, 2.0**-9, 0.0, -448.0]
    e5m2 = torch.tensor([0x7B, 0x3C, 0x04, 0x01], dtype=torch.uint8).view(E5M2)
    assert decode(e5m2).tolist() == [57344.0, 1.0, 2.0**-14, 2.0**-16]
    e5m6 = torch.tensor([0x7BF, 0x3C0, 0x040, 0x001, 0x800, 0xFBF], dtype=torch.int16)
    assert decode_e5m6(e5m6).tolist() == [65024.0, 1.0, 2.0**-14, 2.0**-20, 0.0, -65024.0]


@pytest.mark.parametrize("scale", [0, -149, -126, 100], ids="2^{}".format)
@each_format
def test_every_tie_and_what_is_beside_it_gets_the_code_of_the_reference(
    dtype: torch.dtype, scale: int
) -> None:
    """400,000 numbers under each scale, over all of float32, both zeros and what overflows among them."""
    bits = list_ties()
    scales = read_bits(torch.tensor([2.0**scale])).repeat(len(bits))
    assert count_differences(bits, scales, dtype) == 0


@each_format
def test_any_number_under_any_scale_gets_the_code_of_the_reference(dtype: torch.dtype) -> None:
    bits, scales = draw_bits(1_500_000, 0), draw_magnitudes(1_500_000, 1)
    assert count_differences(bits, scales, dtype) == 0


@each_kind_of_scale
@each_format
def test_numbers_of_tiles_get_the_codes_of_the_reference(dtype: torch.dtype, power: bool) -> None:
    """A scale such as the largest of a tile gives, and quotients over all that the format has and less."""
    count = 1_500_000
    scales = formats.find_scales(draw_magnitudes(count, 2), LIMITS[dtype], power)
    quotients = make_numbers(draw_bits(count, 3, 100 << 23, 144 << 23))  # 2^-27 to 2^17
    bits = read_bits(quotients * make_numbers(scales))
    finite = bits & 0x7FFFFFFF < INFINITY
    assert finite.sum() > 1_000_000
    assert count_differences(bits[finite], scales[finite], dtype) == 0


@each_format
def test_what_a_scale_of_all_digits_brings_nearest_to_a_tie_gets_the_code_of_the_reference(
    dtype: torch.dtype,
) -> None:
    """Of many the quotient is a tie only once it is rounded to float32."""
    lower = torch.arange(FORMATS[dtype].largest, dtype=torch.uint8)
    ties = (lower.view(dtype).float() + (lower + 1).view(dtype).float()) / 2
    scales = draw_bits(500_000, 12, 67 << 23, 187 << 23) & 0x7FFFFFFF  # 2^-60 to 2^60
    tie = ties.repeat(500_000 // len(ties) + 1)[:500_000]
    numbers, divisors = tie * make_numbers(scales), make_numbers(scales)
    become = (numbers / divisors == tie) & (numbers.double() / divisors != tie)
    assert become.sum() > 100_000
    for sign in (0, 1 << 31):
        assert count_differences(read_bits(numbers) | sign, scales, dtype) == 0


@each_format
def test_normal_numbers_get_the_codes_of_the_reference(dtype: torch.dtype) -> None:
    numbers = np.random.default_rng(4).normal(size=1_000_000).astype(np.float32)
    bits = numbers.view(np.uint32).astype(np.int64)
    for power in (False, True):
        largest = (bits & 0x7FFFFFFF).reshape(-1, 125).max(1)
        scales = formats.find_scales(largest, LIMITS[dtype], power).repeat(125)
        assert count_differences(bits, scales, dtype) == 0


def test_subnormal_numbers_under_subnormal_scales_get_the_codes_of_the_reference() -> None:
    subnormal = np.random.default_rng(5).integers(1, 1 << 23, 300_000)
    scales = np.random.default_rng(6).integers(1, 1 << 17, 300_000)
    assert count_differences(subnormal | (subnormal & 1) << 31, scales) == 0


@each_format
def test_what_is_too_large_becomes_the_largest_code_and_zeros_keep_their_signs(dtype: torch.dtype) -> None:
    limit = float(LIMITS[dtype])
    numbers = torch.tensor([limit, limit * 1.07, torch.inf, 3e38, 0.0])
    codes = encode(torch.cat([numbers, -numbers]), torch.tensor([1.0]), dtype)
    expected = torch.tensor([limit] * 4 + [0.0])
    assert np.array_equal(read_bits(codes.float()), read_bits(torch.cat([expected, -expected])))
    assert encode(torch.tensor(3e38), torch.tensor(2.0**-149), dtype).float() == limit  # no float32 holds it


@each_format
def test_bfloat16_is_encoded_as_the_same_number_in_float32(dtype: torch.dtype) -> None:
    bits = np.arange(1 << 16) << 16
    bits = bits[bits & 0x7FFFFFFF < INFINITY]
    scales = draw_magnitudes(len(bits), 7)
    codes = encode(make_numbers(bits).bfloat16(), make_numbers(scales), dtype)
    assert np.array_equal(read_codes(codes), formats.encode(bits, scales, FORMATS[dtype]))


def test_every_tie_between_twelve_bit_codes_and_what_is_beside_it() -> None:
    assert count_differences_e5m6(list_ties()) == 0


def test_three_million_numbers_get_the_twelve_bit_codes_of_the_reference() -> None:
    anything = draw_bits(1_500_000, 8)
    within = draw_bits(1_500_000, 9, 104 << 23, 144 << 23)  # 2^-23 to 2^17
    assert count_differences_e5m6(anything) == 0
    assert count_differences_e5m6(within) == 0


def test_every_twelve_bit_code_comes_back_from_its_value() -> None:
    codes = all_codes_e5m6()
    values = decode_e5m6(codes)
    assert len(codes) == 3968 and values.dtype == torch.float32
    assert np.array_equal(read_bits(values), formats.convert(read_codes(codes), E5M6, FLOAT32))
    assert np.array_equal(read_codes(encode_e5m6(values)), read_codes(codes))


def test_between_neighbouring_twelve_bit_codes_the_middle_goes_to_the_even_one() -> None:
    """The middle of two values is exact in float32, and so are the numbers beside it."""
    lower = torch.arange(E5M6.largest, dtype=torch.int16)
    middle = (decode_e5m6(lower) + decode_e5m6(lower + 1)) / 2
    above = torch.full_like(middle, torch.inf)
    for sign, bit in ((1, 0), (-1, 0x800)):
        assert torch.equal(encode_e5m6(sign * middle), lower + (lower & 1) | bit)
        assert torch.equal(encode_e5m6(sign * torch.nextafter(middle, -above)), lower | bit)
        assert torch.equal(encode_e5m6(sign * torch.nextafter(middle, above)), lower + 1 | bit)


def test_twelve_bit_codes_are_rounded_once_and_not_by_way_of_a_half() -> None:
    step = 2.0**-6
    below_the_tie = torch.tensor([1 + 1.5 * step - 2.0**-20])
    assert decode_e5m6(encode_e5m6(below_the_tie)).item() == 1 + step
    assert decode_e5m6(encode_e5m6(below_the_tie.half().float())).item() == 1 + 2 * step


def test_what_is_too_large_for_twelve_bits_becomes_the_largest() -> None:
    numbers = torch.tensor([65024.0, 65279.0, 65280.0, 65536.0, 3e38, torch.inf])
    assert (encode_e5m6(numbers) == 0x7BF).all() and (encode_e5m6(-numbers) == 0xFBF).all()


@each_kind_of_scale
@pytest.mark.parametrize("limit", ALL_LIMITS)
def test_scales_are_those_of_the_reference_over_all_of_float32(limit: int, power: bool) -> None:
    largest = np.concatenate([draw_magnitudes(500_000, limit), list_ties()[::3] & 0x7FFFFFFF])
    multiples = read_bits(make_numbers(np.arange(1, 236) << 23) * limit)  # whose scales are powers of two
    largest = np.concatenate([largest, multiples - 1, multiples, multiples + 1])
    assert count_differences_of_scales(largest, limit, power) == 0


@each_kind_of_scale
def test_scales_are_those_of_the_reference_for_all_subnormal_numbers(power: bool) -> None:
    assert count_differences_of_scales(np.arange(1 << 23), 448, power) == 0


@each_kind_of_scale
@pytest.mark.parametrize("limit", ALL_LIMITS)
def test_scales_known_by_heart(limit: int, power: bool) -> None:
    largest = torch.tensor([0.0, -0.0, limit, 8 * limit, 2.0**-149])
    assert find_scales(largest, float(limit), power).tolist() == [1.0, 1.0, 1.0, 8.0, 2.0**-149]
    above = find_scales(torch.tensor([np.nextafter(np.float32(limit), np.float32(np.inf))]), limit, power)
    assert above.item() == (2.0 if power else 1 + 2.0**-23)


@pytest.mark.parametrize("limit", ALL_LIMITS)
def test_a_power_of_two_is_the_least_under_which_the_largest_does_not_overflow(limit: int) -> None:
    """Reckoned in float64, where the products are exact. Below limit · 2^-126 quotients have fewer digits."""
    least = read_bits(torch.tensor([limit * 2.0**-126]))[0]
    largest = make_numbers(draw_bits(1_000_000, limit, least) & 0x7FFFFFFF)
    scales = find_scales(largest, float(limit), power=True)
    assert (read_bits(scales) & 0x7FFFFF == 0).all()
    assert (largest.double() <= scales.double() * limit).all()
    assert (largest.double() > scales.double() / 2 * limit).all()


def test_the_reference_agrees_with_exact_fractions() -> None:
    bits, scales = draw_bits(400, 10, 110 << 23), draw_magnitudes(400, 11) // 8 + (110 << 23)
    bits = np.concatenate([bits, [0, ONE, ONE | 1 << 31, 1, (1 << 23) - 1]])
    scales = np.concatenate([scales, [ONE, 1, 3, 7, 5 << 23]])
    codes = formats.encode(bits, scales, formats.E4M3)
    values = make_numbers(formats.convert(codes, formats.E4M3, FLOAT32)).tolist()
    products = make_numbers(formats.dequantize(codes, scales, formats.E4M3)).tolist()
    numbers = zip(make_numbers(bits).tolist(), make_numbers(scales).tolist(), values, products, strict=True)
    for number, scale, value, product in numbers:
        quotient = blocks.to_float32(Fraction(number) / Fraction(scale))
        assert Fraction(value) == blocks.to_e4m3(quotient)
        if product < np.inf:
            assert Fraction(product) == blocks.to_float32(Fraction(value) * Fraction(scale))


def go_away(whole: Integers, rest: Integers, half: Integers) -> object:
    return rest >= half


def go_to_zero(whole: Integers, rest: Integers, half: Integers) -> object:
    return rest > half


def go_to_odd(whole: Integers, rest: Integers, half: Integers) -> object:
    return (rest > half) | ((rest == half) & (whole % 2 == 0))


def cut_off(whole: Integers, rest: Integers, half: Integers) -> object:
    return np.zeros_like(rest, dtype=np.bool_)


@pytest.mark.parametrize("rule", [go_away, go_to_zero, go_to_odd, cut_off])
def test_a_wrong_rule_of_rounding_would_be_seen(
    rule: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    bits = list_ties()[::2]
    scales = np.full_like(bits, ONE)
    monkeypatch.setattr(formats, "goes_up", rule)
    assert all(count_differences(bits, scales, dtype) > 0 for dtype in FORMATS)
    assert count_differences_e5m6(bits) > 0


@pytest.mark.parametrize(
    "wrong",
    [
        Format(fraction=3, least=-9, largest=0x7D, sign=7),  # a largest of 416
        Format(fraction=3, least=-9, largest=0x7F, sign=7),  # of 480
        Format(fraction=3, least=-10, largest=0x7E, sign=7),  # another bias
    ],
)
def test_a_wrong_format_would_be_seen(wrong: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, E4M3, wrong)
    bits = list_ties()
    assert count_differences(bits, np.full_like(bits, ONE)) > 0


@pytest.mark.parametrize("columns", [1, 2, 3, 7, 8, 127, 128, 129, 300])
def test_two_codes_are_packed_in_three_bytes_and_come_back(columns: int) -> None:
    codes = np.random.default_rng(columns).integers(0, 1 << 12, (5, columns))
    packed = pack_codes(torch.from_numpy(codes).short())
    assert packed.dtype == torch.uint8 and packed.shape == (5, 3 * ((columns + 1) // 2))
    assert [bytes(row) for row in packed.tolist()] == [formats.pack_row(row) for row in codes.tolist()]
    back = unpack_codes(packed, columns)
    assert back.dtype == torch.int16 and back.tolist() == codes.tolist()


def test_every_code_survives_packing_as_the_first_and_as_the_second() -> None:
    codes = torch.arange(1 << 12, dtype=torch.int16)
    pairs = torch.stack([codes, codes.flip(0)], 1)
    assert torch.equal(unpack_codes(pack_codes(pairs), 2), pairs)
    assert pack_codes(torch.tensor([[0xABC, 0x123]], dtype=torch.int16)).tolist() == [[0xAB, 0xC1, 0x23]]
    assert pack_codes(torch.tensor([[0xABC]], dtype=torch.int16)).tolist() == [[0xAB, 0xC0, 0x00]]
