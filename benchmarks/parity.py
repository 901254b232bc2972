"""Packed rows → the losses of a training in BF16, of the same in FP8, and of one that must fail.

    python benchmarks/parity.py RUN --only fp8 [--preset smoke] [--steps 2000] [--rows 1]
    python benchmarks/parity.py RUN --plot docs

RUN holds `sequences` and `tokenizer`. All trainings have the same seed, rows and settings, MTP and the
experts' biases among them, and differ in how products with weights are made:

    bf16      as `train.fp8.mode = "off"` makes them
    order     in BF16 too, but as two sums over half of the numbers each: what another order of rounding does
    fp8       by `emulate`, or with --mode on by a GPU's units; all settings as they are without a word
    unscaled  the same codes under scales of 1, which must fail: gradients are smaller than the least code

Losses are smoothed as the report's are, by an exponential mean of weight 0.9. What counts is the relative
difference of smoothed losses, on average and at most over the second half of the steps. Outcomes are lines of
JSON in --results.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import torch
from drawing import draw_lines
from torch import Tensor

from dspipe.bench.machine import describe_machine
from dspipe.model.products.linear import use_products
from dspipe.model.products.plain import Products, Weight
from dspipe.model.transformer import build_transformer
from dspipe.reading import apply_assignment, check_recipe
from dspipe.recipe import Train
from dspipe.shards import Artifact, open_artifact, write_file
from dspipe.train.balance import update_biases
from dspipe.train.evaluating.evaluation import evaluate
from dspipe.train.evaluating.evaluator import count_bytes
from dspipe.train.evaluating.held_out import open_held_out
from dspipe.train.loading.loader import RowLoader, list_parts
from dspipe.train.machine.arithmetic import Arithmetic, build_arithmetic
from dspipe.train.machine.device import choose_device
from dspipe.train.optimizer import AdamW, clip_gradient
from dspipe.train.saving.checkpoints import write_tensors
from dspipe.train.schedule.course import plan_course
from dspipe.train.step import accumulate_gradient

LOSSES = ("loss", "mtp_loss", "balance_loss")
MODES = ("bf16", "order", "fp8", "unscaled")
SMOOTHING = 0.9  # DeepSeek-V3 report, appendix B.1
TARGET = 0.0025
PACKAGES = ("torch", "numpy", "pyarrow")
POINTS = 400  # of a curve

Line = dict[str, Any]


class Halves(Products):
    """Each sum as the sum of two, both rounded to the type that is computed in."""

    def multiply(self, x: Any, weight: Weight, ends_E: Tensor | None = None) -> Tensor:
        parts = zip(x.tensor_split(2, -1), weight.tensor.tensor_split(2, -1), strict=True)
        one, other = (
            Products.multiply(self, part, Weight(own.contiguous(), None), ends_E) for part, own in parts
        )
        return one + other

    def multiply_back(self, grad: Any, weight: Weight, ends_E: Tensor | None = None) -> Tensor:
        parts = zip(grad.tensor_split(2, -1), weight.tensor.tensor_split(2, -2), strict=True)
        one, other = (
            Products.multiply_back(self, part, Weight(own.contiguous(), None), ends_E) for part, own in parts
        )
        return one + other

    def sum_outer(self, grad: Any, x: Any, ends_E: Tensor | None = None) -> Tensor:
        if ends_E is not None:
            return super().sum_outer(grad, x, ends_E)
        half = len(x) // 2
        return super().sum_outer(grad[:half], x[:half]) + super().sum_outer(grad[half:], x[half:])


def main() -> None:
    options = read_options()
    if options.only:
        settings = make_settings(options.only, options)
        line = run_mode(options.only, settings, options)
        kept = [other for other in read_lines(options.results) if key_of(other) != key_of(line)]
        content = "".join(json.dumps(each) + "\n" for each in [*kept, line])
        write_file(options.results, content.encode())
    lines = {line["mode"]: line for line in read_lines(options.results) if is_asked_for(line, options)}
    print("\n".join(show_table(lines)))
    if options.plot:
        write_file(options.plot / "parity.svg", draw_losses(lines).encode())
        write_file(options.plot / "parity_difference.svg", draw_differences(lines).encode())


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training in BF16 and in FP8, side by side.")
    parser.add_argument("run", type=Path, help="the folder that holds sequences and tokenizer")
    parser.add_argument("--only", choices=MODES)
    parser.add_argument("--mode", default="emulate", choices=["emulate", "on"], help="of FP8")
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=1, help="in a step")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="train.key=value, as `dspipe run` has it")
    parser.add_argument("--tokens", type=int, default=1 << 17, help="held-out, to evaluate on")
    parser.add_argument("--save", type=Path, help="a file for the trained weights")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/parity.jsonl"))
    parser.add_argument("--plot", type=Path, help="a folder for the plots")
    return parser.parse_args()


def make_settings(mode: str, options: argparse.Namespace) -> Train:
    fp8 = "off" if mode in ("bf16", "order") else options.mode
    table = {
        "steps": options.steps, "batch_size": options.rows, "learning_rate": options.learning_rate,
        "warmup_steps": options.warmup, "dtype": "bfloat16", "evaluation_tokens": options.tokens,
        "model": {"preset": options.preset}, "fp8": {"mode": fp8},
    }  # fmt: skip
    raw = {"name": "parity", "seed": options.seed, "use": {"sequences": str(options.run)}, "train": table}
    for assignment in options.set:
        apply_assignment(raw, assignment)
    return check_recipe(raw, "benchmarks/parity.py").train


def run_mode(mode: str, settings: Train, options: argparse.Namespace) -> Line:
    sequences, tokenizer = (open_artifact(options.run / name) for name in ("sequences", "tokenizer"))
    entries, rows = (int(tokenizer.manifest.facts[key]) for key in ("vocabulary", "model_rows"))
    with take_scales_of_one() if mode == "unscaled" else contextlib.nullcontext():
        started = time.perf_counter()
        steps, evaluation = train(mode, settings, sequences, entries, rows, options)
    return {
        "bench": "parity",
        "mode": mode,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(PACKAGES) | {"threads": torch.get_num_threads()},
        "settings": msgspec.to_builtins(settings),
        "vocabulary": rows,
        "seconds": round(time.perf_counter() - started, 1),
        "evaluation": evaluation,
        "losses": [round(step["loss"], 5) for step in steps],
        "mtp_losses": [round(step["mtp_loss"], 5) for step in steps],
    }


@contextlib.contextmanager
def take_scales_of_one() -> Iterator[None]:
    """Quantize without scales, as a cast does."""

    def find_none(largest: Tensor, limit: float, power: bool = False) -> Tensor:
        return torch.ones_like(largest, dtype=torch.float32)

    with mock.patch("dspipe.fp8.tiles.find_scales", find_none):
        yield


def train(
    mode: str, settings: Train, sequences: Artifact, entries: int, rows: int, options: argparse.Namespace
) -> tuple[list[Line], Line | None]:
    """The losses of all steps, and what the trained network makes of held-out rows."""
    parts, seed = list_parts(sequences), settings.seed or 0
    course = plan_course(settings, list(parts))
    loader = RowLoader(parts, course.phases, seed, entries)
    device = choose_device(settings.deterministic)
    network = build_transformer(settings.model, rows, seed).to(device)
    arithmetic = build_arithmetic(settings, settings.fp8.mode)
    if mode == "order":
        arithmetic = Arithmetic("off", Halves())
    use_products(network, arithmetic.products)
    optimizer, steps = AdamW(network, settings, arithmetic.products.refresh), list[Line]()
    with contextlib.closing(loader.stream(1, course.steps)) as batches:
        for step, batch in enumerate(batches, 1):
            weights = course.weights(step)
            shares = accumulate_gradient(network, batch, settings, weights, arithmetic)
            clip_gradient(network, settings.clip_norm)
            optimizer.step(course.learning_rate(step))
            update_biases(network.sparse_layers.values(), shares.loads_SE, weights.bias_speed)
            steps.append({name: read_number(getattr(shares, name)) for name in LOSSES})
            if step % 100 == 0:
                print(f"{mode}: step {step}, loss {steps[-1]['loss']:.3f}", file=sys.stderr, flush=True)
            if step == course.steps:
                break
    if options.save:
        write_tensors(options.save, network.state_dict(), {"format": "pt"})
    held_out = open_held_out(sequences, course.phases[-1].length, settings.evaluation_tokens, entries)
    bytes_V = count_bytes(options.run / "tokenizer", rows)
    found = evaluate(network, held_out, settings, 1, bytes_V, course.steps)
    return steps, None if found is None else asdict(found) | {"domains": []}


def read_number(share: Tensor | None) -> float | None:
    return None if share is None else float(share)


def read_lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def key_of(line: Line) -> Any:
    return line["mode"], line["vocabulary"], line["settings"]


def is_asked_for(line: Line, options: argparse.Namespace) -> bool:
    """The control may have fewer steps: it fails early."""
    wanted: Line = msgspec.to_builtins(make_settings(line["mode"], options))
    steps = line["settings"]["steps"] if line["mode"] == "unscaled" else wanted["steps"]
    return bool(line["settings"] == wanted | {"steps": steps})


def smooth(losses: list[float]) -> list[float]:
    """The exponential mean, from the first loss on."""
    return list(accumulate(losses, lambda mean, loss: SMOOTHING * mean + (1 - SMOOTHING) * loss))


def compare(losses: list[float], others: list[float]) -> list[float]:
    """Relative differences of smoothed losses, from the second of each pair, as far as both go."""
    pairs = zip(smooth(losses), smooth(others), strict=False)
    return [(loss - other) / other for loss, other in pairs]


def show_table(lines: dict[str, Line]) -> Iterator[str]:
    """Over the second half of the steps."""
    columns = (
        "loss, smoothed", "from `bf16`: mean", "largest", "within 0.25 %", "held out", "MTP, smoothed", "s"
    )  # fmt: skip
    yield f"| | {' | '.join(columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for mode in MODES:
        if mode not in lines or "bf16" not in lines:
            continue
        line = lines[mode]
        found = compare(line["losses"], lines["bf16"]["losses"])
        half = found[len(found) // 2 :]
        inside = sum(abs(value) <= TARGET for value in half) / len(half)
        yield (
            f"| `{mode}` | {smooth(line['losses'])[-1]:.4f} | {100 * sum(half) / len(half):+.3f} % | "
            f"{100 * max(half, key=abs):+.3f} % | {100 * inside:.1f} % | {line['evaluation']['loss']:.4f} | "
            f"{smooth(line['mtp_losses'])[-1]:.4f} | {line['seconds']:,.0f} |"
        )


def draw_losses(lines: dict[str, Line]) -> str:
    curves = {mode: thin(smooth(line["losses"])) for mode, line in lines.items()}
    most = max(point[1] for points in curves.values() for point in points)
    return draw_lines("Loss, smoothed", "steps", curves, 5, round(most + 0.5))


def draw_differences(lines: dict[str, Line]) -> str:
    reference = lines["bf16"]["losses"]
    curves = {
        mode: thin(compare(line["losses"], reference)) for mode, line in lines.items() if mode != "bf16"
    }
    title = "Relative difference of smoothed losses from BF16's"
    return draw_lines(title, "steps", curves, -8 * TARGET, 8 * TARGET, percent=True)


def thin(values: list[float]) -> list[tuple[float, float]]:
    """At most so many points, by number of step."""
    step = max(1, len(values) // POINTS)
    return [(place + 1.0, value) for place, value in enumerate(values) if place % step == step - 1]


if __name__ == "__main__":
    main()
