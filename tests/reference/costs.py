"""The slow twins of `dspipe.model.costs`: what a network multiplies and keeps, counted while it runs."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dspipe.batch import PackedBatch
from dspipe.model.transformer import Transformer
from dspipe.train.loss import compute_losses, count_targets
from dspipe.train.schedule import Weights

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


def count_kept(network: Transformer, batch: PackedBatch, dtype: torch.dtype) -> int:
    """Bytes that a forward pass keeps for the backward pass, parameters themselves not counted."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, Tensor] = {}  # alive, so that no place is used twice

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    precision = contextlib.nullcontext() if dtype == torch.float32 else torch.autocast("cpu", dtype)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), precision:
        run(network, batch)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def run(network: Transformer, batch: PackedBatch) -> Tensor:
    return compute_losses(network(batch), network.head, batch, count_targets(batch), WEIGHTS).total
