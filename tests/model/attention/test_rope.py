import math
from typing import Any

import pytest
import torch
from transformers import DeepseekV3Config
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from dspipe.model.attention.rope import compute_frequencies, compute_rotations, find_ramp, rotate, score_scale
from dspipe.recipe import Model, Yarn
from tests.reference.naive_attention import frequency
from tests.reference.networks import small_model

CPU = torch.device("cpu")
V3 = Model(head_width=128, rope_width=64, yarn=Yarn())


def test_rotation_takes_interleaved_pairs() -> None:
    rotations = compute_rotations(torch.tensor([1]), small_model(rope_width=4, rope_theta=100.0))
    rotated = rotate(torch.tensor([1.0, 0.0, 0.0, 2.0]).view(1, 1, 1, 4), rotations).flatten()
    one, tenth = torch.tensor(1.0), torch.tensor(0.1)
    torch.testing.assert_close(
        rotated, torch.stack([one.cos(), one.sin(), -2 * tenth.sin(), 2 * tenth.cos()])
    )


def test_scores_depend_on_the_distance_alone() -> None:
    rotations = compute_rotations(torch.arange(50), small_model(rope_width=8))
    x, y = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(1)).expand(2, 1, 50, 1, 8)
    x, y = rotate(x, rotations)[0, :, 0], rotate(y, rotations)[0, :, 0]
    torch.testing.assert_close(x[7] @ y[3], x[44] @ y[40], rtol=1e-4, atol=1e-4)


def test_yarn_has_the_published_ramp_and_scale() -> None:
    assert V3.yarn is not None
    assert find_ramp(V3.yarn, 64, 10_000.0) == (10, 23)
    assert score_scale(V3) == pytest.approx(192**-0.5 * 1.8739, rel=1e-4)
    assert score_scale(Model(head_width=128, rope_width=64)) == pytest.approx(192**-0.5, rel=1e-15)
    two = Model(head_width=128, rope_width=64, yarn=Yarn(mscale=0.707))
    assert score_scale(two) == pytest.approx(192**-0.5 * (0.0707 * math.log(40) + 1) ** 2)


def test_fast_pairs_stay_and_slow_ones_are_slowed_by_the_factor() -> None:
    plain = compute_frequencies(Model(rope_width=64), CPU)
    slowed = compute_frequencies(V3, CPU)
    assert torch.equal(slowed[:11], plain[:11])
    torch.testing.assert_close(slowed[23:], plain[23:] / 40)
    assert bool((slowed[11:23] < plain[11:23]).all() and (slowed[11:23] > plain[11:23] / 40).all())


@pytest.mark.parametrize(
    "yarn",
    [Yarn(), Yarn(factor=2.5, original_length=300), Yarn(beta_fast=4.0, beta_slow=0.5), Yarn(mscale=0.707)],
)
@pytest.mark.parametrize("width", [8, 32, 64])
def test_frequencies_are_those_of_the_formula_and_of_transformers(yarn: Yarn, width: int) -> None:
    config = Model(rope_width=width, yarn=yarn)
    ours = compute_frequencies(config, CPU)
    by_hand = torch.tensor([frequency(pair, config) for pair in range(width // 2)])
    torch.testing.assert_close(ours, by_hand, rtol=1e-6, atol=0)
    parameters: dict[str, Any] = {
        "rope_type": "yarn", "rope_theta": 10_000.0, "factor": yarn.factor, "mscale": yarn.mscale,
        "mscale_all_dim": yarn.mscale, "beta_fast": yarn.beta_fast, "beta_slow": yarn.beta_slow,
        "original_max_position_embeddings": yarn.original_length,
    }  # fmt: skip
    theirs, factor = ROPE_INIT_FUNCTIONS["yarn"](
        DeepseekV3Config(qk_rope_head_dim=width, rope_parameters=parameters), CPU
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
    assert factor == 1.0
