from typing import Any

import pytest
import torch

from dspipe.batch import PackedBatch
from dspipe.model.attention.rope import turn_positions
from dspipe.recipe import Yarn
from tests.reference.naive_attention import run_attention
from tests.reference.networks import small_model, small_network

SHAPES: list[dict[str, Any]] = [
    {},
    {"query_rank": None},
    {"value_width": 16},
    {"head_width": 7, "heads": 1},
    {"yarn": Yarn(factor=4.0, original_length=8, beta_fast=1.0, beta_slow=0.1)},
]


def random_input(rows: int, length: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(rows, length, 21, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("changes", SHAPES)
def test_attention_equals_the_loop_over_heads_queries_and_keys(changes: dict[str, Any]) -> None:
    layer, x = small_network(**changes).blocks[1].attention, random_input(1, 11)
    rotary = turn_positions(torch.arange(11), layer.config)
    torch.testing.assert_close(layer(x, rotary)[0], run_attention(layer, x[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("changes", SHAPES)
def test_documents_apart_equal_the_loop_too(changes: dict[str, Any]) -> None:
    layer, x = small_network(**changes).blocks[1].attention, random_input(2, 11)
    batch = PackedBatch.from_lengths(torch.zeros(2, 11).numpy(), [[4, 1, 6], [3, 5]]).keep_apart()
    drawn = layer(x, turn_positions(torch.arange(11), layer.config), batch.ends_D)
    for row, documents in enumerate(batch.document_BL.tolist()):
        by_loop = run_attention(layer, x[row], documents)
        torch.testing.assert_close(drawn[row], by_loop, rtol=1e-4, atol=1e-5)


def test_documents_apart_have_the_gradients_of_a_mask() -> None:
    layer, x = small_network().blocks[1].attention, random_input(2, 13).requires_grad_()
    batch = PackedBatch.from_lengths(torch.zeros(2, 13).numpy(), [[4, 9], [13]]).keep_apart()
    rotary = turn_positions(torch.arange(13), layer.config)
    layer(x, rotary, batch.ends_D)[0, 7].sum().backward()
    assert x.grad is not None
    reached = x.grad.abs().sum(-1) > 0
    assert reached[0].tolist() == [False] * 4 + [True] * 4 + [False] * 5
    assert not reached[1].any()


def test_a_later_token_changes_nothing_before_it() -> None:
    layer, x = small_network().blocks[0].attention, random_input(1, 9)
    rotary = turn_positions(torch.arange(9), small_model())
    changed = x.clone()
    changed[:, 6:] += 1
    before, after = layer(x, rotary), layer(changed, rotary)
    torch.testing.assert_close(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:])
