"""A preset and packed rows → what each way to keep activations saves of memory, and what it costs in time.

    OMP_NUM_THREADS=1 python benchmarks/keeping.py RUN [--preset smoke] [--rows 4] [--rounds 7] [--compute 1b]

RUN holds `sequences` and `tokenizer`. Bytes are those that autograd has saved when the forward pass is over,
each place in memory once, weights not counted; they are counted in the running network, and for --compute
taken from the closed form, which the tests hold against such counts. Ways take turns; times are medians,
ratios of the same round. On a GPU the peak of a step is told, too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from dspipe.bench.kept import count_kept
from dspipe.bench.machine import describe_machine
from dspipe.model.memory import estimate_memory
from dspipe.model.products.linear import use_products
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import PRESETS, Fp8, Model, Train, resolve_keeping
from dspipe.shards import open_artifact, write_file
from dspipe.train.loading.loader import RowLoader, list_parts
from dspipe.train.machine.arithmetic import Arithmetic, build_arithmetic
from dspipe.train.machine.device import choose_device
from dspipe.train.schedule.course import Weights
from dspipe.train.schedule.phases import plan_phases
from dspipe.train.step import accumulate_gradient

PACKAGES = ("torch", "numpy")
PLAIN = Fp8(mode="emulate", inputs="bf16", attention="bf16", activations="bf16")
REPORT = Fp8(mode="emulate")
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "BF16, all kept": ("off", {}),
    "BF16, norms again": ("off", {"recompute": ["norms"]}),
    "BF16, projections again": ("off", {"recompute": ["projections"]}),
    "BF16, outputs of SwiGLU again": ("off", {"recompute": ["activations"]}),
    "BF16, all three again": ("off", {"recompute": ["norms", "projections", "activations"]}),
    "FP8, all kept in BF16": ("fp8", {"recompute": [], "fp8": PLAIN}),
    "FP8, inputs in FP8": (
        "fp8",
        {"recompute": [], "fp8": Fp8(mode="emulate", attention="bf16", activations="bf16")},
    ),
    "and the output of attention in E5M6": (
        "fp8",
        {"recompute": [], "fp8": Fp8(mode="emulate", activations="bf16")},
    ),
    "and the inputs of SwiGLU in FP8, outputs again": ("fp8", {"recompute": [], "fp8": REPORT}),
    "and norms again": ("fp8", {"recompute": ["norms"], "fp8": REPORT}),
    "and projections again (the report's)": ("fp8", {"fp8": REPORT}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Ways to keep activations, side by side.")
    parser.add_argument("run", type=Path, help="the folder that holds sequences and tokenizer")
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mode", default="emulate", choices=["emulate", "on"], help="of FP8")
    parser.add_argument("--compute", default="1b", help="a preset to compute the bytes of")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/keeping.jsonl"))
    options = parser.parse_args()
    line = measure(options)
    write_file(options.results, json.dumps(line).encode() + b"\n")
    print("\n".join(show(line)))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    sequences, tokenizer = (open_artifact(options.run / name) for name in ("sequences", "tokenizer"))
    entries, vocabulary = (int(tokenizer.manifest.facts[key]) for key in ("vocabulary", "model_rows"))
    config, device = Model(**PRESETS[options.preset]), choose_device()
    network = build_transformer(config, vocabulary, 0).to(device)
    parts = list_parts(sequences)
    phases = plan_phases(options.rows, None, list(parts))
    batch = RowLoader(parts, phases, 1, entries).batch(1).to(device)
    length = batch.tokens_BL.shape[1]
    arranged = {name: arrange(way, config, options.mode) for name, way in WAYS.items()}
    kept = {
        name: count_kept(network, batch, torch.bfloat16, arithmetic)
        for name, (_, arithmetic) in arranged.items()
    }
    rounds = [run_round(network, batch, arranged, options.rows) for _ in range(options.rounds + 1)][1:]
    return {
        "bench": "keeping",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(PACKAGES) | {"threads": torch.get_num_threads(), "device": device.type},
        "preset": options.preset,
        "tokens": options.rows * length,
        "computed": options.compute,
        "ways": {
            name: {
                "bytes": kept[name],
                "predicted": predict(way, options.preset, vocabulary, options.rows * length),
                "computed": predict(way, options.compute, vocabulary, options.rows * length),
                "seconds": statistics.median(times[name][0] for times in rounds),
                "ratio": statistics.median(times[name][0] / times[next(iter(WAYS))][0] for times in rounds),
                "peak": rounds[-1][name][1],
            }
            for name, way in WAYS.items()
        },
    }


def arrange(way: tuple[str, dict[str, Any]], config: Model, mode: str) -> tuple[Train, Arithmetic]:
    fp8, changes = way
    settings = Train(model=config, dtype="bfloat16", **changes)
    return settings, build_arithmetic(settings, mode if fp8 == "fp8" else "off")


def predict(way: tuple[str, dict[str, Any]], preset: str, vocabulary: int, tokens: int) -> int:
    fp8, changes = way
    keeping = resolve_keeping(Train(**changes), 2, fp8 == "fp8")
    return estimate_memory(Model(**PRESETS[preset]), vocabulary, tokens, keeping).activations


def run_round(
    network: Transformer, batch: Any, arranged: dict[str, tuple[Train, Arithmetic]], rows: int
) -> dict[str, tuple[float, int]]:
    """Seconds of a forward and backward pass in each way, and on a GPU the peak of its memory."""
    found = {}
    device = network.head.device
    for name, (settings, arithmetic) in arranged.items():
        use_products(network, arithmetic.products)
        network.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        accumulate_gradient(network, batch, settings, Weights(0.0, 0.3, 1e-4), arithmetic)
        if device.type == "cuda":
            torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
        found[name] = time.perf_counter() - started, peak
    return found


def show(line: dict[str, Any]) -> list[str]:
    first = next(iter(line["ways"].values()))
    rows = [
        f"| `{line['preset']}`, {line['tokens']:,} tokens | kept, MB | of BF16's | time | "
        f"`{line['computed']}`, MB |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, way in line["ways"].items():
        kept, whole = way["bytes"], first["bytes"]
        computed = f"{way['computed'] / 2**20:,.0f}"
        rows.append(f"| {name} | {kept / 2**20:.1f} | {kept / whole:.2f} | {way['ratio']:.2f} | {computed} |")
    return rows


if __name__ == "__main__":
    main()
