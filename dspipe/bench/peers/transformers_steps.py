"""A folder with config.json → training steps of transformers' network of that shape, on command.

    python transformers_steps.py FOLDER EXPERTS DTYPE ROWS LENGTH THREADS

EXPERTS is `eager` or `grouped_mm`, DTYPE `float32` or `bfloat16`, of weights and products alike. Attention is
torch's (`sdpa`), the loss its own of all logits, nothing is cached. After a line that says that all is ready,
each line on standard input asks for one step over ROWS of LENGTH random tokens: its passes, and the same
update by torch's AdamW twice, as it is by default and fused.

It needs transformers and torch, and nothing of dspipe.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
import transformers

UPDATES: dict[str, dict[str, bool]] = {"default": {}, "fused": {"fused": True}}
RATE, CLIP = 1e-4, 1.0


def main() -> None:
    folder, experts, dtype = sys.argv[1:4]
    rows, length, threads = map(int, sys.argv[4:])
    torch.set_num_threads(threads)
    before = read_memory("VmRSS")
    config = transformers.AutoConfig.from_pretrained(folder)
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        config, dtype=getattr(torch, dtype), attn_implementation="sdpa", experts_implementation=experts
    ).train()
    tokens = torch.randint(0, config.vocab_size, (rows, length))
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    optimizers: dict[str, torch.optim.Optimizer] = {
        name: torch.optim.AdamW(network.parameters(), RATE, betas=(0.9, 0.95), weight_decay=0.1, **way)
        for name, way in UPDATES.items()
    }
    print(json.dumps({"versions": versions, "parameters": network.num_parameters()}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(run(network, tokens, optimizers, before)), flush=True)


def run(
    network: Any, tokens: torch.Tensor, optimizers: dict[str, torch.optim.Optimizer], before: int
) -> dict[str, Any]:
    """Seconds of a step by part, its loss, and the most bytes held until its passes were through."""
    begun = time.perf_counter()
    network.zero_grad()
    loss = network(tokens, labels=tokens, use_cache=False).loss
    loss.backward()
    passed = time.perf_counter()
    peak = read_memory("VmHWM") - before
    clipping = time.perf_counter()
    torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
    clipped = time.perf_counter()
    return {
        "passes": passed - begun,
        "clip": clipped - clipping,
        "updates": {name: time_update(optimizer) for name, optimizer in optimizers.items()},
        "loss": float(loss.detach()),
        "peak": peak,
    }


def time_update(optimizer: torch.optim.Optimizer) -> float:
    begun = time.perf_counter()
    optimizer.step()
    return time.perf_counter() - begun


def read_memory(key: str) -> int:
    """A line of this process's status, in bytes; 0 where the system has none."""
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))
    except OSError:
        return 0


if __name__ == "__main__":
    main()
