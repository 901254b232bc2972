import pytest
import torch

from dspipe.model.experts.gate import choose_experts
from dspipe.model.experts.layer import Experts
from dspipe.model.experts.routed import sort_by_expert
from tests.reference.moe_loop import run_layer
from tests.reference.networks import small_network

GATES = [
    {},
    {"groups": 4, "chosen_groups": 2},
    {"groups": 8, "chosen_groups": 5},
    {"gate": "softmax", "gate_scale": 1.0, "mtp_depth": 0},
    {"gate": "softmax", "gate_scale": 16.0, "groups": 4, "chosen_groups": 2, "mtp_depth": 0},
    {"shared_experts": 0},
    {"shared_experts": 2, "chosen_experts": 1},
]


def make_layer(**changes: object) -> Experts:
    layer = small_network(**changes).blocks[1].mlp
    assert isinstance(layer, Experts)
    return layer


def random_input(rows: int = 2, length: int = 13, seed: int = 3) -> torch.Tensor:
    return torch.randn(rows, length, 21, generator=torch.Generator().manual_seed(seed))


def compare_with_the_loop(layer: Experts, x_BLD: torch.Tensor) -> list[list[int]]:
    """Outputs and all gradients; returns the loop's choices."""
    ones = torch.ones(x_BLD.shape[:2], dtype=torch.bool)
    direction = torch.randn(x_BLD.shape, generator=torch.Generator().manual_seed(9))
    x_fast, x_slow = x_BLD.clone().requires_grad_(), x_BLD.clone().requires_grad_()
    weights = list(layer.parameters())
    y_fast, report = layer(x_fast, ones)
    fast = torch.autograd.grad((y_fast * direction).sum(), [x_fast, *weights])
    y_slow, choices = run_layer(layer, x_slow.flatten(0, 1))
    slow = torch.autograd.grad(
        (y_slow.view_as(direction) * direction).sum(), [x_slow, *weights], allow_unused=True
    )
    torch.testing.assert_close(y_fast.flatten(0, 1), y_slow, rtol=1e-4, atol=1e-4)
    for a, b in zip(fast, slow, strict=True):
        torch.testing.assert_close(a, torch.zeros_like(a) if b is None else b, rtol=1e-4, atol=1e-4)
    counts = [sum(expert in choice for choice in choices) for expert in range(layer.config.experts)]
    assert report.loads_E.tolist() == counts
    return choices


@pytest.mark.parametrize("changes", GATES)
def test_experts_equal_the_loop_over_tokens(changes: dict[str, object]) -> None:
    compare_with_the_loop(make_layer(**changes), random_input())


def test_all_tokens_to_the_same_experts_leaves_the_others_empty() -> None:
    layer = make_layer(chosen_experts=1)
    assert layer.gate.bias is not None
    layer.gate.bias[5] = 100.0
    choices = compare_with_the_loop(layer, random_input())
    assert {tuple(choice) for choice in choices} == {(5,)}


def test_a_single_token_goes_to_its_experts() -> None:
    compare_with_the_loop(make_layer(), random_input(1, 1))


def test_a_rejected_group_never_wins_over_a_negative_affinity() -> None:
    layer = make_layer(groups=4, chosen_groups=2, chosen_experts=4)
    affinity = torch.tensor([[0.9, 0.8, 0.1, 0.1, 0.7, 0.1, 0.1, 0.1]])
    chosen = choose_experts(affinity, torch.full((8,), -2.0), layer.config)
    assert sorted(chosen[0].tolist()) == [0, 1, 4, 5]


def test_the_bias_chooses_and_does_not_weigh() -> None:
    layer, x = make_layer(shared_experts=0), random_input()
    assert layer.gate.bias is not None
    layer.gate.bias.fill_(0.0)
    before = layer.gate(x.flatten(0, 1))
    layer.gate.bias.fill_(-0.7)
    after = layer.gate(x.flatten(0, 1))
    assert torch.equal(before.experts_NK, after.experts_NK)
    assert torch.equal(before.gates_NK, after.gates_NK)
    torch.testing.assert_close(after.gates_NK.sum(1), torch.full((26,), 2.5))


def test_places_are_sorted_by_expert_and_stable_within_one() -> None:
    dispatch = sort_by_expert(torch.tensor([[2, 0], [2, 1], [0, 2]]), 4)
    assert dispatch.order_M.tolist() == [1, 4, 3, 0, 2, 5]
    assert dispatch.place_NK.tolist() == [[3, 0], [4, 2], [1, 5]]
    assert dispatch.ends_E.tolist() == [2, 3, 6, 6]
