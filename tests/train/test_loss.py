from typing import Any

import pytest
import torch

import dspipe.train.loss
from dspipe.batch import IGNORED
from dspipe.recipe import Train
from dspipe.train.loop import accumulate_gradient
from dspipe.train.loss import compute_losses, count_targets, sum_cross_entropy
from tests.reference import plain_loss
from tests.reference.networks import random_batch, small_model, small_network


def random_problem(tokens: int = 37, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(tokens, 12, generator=generator) * scale
    head = torch.randn(50, 12, generator=generator)
    targets = torch.randint(0, 50, (tokens,), generator=generator)
    targets[::5] = IGNORED
    return hidden.requires_grad_(), head.requires_grad_(), targets


@pytest.mark.parametrize("chunk", [1, 7, 37, 1000])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_loss_by_chunks_equals_the_plain_one(
    chunk: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dspipe.train.loss, "CHUNK_LOGITS", chunk * 50)
    hidden, head, targets = random_problem(scale=scale)
    fast = sum_cross_entropy(hidden, head, targets, 0.1)
    slow = plain_loss.sum_cross_entropy(hidden, head, targets, 0.1)
    torch.testing.assert_close(fast, slow)
    gradients = [torch.autograd.grad(loss * 3, [hidden, head]) for loss in (fast, slow)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * scale)


def test_no_target_at_all_gives_zero_and_no_gradient() -> None:
    hidden, head, targets = random_problem()
    loss = sum_cross_entropy(hidden, head, torch.full_like(targets, IGNORED), 1.0)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert hidden.grad is not None and head.grad is not None
    assert not hidden.grad.any() and not head.grad.any()


LENGTHS = [[5, 8], [3], [13], [1], [], [2]]


@pytest.mark.parametrize("depth", [1, 2])
def test_multi_token_loss_equals_the_shift_by_hand(depth: int) -> None:
    network, batch = small_network(mtp_depth=depth), random_batch(LENGTHS, 13)
    output = network(batch)
    losses = compute_losses(output, network.head, batch, count_targets(batch), Train(model=network.config))
    by_hand = [
        plain_loss.multi_token_loss(output.hidden_BLD[k], network.head, batch, k) for k in range(1, depth + 1)
    ]
    assert losses.mtp is not None
    torch.testing.assert_close(losses.mtp, torch.stack(by_hand).mean())


def test_the_total_weighs_its_parts() -> None:
    network, batch = small_network(mtp_depth=2), random_batch(LENGTHS, 13)
    settings = Train(model=network.config, mtp_weight=0.3, balance_weight=0.01)
    losses = compute_losses(network(batch), network.head, batch, count_targets(batch), settings)
    assert losses.mtp is not None and losses.balance is not None
    layers = len(network.sparse_layers)
    torch.testing.assert_close(losses.total, losses.main + 0.3 * losses.mtp + 0.01 * layers * losses.balance)


@pytest.mark.parametrize("lengths", [[[]], [[1]], [[2]], [[], []]])
def test_rows_without_multi_token_targets_give_zero_not_nan(lengths: list[list[int]]) -> None:
    network = small_network()
    values, _ = accumulate_gradient(network, random_batch(lengths, 6), Train(model=network.config))
    assert values["mtp_loss"] == 0.0
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_accumulation_over_micro_batches_equals_the_full_batch(micro_batch: int) -> None:
    results: list[tuple[Any, ...]] = []
    for size in (None, micro_batch):
        network, batch = small_network(mtp_depth=2), random_batch(LENGTHS, 13)
        settings = Train(model=network.config, micro_batch=size, balance_weight=0.05, batch_size=6)
        values, loads = accumulate_gradient(network, batch, settings)
        results.append((values, loads, [p.grad for p in network.parameters()]))
    (full, full_loads, full_grads), (parts, parts_loads, parts_grads) = results
    assert parts == pytest.approx(full, rel=1e-6)
    assert torch.equal(full_loads, parts_loads)
    for a, b in zip(full_grads, parts_grads, strict=True):
        assert (a - b).abs().max() <= 1e-6 * max(1.0, float(a.abs().max()))


def test_the_head_learns_from_the_main_loss_and_from_every_depth() -> None:
    network, batch = small_network(), random_batch([[13]], 13)
    gradients = []
    for weight in (0.0, 1.0):
        network.zero_grad()
        accumulate_gradient(network, batch, Train(model=small_model(), mtp_weight=weight))
        assert network.head.grad is not None
        gradients.append(network.head.grad.clone())
    assert not torch.allclose(*gradients)
