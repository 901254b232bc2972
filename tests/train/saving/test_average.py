import threading

import pytest
import torch
from torch import nn

from dspipe.train.saving.average import Average


def make_network() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    network.register_buffer("counted", torch.ones(4))
    return network


def change(network: nn.Module, step: int) -> None:
    with torch.no_grad():
        for number, tensor in enumerate(network.state_dict().values()):
            tensor += step * 0.1 + number


def test_it_is_the_average_that_a_loop_takes() -> None:
    network = make_network()
    average = Average(network, 0.9)
    expected = {name: tensor.double() for name, tensor in network.state_dict().items()}
    for step in range(1, 40):
        average.settle()
        change(network, step)
        average.update(torch.zeros(()))
        decay = min(0.9, (1 + step) / (10 + step))
        for name, tensor in network.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * tensor.double()
    average.settle()
    for name, tensor in expected.items():
        assert average.tensors[name].dtype == torch.float32
        assert torch.allclose(average.tensors[name].double(), tensor, rtol=1e-5)
    assert int(average.updates) == 39
    average.close()


def test_a_step_that_was_skipped_is_not_taken_in() -> None:
    network = make_network()
    average = Average(network, 0.5)
    before = {name: tensor.clone() for name, tensor in average.tensors.items()}
    change(network, 1)
    average.update(torch.ones(()))
    average.settle()
    assert all(torch.equal(before[name], tensor) for name, tensor in average.tensors.items())
    assert int(average.updates) == 0
    average.close()


@pytest.mark.parametrize("fails", [False, True])
def test_it_takes_the_networks_place_and_gives_it_back_bit_for_bit(fails: bool) -> None:
    network, renewed = make_network(), list[int]()
    average = Average(network, 0.5)
    change(network, 3)
    average.update(torch.zeros(()))
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    try:
        with average.in_place(lambda parameter: renewed.append(id(parameter))):
            for name, tensor in network.state_dict().items():
                assert torch.equal(tensor, average.tensors[name]) and not torch.equal(tensor, own[name])
            if fails:
                raise ValueError
    except ValueError:
        assert fails
    assert all(torch.equal(own[name], tensor) for name, tensor in network.state_dict().items())
    assert renewed == 2 * [id(parameter) for parameter in network.parameters()]
    average.close()


def test_its_thread_ends_with_it() -> None:
    before = threading.active_count()
    average = Average(make_network(), 0.5)
    average.update(torch.zeros(()))
    average.close()
    assert threading.active_count() == before
