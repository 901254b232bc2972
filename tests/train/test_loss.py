from dataclasses import replace
from typing import Any

import pytest
import torch

import dspipe.train.loss
from dspipe.batch import IGNORED
from dspipe.recipe import Train
from dspipe.train.loss import compute_losses, count_targets, measure_cross_entropy, sum_cross_entropy
from dspipe.train.schedule.course import Weights
from dspipe.train.step import accumulate_gradient
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


def test_the_loss_passes_gradcheck_in_64_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dspipe.train.loss, "CHUNK_LOGITS", 3 * 50)
    hidden, head, targets = random_problem(tokens=8)
    wide = [tensor.detach().double().requires_grad_() for tensor in (hidden, head)]
    assert torch.autograd.gradcheck(lambda *both: sum_cross_entropy(*both, targets, 0.1), wide)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_losses_of_tokens_add_up_to_the_loss(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dspipe.train.loss, "CHUNK_LOGITS", chunk * 50)
    hidden, head, targets = random_problem()
    losses = measure_cross_entropy(hidden, head, targets)
    torch.testing.assert_close(losses.sum(), sum_cross_entropy(hidden, head, targets, 1.0))
    expected = torch.nn.functional.cross_entropy(hidden @ head.T, targets, reduction="none")
    torch.testing.assert_close(losses, expected)
    assert not losses.requires_grad and not losses[targets == IGNORED].any()


LENGTHS = [[5, 8], [3], [13], [1], [], [2]]
WEIGHTS = Weights(bias_speed=0.001, mtp=0.3, sequence=1e-4)
ALL = Weights(0.0, 0.3, 0.05, 0.06, 0.07, 0.08)


@pytest.mark.parametrize("depth", [1, 2])
def test_multi_token_loss_equals_the_shift_by_hand(depth: int) -> None:
    network, batch = small_network(mtp_depth=depth), random_batch(LENGTHS, 13)
    output = network(batch)
    losses = compute_losses(output, network.head, batch, count_targets(batch), WEIGHTS)
    by_hand = [
        plain_loss.multi_token_loss(output.hidden_BLD[k], network.head, batch, k) for k in range(1, depth + 1)
    ]
    assert losses.mtp is not None
    torch.testing.assert_close(losses.mtp, torch.stack(by_hand).mean())


def test_the_total_weighs_its_parts() -> None:
    network, batch = small_network(mtp_depth=2), random_batch(LENGTHS, 13)
    output = network(batch)
    weights = Weights(0.0, 0.3, 0.01, 0.02, 0.03, 0.04)
    losses = compute_losses(output, network.head, batch, count_targets(batch), weights)
    assert losses.mtp is not None and losses.balance is not None
    terms = (output.balance_ST / 5 * torch.tensor(weights[2:])).sum()  # one of six rows has no token
    torch.testing.assert_close(losses.total, losses.main + 0.3 * losses.mtp + terms)
    torch.testing.assert_close(losses.balance, (output.balance_ST[:, 0] / 5).mean())


def test_a_term_without_weight_leaves_no_trace() -> None:
    """Not even that of a gradient of zeros, which would have to be computed."""
    network, batch = small_network(), random_batch(LENGTHS, 13)
    gradients = []
    for without in (False, True):
        network.zero_grad()
        output = network(batch)
        if without:
            output = replace(output, balance_ST=output.balance_ST.detach() * float("nan"))
        compute_losses(output, network.head, batch, count_targets(batch), Weights(0.0, 0.3)).total.backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@pytest.mark.parametrize("lengths", [[[]], [[1]], [[2]], [[], []]])
def test_rows_without_multi_token_targets_give_zero_not_nan(lengths: list[list[int]]) -> None:
    network = small_network()
    shares = accumulate_gradient(network, random_batch(lengths, 6), Train(model=network.config), ALL)
    assert shares.mtp_loss == 0.0
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("micro_batch", [1, 2, 3])
def test_accumulation_over_micro_batches_equals_the_full_batch(micro_batch: int) -> None:
    results: list[tuple[Any, ...]] = []
    for size in (None, micro_batch):
        network, batch = small_network(mtp_depth=2, groups=4, chosen_groups=2), random_batch(LENGTHS, 13)
        shares = accumulate_gradient(
            network, batch, Train(model=network.config, batch_size=6), ALL, size=size
        )
        values = [float(share) for share in (shares.loss, shares.mtp_loss, shares.balance_loss)]
        results.append((values, shares.loads_SE, [p.grad for p in network.parameters()]))
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
        accumulate_gradient(network, batch, Train(model=small_model()), Weights(0.0, weight))
        assert network.head.grad is not None
        gradients.append(network.head.grad.clone())
    assert not torch.allclose(*gradients)
