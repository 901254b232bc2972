"""A shape → forward and backward passes of dspipe's network of that shape, on command.

    python -m dspipe.bench.steps MODEL VOCABULARY DTYPE ROWS LENGTH THREADS

MODEL is `[train.model]` as JSON. With DTYPE `bfloat16`, products are, and weights stay float32, as in
training. After a line that says that all is ready, each line on standard input asks for one pass over ROWS of
LENGTH random tokens.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time

import msgspec
import numpy as np
import torch

from dspipe.batch import PackedBatch
from dspipe.bench.memory import find_held, find_peak
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import Model
from dspipe.train.loss import compute_losses, count_targets
from dspipe.train.schedule import Weights

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
    print(json.dumps({"parameters": parameters}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(run(network, batch, dtype) | {"peak": (find_peak() or 0) - before}), flush=True)


def run(network: Transformer, batch: PackedBatch, dtype: str) -> dict[str, float]:
    network.zero_grad()
    begun = time.perf_counter()
    exact = dtype == "float32"
    with contextlib.nullcontext() if exact else torch.autocast("cpu", getattr(torch, dtype)):
        losses = compute_losses(network(batch), network.head, batch, count_targets(batch), WEIGHTS)
    losses.total.backward()  # type: ignore[no-untyped-call]
    return {"seconds": time.perf_counter() - begun, "loss": float(losses.main)}


if __name__ == "__main__":
    main()
