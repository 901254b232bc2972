import copy

import pytest
import torch
from torch import Tensor, nn

from dspipe.recipe import Train
from dspipe.train.optimizer import AdamW, clip_gradient
from tests.reference.networks import small_network


def test_matrices_decay_and_norms_do_not() -> None:
    network = small_network()
    optimizer = AdamW(network, Train(weight_decay=0.1))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step(0.5)
    for name, parameter in network.named_parameters():
        factor = 1.0 if parameter.ndim == 1 else 0.95
        torch.testing.assert_close(parameter.detach(), before[name] * factor)


def test_every_parameter_is_optimized_once_and_no_bias_of_a_gate() -> None:
    network = small_network()
    optimizer = AdamW(network, Train())
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step(0.1)
    assert set(optimizer.state) == set(network.parameters())
    assert {float(state["step"]) for state in optimizer.state.values()} == {1.0}


def step_beside_torch(moments: str, steps: int) -> list[tuple[Tensor, Tensor]]:
    """Weights of ours and of torch's fused AdamW after some steps of the same gradients."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(70, 33), (5,), (1100, 1000), (1, 1), (3, 4, 5)]  # the third is taken in two parts
    ours = nn.ParameterList(nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes)
    theirs = copy.deepcopy(ours)
    settings = Train(moments=moments, weight_decay=0.1, beta1=0.9, beta2=0.95)
    optimizer = AdamW(ours, settings)
    groups = [{"params": [p], "weight_decay": 0.1 if p.ndim > 1 else 0.0} for p in theirs]
    reference = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), eps=1e-8, fused=True)
    for step in range(steps):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator) * 10.0 ** (step - 4)
            other.grad = mine.grad.clone()
        for group in reference.param_groups:
            group["lr"] = 1e-2 / (step + 1)
        optimizer.step(1e-2 / (step + 1))
        reference.step()
    return list(zip(ours, theirs, strict=True))


def test_with_moments_of_float32_it_is_the_adamw_of_torch_bit_for_bit() -> None:
    for mine, other in step_beside_torch("float32", 7):
        assert torch.equal(mine, other)


def test_moments_of_bfloat16_are_rounded_between_steps_and_nothing_else_is() -> None:
    pairs = step_beside_torch("bfloat16", 7)
    assert any(not torch.equal(mine, other) for mine, other in pairs)
    for mine, other in pairs:
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-3)
    for mine, other in step_beside_torch("bfloat16", 1):  # the first step sees no moment that was rounded
        assert torch.equal(mine, other)


def test_an_updated_weight_is_told_at_once_and_its_gradient_forgotten() -> None:
    network = nn.ParameterList([nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(3))])
    told: list[tuple[Tensor, bool]] = []
    before = [parameter.detach().clone() for parameter in network]

    def note(parameter: Tensor) -> None:
        told.append((parameter, torch.equal(parameter, before[0])))

    optimizer = AdamW(network, Train(), note)
    network[0].grad = torch.ones(3, 3)
    optimizer.step(0.1)
    assert len(told) == 1 and told[0][0] is network[0] and not told[0][1]
    assert network[0].grad is None and torch.equal(network[1], before[1])
    assert optimizer.state[network[0]]["exp_avg"].dtype == torch.bfloat16


def test_a_long_gradient_is_cut_and_a_short_one_is_not() -> None:
    network = small_network()
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 0.01)
    length = 0.01 * sum(p.numel() for p in network.parameters()) ** 0.5
    assert float(clip_gradient(network, 1e6)) == pytest.approx(length, rel=1e-4)
    assert float(clip_gradient(network, length / 2)) == pytest.approx(length, rel=1e-4)
    assert float(clip_gradient(network, 1e6)) == pytest.approx(length / 2, rel=1e-4)
