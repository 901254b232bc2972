import pytest
import torch

from dspipe.model.rope import compute_rotations, rotate
from tests.reference.naive_attention import run_attention
from tests.reference.networks import small_network

SHAPES = [{}, {"query_rank": None}, {"value_width": 16}, {"head_width": 7, "heads": 1}]


@pytest.mark.parametrize("changes", SHAPES)
def test_attention_equals_the_loop_over_heads_queries_and_keys(changes: dict[str, int]) -> None:
    layer = small_network(**changes).blocks[1].attention
    x_LD = torch.randn(11, 21, generator=torch.Generator().manual_seed(5))
    rotations = compute_rotations(torch.arange(11), layer.config.rope_width, layer.config.rope_theta)
    torch.testing.assert_close(
        layer(x_LD[None], rotations)[0], run_attention(layer, x_LD), rtol=1e-4, atol=1e-5
    )


def test_rotation_takes_interleaved_pairs() -> None:
    rotations = compute_rotations(torch.tensor([1]), 4, 100.0)
    rotated = rotate(torch.tensor([1.0, 0.0, 0.0, 2.0]).view(1, 1, 1, 4), rotations).flatten()
    one, tenth = torch.tensor(1.0), torch.tensor(0.1)
    torch.testing.assert_close(
        rotated, torch.stack([one.cos(), one.sin(), -2 * tenth.sin(), 2 * tenth.cos()])
    )


def test_scores_depend_on_the_distance_alone() -> None:
    rotations = compute_rotations(torch.arange(50), 8, 10_000.0)
    x, y = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(1)).expand(2, 1, 50, 1, 8)
    x, y = rotate(x, rotations)[0, :, 0], rotate(y, rotations)[0, :, 0]
    torch.testing.assert_close(x[7] @ y[3], x[44] @ y[40], rtol=1e-4, atol=1e-4)


def test_a_later_token_changes_nothing_before_it() -> None:
    layer = small_network().blocks[0].attention
    x = torch.randn(1, 9, 21, generator=torch.Generator().manual_seed(2))
    rotations = compute_rotations(torch.arange(9), 4, 10_000.0)
    changed = x.clone()
    changed[:, 6:] += 1
    before, after = layer(x, rotations), layer(changed, rotations)
    torch.testing.assert_close(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])
