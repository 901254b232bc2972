"""A shape → training steps of dspipe's network of that shape, on command.

    python -m dspipe.bench.steps MODEL VOCABULARY DTYPE ROWS LENGTH THREADS

MODEL is `[train.model]` as JSON. With DTYPE `bfloat16`, products are, and weights stay float32, as in
training. After a line that says that all is ready, each line on standard input asks for one step over ROWS of
LENGTH random tokens: its passes, and the same update once with moments of bfloat16 and once of float32.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any, Literal

import msgspec
import numpy as np
import torch

from dspipe.batch import PackedBatch
from dspipe.bench.memory import find_held, find_peak
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import Model, Train
from dspipe.train.loss import Losses, compute_losses, count_targets
from dspipe.train.optimizer import AdamW, clip_gradient
from dspipe.train.schedule.course import Weights

MOMENTS: tuple[Literal["bfloat16", "float32"], ...] = ("bfloat16", "float32")
RATE, CLIP = 1e-4, 1.0
WEIGHTS = Weights(bias_speed=0.0, mtp=0.3, sequence=1e-4)


def main() -> None:
    model, vocabulary, dtype = msgspec.json.decode(sys.argv[1], type=Model), int(sys.argv[2]), sys.argv[3]
    rows, length, threads = map(int, sys.argv[4:])
    torch.set_num_threads(threads)
    before = find_held() or 0
    network = build_transformer(model, vocabulary, 0)
    tokens = np.random.default_rng(0).integers(0, vocabulary, (rows, length)).astype(np.uint32)
    batch = PackedBatch.from_lengths(tokens, [[length]] * rows)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    optimizers: dict[str, AdamW] = {
        moments: AdamW(network, Train(model=model, moments=moments)) for moments in MOMENTS
    }
    print(json.dumps({"parameters": parameters}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(run(network, batch, dtype, optimizers, before)), flush=True)


def run(
    network: Transformer, batch: PackedBatch, dtype: str, optimizers: dict[str, AdamW], before: int
) -> dict[str, Any]:
    """Seconds of a step by part, its loss, and the most bytes held until its passes were through."""
    begun = time.perf_counter()
    losses = run_passes(network, batch, dtype)
    passed = time.perf_counter()
    peak = (find_peak() or 0) - before
    clipping = time.perf_counter()
    clip_gradient(network, CLIP)
    clipped = time.perf_counter()
    return {
        "passes": passed - begun,
        "clip": clipped - clipping,
        "updates": {name: time_update(network, optimizer) for name, optimizer in optimizers.items()},
        "loss": float(losses.main),
        "peak": peak,
    }


def run_passes(network: Transformer, batch: PackedBatch, dtype: str) -> Losses:
    network.zero_grad()
    exact = dtype == "float32"
    with contextlib.nullcontext() if exact else torch.autocast("cpu", getattr(torch, dtype)):
        losses = compute_losses(network(batch), network.head, batch, count_targets(batch), WEIGHTS)
    losses.total.backward()  # type: ignore[no-untyped-call]
    return losses


def time_update(network: Transformer, optimizer: AdamW) -> float:
    """Seconds of one update; the gradients are there afterwards, for the next optimizer."""
    gradients = [parameter.grad for parameter in network.parameters()]
    begun = time.perf_counter()
    optimizer.step(RATE)
    taken = time.perf_counter() - begun
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        parameter.grad = gradient
    return taken


if __name__ == "__main__":
    main()
