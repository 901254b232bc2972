"""A folder with config.json → forward and backward passes of transformers' network of that shape, on command.

    python transformers_steps.py FOLDER EXPERTS DTYPE ROWS LENGTH THREADS

EXPERTS is `eager` or `grouped_mm`, DTYPE `float32` or `bfloat16`, of weights and products alike. Attention is
torch's (`sdpa`), the loss its own of all logits, nothing is cached. After a line that says that all is ready,
each line on standard input asks for one pass over ROWS of LENGTH random tokens.

It needs transformers and torch, and nothing of dspipe.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
import transformers


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
    print(json.dumps({"versions": versions, "parameters": network.num_parameters()}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(run(network, tokens) | {"peak": read_memory("VmHWM") - before}), flush=True)


def run(network: Any, tokens: torch.Tensor) -> dict[str, float]:
    network.zero_grad()
    begun = time.perf_counter()
    loss = network(tokens, labels=tokens, use_cache=False).loss
    loss.backward()
    return {"seconds": time.perf_counter() - begun, "loss": float(loss.detach())}


def read_memory(key: str) -> int:
    """A line of this process's status, in bytes; 0 where the system has none."""
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))
    except OSError:
        return 0


if __name__ == "__main__":
    main()
