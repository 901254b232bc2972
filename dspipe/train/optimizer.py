"""The optimizer: turns gradients into the next weights; AdamW after clipping (DeepSeek-V3 report, 4.2,
3.3.3).

Weights and gradients are float32 whatever the network computes in, moments bfloat16 or float32. A weight is
taken a part at a time: its moments are widened, it is updated by torch's own kernel, and its moments are
rounded back, so that with moments of float32 the outcome is torch's AdamW, bit for bit. What products need
beside a weight (its codes) is made anew while it is at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from dspipe.recipe import Train

EPSILON = 1e-8  # not disclosed; torch's default
ROOM = {"cpu": 1 << 18, "cuda": 1 << 26}  # numbers at a time: what a cache holds; what a GPU has room for
MOMENTS = ("exp_avg", "exp_avg_sq")

Part = tuple[Tensor, slice]


class AdamW:
    """Decays whatever has two dimensions or more, the embedding among them; not norms.

    state: by parameter its `step` and its two moments, from its first gradient on. renew(parameter) is called
    when it has been updated, which its version does not tell: torch's kernel leaves that as it is.
    """

    def __init__(
        self, network: nn.Module, settings: Train, renew: Callable[[Tensor], None] = lambda parameter: None
    ) -> None:
        self.settings, self.renew = settings, renew
        self.parameters: list[Tensor] = list(network.parameters())
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self, rate: float, skipped: Tensor | None = None) -> None:
        """Update all that have a gradient, and forget the gradients.

        skipped: 1 on the device to forget the gradients without an update, else 0.
        """
        found = [parameter for parameter in self.parameters if parameter.grad is not None]
        counted = 1 if skipped is None else 1 - skipped
        for parameter in found:
            if parameter not in self.state:
                self.state[parameter] = self.begin(parameter)
            self.state[parameter]["step"] += counted
        for decay, some in (
            (self.settings.weight_decay, [parameter for parameter in found if parameter.ndim > 1]),
            (0.0, [parameter for parameter in found if parameter.ndim == 1]),
        ):
            for parts in divide(some, ROOM[some[0].device.type]) if some else ():
                self.update(parts, rate, decay, skipped)
                for parameter, place in parts:
                    if place.stop == parameter.numel():
                        parameter.grad = None
                        self.renew(parameter)

    def forget_gradients(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def update(self, parts: Sequence[Part], rate: float, decay: float, skipped: Tensor | None) -> None:
        weights, grads, steps = [], [], []
        moments: tuple[list[Tensor], list[Tensor]] = [], []
        for parameter, place in parts:
            assert parameter.grad is not None
            state = self.state[parameter]
            weights.append(parameter.view(-1)[place])
            grads.append(parameter.grad.view(-1)[place])
            steps.append(state["step"])
            for some, name in zip(moments, MOMENTS, strict=True):
                some.append(state[name].view(-1)[place])
        wide = [[moment.float() for moment in some] for some in moments]  # themselves, if they are float32
        torch._fused_adamw_(
            weights, grads, wide[0], wide[1], [], steps,
            lr=rate, beta1=self.settings.beta1, beta2=self.settings.beta2, eps=EPSILON,
            weight_decay=decay, amsgrad=False, maximize=False, found_inf=skipped,
        )  # fmt: skip
        if self.settings.moments != "float32":
            for some, updated in zip(moments, wide, strict=True):
                torch._foreach_copy_(some, updated)

    def begin(self, parameter: Tensor) -> dict[str, Tensor]:
        dtype = getattr(torch, self.settings.moments)
        moments = {name: torch.zeros_like(parameter, dtype=dtype) for name in MOMENTS}
        return {"step": torch.zeros((), device=parameter.device), **moments}


def divide(parameters: Sequence[Tensor], room: int) -> Iterator[list[Part]]:
    """The parameters in order, in parts, so many numbers together at a time."""
    taken: list[Part] = []
    left = room
    for parameter in parameters:
        start, end = 0, parameter.numel()
        while start < end:
            stop = min(end, start + left)
            taken.append((parameter, slice(start, stop)))
            left -= stop - start
            start = stop
            if not left:
                yield taken
                taken, left = [], room
    if taken:
        yield taken


def clip_gradient(network: nn.Module, largest: float) -> Tensor:
    """Scale all gradients down to the largest norm allowed; returns the norm there was."""
    return nn.utils.clip_grad_norm_(network.parameters(), largest)
