"""A running network → the bytes that it keeps for its backward pass, each place in memory counted once."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dspipe.batch import PackedBatch
from dspipe.model.attention.drawn import DrawnTicket
from dspipe.model.keeping import Format, Keeper, Ticket
from dspipe.model.products.linear import use_products
from dspipe.model.transformer import Transformer
from dspipe.train.loss import compute_losses, count_targets
from dspipe.train.machine.arithmetic import PLAINLY, Arithmetic
from dspipe.train.schedule.course import Weights

WEIGHTS = Weights(0.0, 0.3, 1e-4)


class Counter(Keeper):
    """Keeps as it is told to, and everything that it has kept."""

    def __init__(self, again: Collection[str], formats: Mapping[str, Format]) -> None:
        super().__init__(again, formats)
        self.kept: list[Any] = []

    def pack(self, tensor: Tensor) -> Any:
        self.kept.append(super().pack(tensor))
        return self.kept[-1]


def count_kept(
    network: Transformer, batch: PackedBatch, dtype: torch.dtype, arithmetic: Arithmetic = PLAINLY
) -> int:
    """Bytes that a forward pass keeps for the backward pass, parameters themselves not counted."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    use_products(network, arithmetic.products)
    precision = (
        contextlib.nullcontext()
        if dtype == torch.float32
        else torch.autocast(network.head.device.type, dtype)
    )
    counter = Counter(arithmetic.again, arithmetic.formats)
    with counter, torch.autograd.graph.saved_tensors_hooks(counter.pack, counter.unpack), precision:
        output = network(batch)
        compute_losses(output, network.head, batch, count_targets(batch), WEIGHTS)
    tensors = list(list_tensors(counter.kept))
    sizes = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(size for place, size in sizes.items() if place not in own)


def list_tensors(kept: Iterable[Any]) -> Iterator[Tensor]:
    """What lies behind what was kept: itself, or what it is made from."""
    for part in kept:
        if isinstance(part, DrawnTicket) and part.tensor is not None:
            yield part.tensor
        elif isinstance(part, Tensor):
            yield part
        elif isinstance(part, Ticket | DrawnTicket) and part.origin is not None:
            yield from list_tensors(part.origin.kept)
