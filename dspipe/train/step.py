"""One batch → the next weights, and what there is to say of the step.

Count the batch's targets, run its micro-batches forward and backward, clip, update weights, then move the
experts' biases by the loads of the whole batch. Nothing here waits for the device: whether the update happens
is decided there (`guard.py`), and what came out is read when the next step is under way.

Legend: S sparse layers, E experts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dspipe.batch import PackedBatch
from dspipe.model.transformer import Transformer
from dspipe.recipe import Train
from dspipe.train.balance import update_biases
from dspipe.train.loss import Losses, compute_losses, count_targets
from dspipe.train.machine.arithmetic import PLAINLY, Arithmetic
from dspipe.train.machine.device import choose_precision
from dspipe.train.optimizer import clip_gradient
from dspipe.train.saving.state import Parts
from dspipe.train.schedule.course import Weights


@dataclass(frozen=True)
class Shares:
    """The means of a step over its global batch, on the device; None: the network has no such part."""

    loss: Tensor
    mtp_loss: Tensor | None
    balance_loss: Tensor | None
    loads_SE: Tensor


@dataclass(frozen=True)
class Outcome:
    """A step as it was read from the device.

    `skipped`: its update did not happen. `ended`: when it was through, by `time.perf_counter`.
    """

    loss: float
    mtp_loss: float | None
    balance_loss: float | None
    grad_norm: float
    skipped: bool
    loads_SE: Tensor
    ended: float


class Pending:
    """A step whose outcome is on its way from the device."""

    def __init__(self, shares: Shares, norm: Tensor, skipped: Tensor) -> None:
        self.shares = shares
        zero = torch.zeros_like(shares.loss)
        numbers = (shares.loss, shares.mtp_loss, shares.balance_loss, norm, skipped)
        vector = torch.stack([(zero if number is None else number).double() for number in numbers])
        self.numbers, self.loads_SE = fetch(vector), fetch(shares.loads_SE)
        self.event: torch.cuda.Event | None = None
        if vector.device.type == "cuda":
            self.event = torch.cuda.current_stream(vector.device).record_event()
        self.ended = time.perf_counter()

    def read(self) -> Outcome:
        """Wait for the device, if need be."""
        if self.event is not None:
            self.event.synchronize()
            self.ended = time.perf_counter()
        loss, mtp_loss, balance_loss, norm, skipped = self.numbers.tolist()
        return Outcome(
            loss,
            None if self.shares.mtp_loss is None else mtp_loss,
            None if self.shares.balance_loss is None else balance_loss,
            norm,
            bool(skipped),
            self.loads_SE,
            self.ended,
        )


def fetch(tensor: Tensor) -> Tensor:
    """The tensor in the machine's memory, if it is on a GPU some time later."""
    if tensor.device.type != "cuda":
        return tensor
    return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor, non_blocking=True)


def take_step(
    parts: Parts, settings: Train, arithmetic: Arithmetic, batch: PackedBatch, step: int, size: int,
    weights: Weights, rate: float,
) -> Pending:  # fmt: skip
    """Learn from a batch; size: rows of a micro-batch."""
    network = parts.network
    shares = accumulate_gradient(network, batch, settings, weights, arithmetic, size)
    norm = clip_gradient(network, settings.clip_norm)
    skipped = parts.guard.judge(step, shares.loss, norm)
    if parts.average is not None:
        parts.average.settle()
    parts.optimizer.step(rate, skipped)
    update_biases(network.sparse_layers.values(), shares.loads_SE, weights.bias_speed * (1 - skipped))
    if parts.average is not None:
        parts.average.update(skipped)
    return Pending(shares, norm, skipped)


def accumulate_gradient(
    network: Transformer,
    batch: PackedBatch,
    settings: Train,
    weights: Weights,
    arithmetic: Arithmetic = PLAINLY,
    size: int | None = None,
) -> Shares:
    """Forward and backward over all micro-batches of `size` rows; None: over all rows at once.

    Every mean is over the batch, so that how it is split changes nothing but the order in which numbers are
    added.
    """
    device = network.head.device
    batch = batch.keep_apart() if settings.attention == "document" else batch
    counts, rows = count_targets(batch), len(batch.tokens_BL)
    parts: list[Losses] = []
    shape = len(network.sparse_layers), settings.model.experts
    loads_SE = torch.zeros(shape, dtype=torch.int64, device=device)
    size = size or rows
    for start in range(0, rows, size):
        part = batch.rows(start, start + size).to(device)
        with choose_precision(device, settings):
            with arithmetic.keep():
                output = network(part)
            losses = compute_losses(output, network.head, part, counts, weights)
        losses.total.backward()  # type: ignore[no-untyped-call]
        loads_SE += output.loads_SE
        parts.append(replace(losses, total=losses.total.detach()))
        del output, losses  # what hangs on them would lie beside what the next micro-batch keeps
    loss = add_up([part.main for part in parts])
    assert loss is not None
    mtp, balance = (add_up([getattr(part, name) for part in parts]) for name in ("mtp", "balance"))
    return Shares(loss, mtp, balance, loads_SE)


def add_up(shares: list[Tensor | None]) -> Tensor | None:
    """Micro-batches' shares of a mean over the step, summed in order."""
    present = [share for share in shares if share is not None]
    return torch.stack(present).sum() if present else None
