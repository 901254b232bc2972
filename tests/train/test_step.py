"""A step of several micro-batches: what is left of one when the next begins."""

import weakref
from typing import Any

import pytest
import torch

from dspipe.model.transformer import Transformer
from dspipe.recipe import Train
from dspipe.train.schedule.course import Weights
from dspipe.train.step import accumulate_gradient
from tests.reference.networks import random_batch, small_network


def test_nothing_that_a_micro_batch_has_made_lies_beside_what_the_next_one_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, forward = small_network(), Transformer.forward
    made: list[weakref.ref[torch.Tensor]] = []

    def watch(network: Transformer, batch: Any) -> Any:
        assert all(tensor() is None for tensor in made)
        output = forward(network, batch)
        made.extend(weakref.ref(hidden) for hidden in output.hidden_BLD)
        return output

    monkeypatch.setattr(Transformer, "forward", watch)
    batch = random_batch([[13], [9], [4, 3]], 13)
    accumulate_gradient(network, batch, Train(model=network.config), Weights(0.0, 0.3), size=1)
    assert len(made) == 6
