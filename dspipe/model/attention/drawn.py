"""Attention's output → kept once for the backward pass, in fewer bits, for all who need it there.

A kernel needs its own output for its gradient, in a layout of its own, whole or document by document; the
projection after it needs the same numbers. Kernels say what has come out of them (`tell_drawn`); if they had
saved that, they have saved a ticket for it.

Legend: B rows, L tokens, N tokens of all rows, H heads, V value width, W that as the kernel wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from dspipe.model.keeping import Origin, find_keeper, locate, narrow


@dataclass
class DrawnTicket:
    """What a kernel has saved: a tensor, or where that was its output, which tokens of what is kept of it.

    shape: (B, H, L, W), or (N, H, W), with zeros from `width` on.
    """

    tensor: Tensor | None
    first: int = 0
    width: int = 0
    shape: tuple[int, ...] = ()
    origin: Origin | None = None

    def redeem(self) -> Tensor:
        if self.tensor is not None:
            return self.tensor
        assert self.origin is not None
        drawn_BLC, shape = self.origin.take(0), self.shape
        drawn_NHV = drawn_BLC.view(-1, drawn_BLC.shape[-1] // self.width, self.width)
        count = shape[0] * shape[2] if len(shape) == 4 else shape[0]
        drawn_NHW = F.pad(drawn_NHV[self.first : self.first + count], (0, shape[-1] - self.width))
        if len(shape) == 3:
            return drawn_NHW
        return drawn_NHW.view(shape[0], shape[2], *drawn_NHW.shape[1:]).transpose(1, 2)


class Draws:
    """The outputs of one layer's attention, in the order of their tokens."""

    def __init__(self, width: int) -> None:
        self.width, self.tokens = width, 0
        self.saved: list[DrawnTicket] = []
        self.outputs: list[DrawnTicket] = []

    def save(self, tensor: Tensor) -> DrawnTicket:
        self.saved.append(DrawnTicket(tensor))
        return self.saved[-1]

    def tell(self, output: Tensor) -> None:
        """Of what was saved since, the output of a kernel is no longer held."""
        for ticket in self.saved:
            if ticket.tensor is not None and locate(ticket.tensor) == locate(output):
                ticket.first, ticket.width, ticket.shape = self.tokens, self.width, ticket.tensor.shape
                ticket.tensor = None
                self.outputs.append(ticket)
        self.saved.clear()
        self.tokens += output.numel() // (output.shape[-1] * output.shape[1])


CURRENT: ContextVar[Draws | None] = ContextVar("draws", default=None)


def tell_drawn(output: Tensor) -> None:
    """This is what has just come out of a kernel, (B, H, L, W) or (N, H, W)."""
    draws = CURRENT.get()
    if draws is not None:
        draws.tell(output)


@contextmanager
def drawn_narrow(attend: Callable[..., Tensor], parts: tuple[Tensor, ...], width: int) -> Iterator[Tensor]:
    """The output of attention, (B, L, H · V), kept once and in fewer bits, where "attention" has a format.

    attend(*parts): (B, L, H, W) with zeros from `width` = V on.
    """
    keeper = find_keeper()
    if keeper is None or "attention" not in keeper.formats:
        yield attend(*parts)[..., :width].flatten(-2)
        return
    draws = Draws(width)
    keeper.others, token = draws.save, CURRENT.set(draws)
    try:
        drawn = attend(*parts)[..., :width].flatten(-2)
    finally:
        keeper.others = None
        CURRENT.reset(token)
    origin = narrow(keeper.formats["attention"], drawn)
    for ticket in draws.outputs:
        ticket.origin = origin
        origin.users += 1
    with keeper.know(origin, (drawn,)):
        yield drawn
