import pytest
import torch

from dspipe.recipe import Train
from dspipe.train.optimizer import build_optimizer, clip_gradient, learning_rate, update_weights
from tests.reference.networks import small_network


def test_the_rate_warms_up_from_zero_and_stays() -> None:
    settings = Train(learning_rate=2.2e-4, warmup_steps=2000)
    rates = [learning_rate(settings, step) for step in (1, 1000, 2000, 2001, 10**6)]
    assert rates == pytest.approx([2.2e-4 / 2000, 1.1e-4, 2.2e-4, 2.2e-4, 2.2e-4])
    assert learning_rate(Train(warmup_steps=0), 1) == 2.2e-4


def test_matrices_decay_and_norms_do_not() -> None:
    network = small_network()
    optimizer = build_optimizer(network, Train(weight_decay=0.1))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    update_weights(optimizer, 0.5)
    for name, parameter in network.named_parameters():
        factor = 1.0 if parameter.ndim == 1 else 0.95
        torch.testing.assert_close(parameter.detach(), before[name] * factor)


def test_every_parameter_is_optimized_once_and_no_bias_of_a_gate() -> None:
    network = small_network()
    groups = build_optimizer(network, Train()).param_groups
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in network.parameters())


def test_a_long_gradient_is_cut_and_a_short_one_is_not() -> None:
    network = small_network()
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 0.01)
    length = 0.01 * sum(p.numel() for p in network.parameters()) ** 0.5
    assert float(clip_gradient(network, 1e6)) == pytest.approx(length, rel=1e-4)
    assert float(clip_gradient(network, length / 2)) == pytest.approx(length, rel=1e-4)
    assert float(clip_gradient(network, 1e6)) == pytest.approx(length / 2, rel=1e-4)
