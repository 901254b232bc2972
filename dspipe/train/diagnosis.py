"""A step whose loss or gradient is no number → a sentence: where in the network that begins, in which rows.

These are the rows that are to blame by themselves; they are named with the documents in them.

The step is run once more, each tensor being looked at as it is made, then each row alone, which costs too
much to do always. Nothing was updated since, so that it takes the same course.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from dspipe.batch import PackedBatch
from dspipe.recipe import Train
from dspipe.train.loading.documents import read_documents
from dspipe.train.loading.loader import RowLoader
from dspipe.train.optimizer import clip_gradient
from dspipe.train.preparation import Ready
from dspipe.train.schedule.course import Course, Weights
from dspipe.train.step import Outcome, accumulate_gradient

MOST_NAMED = 4  # rows, and documents of a row


def explain_step(
    ready: Ready, settings: Train, course: Course, loader: RowLoader, outcome: Outcome, step: int
) -> str:
    """Why a training stops at a step."""
    batch, weights = loader.batch(step), course.weights(step)
    size, network = ready.fit.micro_batch[batch.tokens_BL.shape[1]], ready.parts.network
    run = partial(accumulate_gradient, network, batch, settings, weights, ready.arithmetic, size)
    place = locate_bad_numbers(network, run)
    rows = find_bad_rows(ready, settings, batch, weights) or list(range(len(batch.tokens_BL)))
    named = "; ".join(name_row(loader, step, row) for row in rows[:MOST_NAMED])
    more = f"; and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
    return (
        f"step {step}: the loss is {outcome.loss} and the gradient's norm {outcome.grad_norm}"
        + (f"; first, {place}" if place else "")
        + f"; lower train.learning_rate, or look at {'row' if len(rows) == 1 else 'rows'} {named}{more} "
        f"(`dspipe trace RUN --step {step}` shows all); the last checkpoint is kept"
    )


def find_bad_rows(ready: Ready, settings: Train, batch: PackedBatch, weights: Weights) -> list[int]:
    """Which rows of a batch have a loss or a gradient that is no number by themselves."""
    parts, found = ready.parts, []
    for row in range(len(batch.tokens_BL)):
        parts.optimizer.forget_gradients()
        one = batch.rows(row, row + 1)
        shares = accumulate_gradient(parts.network, one, settings, weights, ready.arithmetic)
        if not (shares.loss.isfinite() and clip_gradient(parts.network, settings.clip_norm).isfinite()):
            found.append(row)
    return found


def name_row(loader: RowLoader, step: int, row: int) -> str:
    """Where a row of a step lies, and the documents in it."""
    length, numbers = loader.rows(step)
    parts, local = loader.parts[length].find_rows(numbers[row : row + 1])
    path = loader.parts[length].paths[int(parts[0])]
    documents = read_documents(path, int(local[0]))
    shown = ", ".join(documents[:MOST_NAMED]) + (" …" if len(documents) > MOST_NAMED else "")
    return f"{path.parent.name}/{path.name}:{local[0]}" + (f" of {shown}" if documents else "")


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
