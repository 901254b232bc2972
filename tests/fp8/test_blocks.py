"""Weights in E4M3 with a scale a block: as the slow twin has them, and what came out goes in unchanged."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dspipe.fp8.blocks import choose_scales, count_blocks, dequantize_blocks, quantize_blocks
from dspipe.fp8.formats import E4M3, encode
from dspipe.fp8.tiles import quantize_weight
from tests.reference import blocks as slow


def draw_normal(shape: tuple[int, ...], seed: int = 0, deviation: float = 1.0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * deviation


def all_codes() -> Tensor:
    """The 254 codes that are numbers, both zeros among them, by their bytes."""
    codes = torch.arange(256, dtype=torch.uint8).view(E4M3)
    return codes[codes.float().isfinite()]


def same_bits(a: Tensor, b: Tensor) -> bool:
    assert a.dtype == b.dtype and a.shape == b.shape
    return torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def check_slow_twin(weight: Tensor) -> None:
    codes, scales = quantize_blocks(weight)
    assert (codes.float().tolist(), scales.tolist()) == slow.quantize(weight.tolist())
    back = dequantize_blocks(codes, scales)
    assert back.tolist() == slow.dequantize(codes.float().tolist(), scales.tolist())


@pytest.mark.parametrize("shape", [(1, 1), (3, 130), (129, 2), (128, 128), (130, 131)])
def test_codes_and_scales_equal_those_of_the_slow_twin(shape: tuple[int, int]) -> None:
    check_slow_twin(draw_normal(shape, deviation=0.02))


numbers = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.integers(-448, 448).map(float),  # whose quotients are ties
    st.sampled_from([0.0, -0.0, 2.0**-149, -(2.0**-126), 464.0, 448.0 * 2.0**-149]),
)


@settings(max_examples=150)
@given(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=4), st.booleans())
def test_any_weights_are_quantized_as_by_the_slow_twin(rows: list[list[float]], exact: bool) -> None:
    weight = torch.tensor(rows)
    check_slow_twin(dequantize_blocks(*quantize_blocks(weight)) if exact else weight)


def test_each_block_has_its_own_scale_and_the_grid_is_rounded_up() -> None:
    weight = torch.ones(576, 200)
    weight[512:, 128:] = 7.0
    codes, scales = quantize_blocks(weight)
    assert scales.shape == (5, 2) == count_blocks((576, 200))
    assert torch.equal(scales[4], torch.tensor([1.0 / 448, 7.0 / 448]))
    assert codes.dtype == E4M3 and scales.dtype == torch.float32 and (codes.float() == 448).all()


def test_the_nearest_code_is_taken_and_ties_go_to_even() -> None:
    ties = torch.tensor([[448.0, 17.0, 19.0, 18.0, -17.0, -19.0, 2.0**-10, 3 * 2.0**-10]])
    codes, scales = quantize_blocks(ties)
    assert scales.item() == 1.0
    assert codes.float().tolist() == [[448.0, 16.0, 20.0, 18.0, -16.0, -20.0, 0.0, 2.0**-8]]


def test_zeros_stay_zeros_with_their_signs() -> None:
    weight = torch.tensor([[0.0, -0.0]]).repeat(1, 100)
    codes, scales = quantize_blocks(weight)
    assert torch.equal(scales, torch.ones(1, 2))
    assert same_bits(dequantize_blocks(codes, scales), weight)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_no_finite_number_is_refused(value: float) -> None:
    weight = torch.zeros(130, 130)
    weight[129, 129] = value
    with pytest.raises(ValueError, match="infinite or no number"):
        quantize_blocks(weight)


def test_the_largest_floats_do_not_overflow_and_the_smallest_keep_a_scale() -> None:
    largest = torch.finfo(torch.float32).max
    assert dequantize_blocks(*quantize_blocks(torch.tensor([[largest]]))).item() == largest
    codes, scales = quantize_blocks(torch.tensor([[2.0**-149]]))
    assert dequantize_blocks(codes, scales).item() == 2.0**-149


def choose_one(codes: Tensor, scales: Tensor) -> Tensor:
    """The scale that a block with these codes gets, for each of many scales: here a block is a row."""
    weights = codes.float() * scales[:, None]
    return choose_scales(weights[:, None, None], weights.abs().amax(1)[:, None])[:, 0]


def draw_scales(count: int, seed: int) -> Tensor:
    """The largest magnitudes of blocks over all of float32 but its smallest numbers, / 448."""
    generator = torch.Generator().manual_seed(seed)
    bits = torch.randint(0x0B000000, 0x7F000000, (count,), generator=generator, dtype=torch.int32)
    return bits.view(torch.float32) / 448.0


def test_of_two_million_scales_all_come_back_from_the_weights_that_they_made() -> None:
    """Even where a block has no more than the one code that the largest magnitude always gets."""
    scales = draw_scales(2_000_000, 0)
    lone = torch.tensor([448.0]).to(E4M3)
    assert torch.equal(choose_one(lone, scales), scales)


def test_all_codes_come_back_with_their_scale_whatever_it_is() -> None:
    codes, scales = all_codes(), draw_scales(20_000, 1)
    weights = codes.float() * scales[:, None]
    assert torch.equal(choose_one(codes, scales), scales)
    assert same_bits(encode(weights, scales[:, None]), codes.expand(len(scales), -1))


def test_scales_that_were_computed_otherwise_come_back_too() -> None:
    """As largest · (1/448), which is not always largest / 448, and as powers of two, from codes below 448."""
    codes = all_codes()
    others = (draw_scales(20_000, 2) * 448) * torch.tensor(1 / 448)
    assert torch.equal(choose_one(codes, others), others)
    powers = torch.ldexp(torch.ones(60), torch.arange(-40, 20))
    smaller = codes[codes.float().abs() <= 240]
    assert torch.equal(choose_one(smaller, powers), powers)


@pytest.mark.parametrize("shape", [(576, 320), (7, 300), (256, 128)])
def test_a_round_trip_of_whole_weights_changes_no_bit(shape: tuple[int, int]) -> None:
    codes, scales = quantize_blocks(draw_normal(shape, 3, 0.006))
    again = quantize_blocks(dequantize_blocks(codes, scales))
    assert same_bits(again[0], codes) and same_bits(again[1], scales)
    assert (dequantize_blocks(codes, scales) - draw_normal(shape, 3, 0.006)).abs().max() < 0.02 * 0.06


def test_a_file_in_fp8_has_the_codes_that_training_multiplies() -> None:
    weight = draw_normal((300, 200), 3, 0.006)
    trained, (codes, scales) = quantize_weight(weight), quantize_blocks(weight)
    assert same_bits(trained.codes, codes) and same_bits(trained.scales, scales)
    assert same_bits(trained.dequantize(), dequantize_blocks(codes, scales))
    several = quantize_weight(torch.stack([weight, 2 * weight]))  # of two experts
    assert same_bits(several.codes[1], codes) and same_bits(several.scales[0], scales)
