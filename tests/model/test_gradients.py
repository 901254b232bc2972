"""Gradients beside differences in float64: of every function with a backward of its own, and of the whole."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from dspipe.batch import IGNORED
from dspipe.model.activation import swiglu
from dspipe.model.attention.rope import compute_rotations, rotate
from dspipe.model.experts.routed import route as run
from dspipe.model.experts.routed import sort_by_expert
from dspipe.model.norm import RootMeanSquare
from dspipe.model.products.plain import PLAIN
from dspipe.recipe import Yarn
from dspipe.train.loss import compute_losses, count_targets, sum_cross_entropy
from dspipe.train.schedule.course import Weights
from tests.reference.networks import random_batch, small_model, small_network

ROUTES = {
    "any": [[0, 2], [3, 1], [2, 3], [0, 1], [1, 2]],
    "empty experts": [[0, 2], [2, 0], [0, 2], [2, 0], [0, 2]],
    "all to one": [[3]] * 5,
}


def random(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def test_rotation() -> None:
    rotations = compute_rotations(torch.arange(3), small_model(rope_width=6)).to(torch.complex128)
    assert gradcheck(lambda x: rotate(x, rotations), (random(2, 3, 2, 6),))


def test_norm() -> None:
    assert gradcheck(lambda x, w: RootMeanSquare.apply(x, w, 1e-6), (random(2, 3, 7), random(7, seed=2)))


def test_swiglu() -> None:
    assert gradcheck(swiglu, (random(3, 10),))


@pytest.mark.parametrize("route", ROUTES)
def test_routed_experts(route: str) -> None:
    experts = torch.tensor(ROUTES[route])
    dispatch = sort_by_expert(experts, 4)
    parts = (random(5, 3), random(*experts.shape, seed=2), random(4, 8, 3, seed=3), random(4, 3, 4, seed=4))
    assert gradcheck(lambda x, gates, *weights: run(x, gates, weights, dispatch, PLAIN), parts)


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_cross_entropy_by_chunks(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dspipe.train.loss.CHUNK_LOGITS", chunk * 11)
    targets = torch.tensor([4, IGNORED, 10, 0, 4, IGNORED, 7])
    assert gradcheck(
        lambda h, w: sum_cross_entropy(h, w, targets, 0.3), (random(7, 5), random(11, 5, seed=2))
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"mtp_depth": 2},
        {
            "mtp_input": "norm",
            "groups": 4,
            "chosen_groups": 2,
            "yarn": Yarn(original_length=8, beta_fast=1.0),
        },
        {"query_rank": None, "gate": "softmax", "shared_experts": 0, "mtp_depth": 0},
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_the_whole_loss(changes: dict[str, Any], apart: bool) -> None:
    network, batch = small_network(**changes).double(), random_batch([[8, 5], [9]], 13)
    batch = batch.keep_apart() if apart else batch
    weighing = Weights(0.0, 0.3, 0.1, 0.2, 0.3, 0.4)
    counts, weights = count_targets(batch), list(network.parameters())

    def compute_loss() -> Tensor:
        return compute_losses(network(batch), network.head, batch, counts, weighing).total

    gradients = torch.autograd.grad(compute_loss(), weights, allow_unused=True)
    for number, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
        direction = random(*weight.shape, seed=number).detach()
        direction /= direction.norm()
        with torch.no_grad():
            sides = []
            for step in (1e-6, -2e-6):
                weight += step * direction
                sides.append(compute_loss())
            weight += 1e-6 * direction
        slope = 0.0 if gradient is None else float((gradient * direction).sum())
        assert float(sides[0] - sides[1]) / 2e-6 == pytest.approx(slope, rel=1e-4, abs=1e-7)
