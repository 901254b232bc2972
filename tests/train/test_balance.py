import pytest
import torch

from dspipe.recipe import Train
from dspipe.train.balance import average_violation, max_violations, update_biases
from dspipe.train.schedule.course import Weights
from dspipe.train.step import accumulate_gradient
from tests.reference.networks import random_batch, small_network

WEIGHTS = Weights(bias_speed=0.001, mtp=0.3, sequence=1e-4)


def test_biases_move_by_the_sign_of_what_is_missing() -> None:
    network = small_network()
    layers = list(network.sparse_layers.values())
    before = [layer.gate.bias.clone() for layer in layers]
    loads = torch.tensor([[2, 2, 2, 2, 2, 2, 2, 2], [9, 0, 1, 1, 1, 2, 1, 1], [8, 8, 0, 0, 0, 0, 0, 0]])
    update_biases(layers, loads, 0.001)
    signs = [
        (layer.gate.bias - b).mul(1000).round().tolist() for layer, b in zip(layers, before, strict=True)
    ]
    assert signs == [[0] * 8, [-1, 1, 1, 1, 1, 0, 1, 1], [-1, -1, 1, 1, 1, 1, 1, 1]]


def test_multi_token_layers_are_balanced_too() -> None:
    network, batch = small_network(mtp_depth=2), random_batch([[13], [9]], 13)
    layers = network.sparse_layers
    before = {name: layer.gate.bias.clone() for name, layer in layers.items()}
    loads = accumulate_gradient(network, batch, Train(model=network.config), WEIGHTS).loads_SE
    update_biases(layers.values(), loads, 0.01)
    for (name, layer), load in zip(layers.items(), loads, strict=True):
        expected = 0.01 * torch.sign(load.double().mean() - load.double()).float()
        torch.testing.assert_close(layer.gate.bias - before[name], expected, rtol=1e-4, atol=1e-7)
        assert expected.any(), name


def test_loads_are_those_of_the_whole_step_and_counted_once() -> None:
    network, batch = small_network(), random_batch([[13], [4, 3], [], [1]], 13)
    settings = Train(model=network.config, batch_size=4)
    loads = accumulate_gradient(network, batch, settings, WEIGHTS, size=2).loads_SE
    assert loads.sum(1).tolist() == [21 * 3, 21 * 3, (21 - 3) * 3]


def test_a_forward_pass_leaves_the_network_as_it_was() -> None:
    network, batch = small_network(), random_batch([[13]], 13)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        first, second = network(batch), network(batch)
    assert torch.equal(first.loads_SE, second.loads_SE)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_gate_without_bias_is_left_alone() -> None:
    network = small_network(gate="softmax", mtp_depth=0)
    update_biases(network.sparse_layers.values(), torch.ones(2, 8, dtype=torch.int64), 0.1)
    assert not list(network.buffers())


def test_max_violation_is_of_layers_and_averaged_over_those_that_saw_tokens() -> None:
    found = max_violations(torch.tensor([[2, 2, 2, 2], [0, 0, 0, 0], [8, 0, 0, 0], [2, 3, 1, 2]]))
    assert found == [0.0, None, 3.0, 0.5]
    assert average_violation(found) == pytest.approx(3.5 / 3)
    assert max_violations(torch.zeros(0, 4, dtype=torch.int64)) == []
    assert average_violation([]) is average_violation([None, None]) is None


def test_a_bias_that_moves_by_nothing_stays_to_the_bit() -> None:
    network = small_network()
    layers = list(network.sparse_layers.values())
    before = [layer.gate.bias.clone() for layer in layers]
    update_biases(layers, torch.arange(24).view(3, 8), 0.0)
    assert all(torch.equal(layer.gate.bias, b) for layer, b in zip(layers, before, strict=True))
