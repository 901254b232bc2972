"""The slow twin of `dspipe.model.costs`: what a network multiplies, counted while it runs."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dspipe.batch import PackedBatch
from dspipe.model.transformer import Transformer
from dspipe.train.loss import compute_losses, count_targets
from dspipe.train.schedule.course import Weights

WEIGHTS = Weights(0.0, 0.3, 1e-4)


class ProductCounter(TorchDispatchMode):
    """Counts 2·m·n·k of every matrix product; attention's are left to the caller, who knows the mask."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        if name in ("mm", "addmm", "addmm_"):
            one, other = args[-2:]
            self.operations += 2 * one.shape[0] * one.shape[1] * other.shape[1]
        assert name not in ("bmm", "baddbmm", "matmul"), "a product that is not counted"
        return function(*args, **(kwargs or {}))


def count_products(network: Transformer, batch: PackedBatch) -> int:
    """Operations of a forward and backward pass, attention's scores not counted."""
    with ProductCounter() as counter:
        run(network, batch).backward()  # type: ignore[no-untyped-call]
    return counter.operations


def run(network: Transformer, batch: PackedBatch) -> Tensor:
    return compute_losses(network(batch), network.head, batch, count_targets(batch), WEIGHTS).total
