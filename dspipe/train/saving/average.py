"""The weights after every step → their moving average, in the machine's memory, while training goes on.

average += (1 - decay) · (weights - average), after each step (DeepSeek-V3 report, 3.2.3, which does not say
the decay). Begun with random weights, it forgets them faster at first: the decay of update n is at most
(1 + n) / (10 + n). A thread does it while the next step runs; weights on a GPU are first copied to pinned
memory on a stream of their own. `settle` must come before weights change again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The moving average of a network's weights, biases included.

    Attributes:
        tensors: by name, float32 on the CPU. updates: how many there were, in one number.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay = network, decay
        self.weights = {name: tensor.detach() for name, tensor in network.state_dict().items()}
        self.tensors = {name: tensor.to("cpu", copy=True) for name, tensor in self.weights.items()}
        self.updates = torch.zeros((), dtype=torch.int64)
        self._device = next(iter(self.weights.values())).device
        self._copies = self.weights
        if self._device.type == "cuda":
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
            self._copies = {
                name: torch.empty_like(tensor, device="cpu", pin_memory=True)
                for name, tensor in self.weights.items()
            }
            self._skipped = torch.zeros((), pin_memory=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="average")
        self._work: Future[None] | None = None

    def update(self, skipped: Tensor) -> None:
        """Take the weights in as they are now, unless the step was skipped; returns at once."""
        self.settle()
        copied = None
        if self._device.type == "cuda":
            copied = self._fetch(skipped)
            skipped = self._skipped
        self._work = self._thread.submit(self._blend, skipped, copied)

    def _fetch(self, skipped: Tensor) -> torch.cuda.Event:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for name, tensor in self.weights.items():
                self._copies[name].copy_(tensor, non_blocking=True)
            self._skipped.copy_(skipped, non_blocking=True)
            skipped.record_stream(self._stream)
        copied: torch.cuda.Event = self._stream.record_event()
        return copied

    @torch.no_grad()
    def _blend(self, skipped: Tensor, copied: torch.cuda.Event | None) -> None:
        if copied is not None:
            copied.synchronize()
        if skipped:
            return
        self.updates += 1
        count = int(self.updates)
        share = 1.0 - min(self.decay, (1 + count) / (10 + count))
        for name, tensor in self.tensors.items():
            tensor.lerp_(self._copies[name], share)

    def settle(self) -> None:
        """Wait until the last update is done, and weights may change."""
        if self._work is not None:
            self._work.result()
            self._work = None

    @contextmanager
    def in_place(self, renew: Callable[[Tensor], None]) -> Iterator[None]:
        """The network with the averages as its weights; afterwards it has its own again, bit for bit.

        renew(parameter) is called when one has been changed.
        """
        self.settle()
        own = {name: tensor.to("cpu", copy=True) for name, tensor in self.weights.items()}
        self._put(self.tensors, renew)
        try:
            yield
        finally:
            self._put(own, renew)

    @torch.no_grad()
    def _put(self, tensors: dict[str, Tensor], renew: Callable[[Tensor], None]) -> None:
        for name, tensor in self.weights.items():
            tensor.copy_(tensors[name])
        for parameter in self.network.parameters():
            renew(parameter)

    def close(self) -> None:
        self.settle()
        self._thread.shutdown()
