"""A network whose loss or gradient is no number → the layer and the tensor where that begins.

The step is run once more, each tensor being looked at as it is made, which costs too much to do always.
Nothing was updated since, so that it takes the same course.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn


def locate_bad_numbers(network: nn.Module, run: Callable[[], object]) -> str | None:
    """The first of a weight, an output, a gradient of an output, and a weight's gradient, or None.

    run: forward and backward pass, whose gradients are thrown away.
    """
    found: list[str] = []

    def look(what: str, tensor: Tensor) -> None:
        if tensor.is_floating_point() and not tensor.isfinite().all():
            kind = "NaN" if tensor.isnan().any() else "an infinity"
            found.append(f"{what} has {kind}")

    def look_at_output(name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        for part in output if isinstance(output, tuple) else [output]:
            if isinstance(part, Tensor):
                look(f"the output of {name}", part)
                if part.requires_grad:
                    watch = partial(look, f"the gradient of the output of {name}")
                    part.register_hook(watch)  # type: ignore[no-untyped-call]

    for name, parameter in network.named_parameters():
        look(name, parameter.detach())
        parameter.grad = None
    named = [(name, module) for name, module in network.named_modules() if name]
    hooks = [module.register_forward_hook(partial(look_at_output, name)) for name, module in named]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            look(f"the gradient of {name}", parameter.grad)
    return found[0] if found else None
