"""Where the first number is that is none: the layer and the tensor, in the forward or the backward pass."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from dspipe.model.products.linear import Linear
from dspipe.model.transformer import Transformer
from dspipe.recipe import Fp8, Train
from dspipe.train.diagnosis import locate_bad_numbers
from dspipe.train.machine.arithmetic import build_arithmetic
from dspipe.train.schedule.course import Weights
from dspipe.train.step import accumulate_gradient
from tests.reference.networks import random_batch, small_network


def locate(network: Transformer, mode: str = "off", **settings: Any) -> str | None:
    asked = Train(model=network.config, fp8=Fp8(mode="emulate"), **settings)
    arithmetic = build_arithmetic(asked, mode)
    for module in network.modules():
        if hasattr(module, "products"):
            module.products = arithmetic.products
    batch = random_batch([[9, 14], [30]], 32)
    return locate_bad_numbers(
        network, lambda: accumulate_gradient(network, batch, asked, Weights(0.0, 0.3), arithmetic)
    )


class Spoil(torch.autograd.Function):
    """Leaves x as it is and makes an infinity of its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        spoilt = grad.clone()
        spoilt[0, 3] = torch.inf
        return spoilt


@pytest.mark.parametrize("mode", ["off", "emulate"])
def test_nothing_is_found_where_all_is_well(mode: str) -> None:
    assert locate(small_network(), mode) is None


@pytest.mark.parametrize(("value", "name"), [(torch.nan, "NaN"), (torch.inf, "an infinity")])
def test_a_weight_is_named_first(value: float, name: str) -> None:
    network = small_network()
    with torch.no_grad():
        network.blocks[1].mlp.gate_up[2, 3, 4] = value
    assert locate(network) == f"blocks.1.mlp.gate_up has {name}"


@pytest.mark.parametrize("mode", ["off", "emulate"])
def test_the_output_of_the_first_layer_that_overflows_is_named(mode: str) -> None:
    network = small_network()
    with torch.no_grad():
        network.blocks[1].attention.query_down.weight.fill_(3e38)
    found = locate(network, mode)
    assert found is not None and found.startswith("the output of blocks.1.attention.query_down has")


@pytest.mark.parametrize("mode", ["off", "emulate"])
def test_the_first_gradient_that_overflows_is_named(mode: str) -> None:
    network = small_network()
    layer = network.blocks[2].attention.output

    def spoil(module: Linear, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        return Spoil.apply(output)

    layer.register_forward_hook(spoil)
    found = locate(network, mode)
    assert found is not None  # what the layer's own input gets is the first that a layer gives out
    pattern = r"the gradient of the output of blocks\.2\.attention\.\w+ has (NaN|an infinity)"
    assert re.fullmatch(pattern, found)


def test_hooks_are_gone_afterwards() -> None:
    network = small_network()
    locate(network)
    assert not any(module._forward_hooks for module in network.modules())
