"""The network on a GPU: the CPU's numbers, the same bits twice, and no waiting in the middle of a step."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dspipe.batch import PackedBatch
from dspipe.model.transformer import Transformer
from dspipe.recipe import Train
from dspipe.train.loss import Counts, compute_losses, count_targets
from dspipe.train.machine.device import choose_device, choose_precision
from dspipe.train.schedule.course import Weights
from tests.reference.networks import random_batch, small_network

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DOCUMENTS = [[40, 24, 64], [100], [1, 127]]
ALIGNED = dict(
    width=32, heads=4, query_rank=16, key_value_rank=16, head_width=16, rope_width=8, value_width=16,
    dense_width=32, expert_width=16, groups=4, chosen_groups=2, mtp_depth=2,
)  # fmt: skip


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    choose_device()
    yield
    torch.use_deterministic_algorithms(False)


def run(
    network: Transformer, batch: PackedBatch, counts: Counts, settings: Train
) -> tuple[Tensor, Tensor, list[Tensor | None]]:
    """Loss, loads and gradients."""
    network.zero_grad()
    with choose_precision(network.head.device, settings):
        output = network(batch)
        total = compute_losses(output, network.head, batch, counts, Weights(0.0, 0.3, 0.1)).total
    total.backward()  # type: ignore[no-untyped-call]
    return total.detach(), output.loads_SE, [parameter.grad for parameter in network.parameters()]


def test_float32_gives_the_numbers_of_a_cpu() -> None:
    network, batch = small_network(**ALIGNED), random_batch(DOCUMENTS, 128)
    settings, counts = Train(model=network.config, dtype="float32"), count_targets(batch)
    slow = run(copy.deepcopy(network), batch, counts, settings)
    fast = run(network.cuda(), batch.to(torch.device("cuda")), counts, settings)
    torch.testing.assert_close(fast[0].cpu(), slow[0], rtol=1e-5, atol=1e-5)
    for a, b in zip(fast[2], slow[2], strict=True):
        assert a is not None and b is not None
        assert (a.cpu() - b).abs().max() <= 1e-4 * b.abs().max().clamp(min=1e-3)


@pytest.mark.parametrize("apart", [False, True], ids=["rows", "documents"])
def test_bfloat16_is_near_float32_and_gives_the_same_bits_twice(apart: bool) -> None:
    network, batch = small_network(**ALIGNED), random_batch(DOCUMENTS, 128)
    batch = batch.keep_apart() if apart else batch
    settings, counts = Train(model=network.config), count_targets(batch)
    exact = run(network, batch, counts, settings)
    network, batch = network.cuda(), batch.to(torch.device("cuda"))
    first, second = run(network, batch, counts, settings), run(network, batch, counts, settings)
    assert float(first[0]) == pytest.approx(float(exact[0]), rel=0.02)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert all(torch.equal(a, b) for a, b in zip(first[2], second[2], strict=True))


def test_a_step_does_not_wait_for_the_gpu() -> None:
    network, batch = small_network(**ALIGNED).cuda(), random_batch(DOCUMENTS, 128)
    settings, counts = Train(model=network.config), count_targets(batch)
    batch = batch.keep_apart().to(torch.device("cuda"))
    run(network, batch, counts, settings)  # chooses its kernels
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        run(network, batch, counts, settings)
    finally:
        torch.cuda.set_sync_debug_mode("default")
