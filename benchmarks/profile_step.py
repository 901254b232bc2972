"""A preset → where the time of its training step goes on this machine, and what the loop around it costs.

    python benchmarks/profile_step.py [--preset smoke] [--rows 4] [--length 1024] [--steps 3] [--threads 2]
    python benchmarks/profile_step.py --loop RUN [--rows 16] [--steps 20]

The first takes steps over random tokens under torch's profiler: a table of shares, of the forward pass and of
the backward one. An operation of the backward pass belongs to the part whose forward pass made it, which the
profiler knows by a number that both have. All that is below a module of multi-token prediction is one part,
but its share of the head's.

The second trains with `dspipe.train.loop.train` on the rows of RUN, which holds `sequences` and `tokenizer`,
and sets the seconds of forward pass and loss, backward pass, clipping and update against all that passes
between the first step's line of metrics and the last one's: files written and batches awaited are in it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

import dspipe.train.loss
from dspipe.batch import PackedBatch
from dspipe.model.attention.layer import Attention
from dspipe.model.experts.layer import Experts, GatedMLP
from dspipe.model.norm import Norm
from dspipe.model.transformer import Transformer, build_transformer
from dspipe.recipe import PRESETS, Model, Train
from dspipe.shards import open_artifact
from dspipe.train.loading.loader import RowLoader, list_parts
from dspipe.train.loop import train
from dspipe.train.loss import compute_losses, count_targets
from dspipe.train.optimizer import AdamW, clip_gradient
from dspipe.train.schedule.course import Weights, plan_course
from dspipe.train.showing.metrics import StepMetrics

VOCABULARY = 8192
WEIGHTS = Weights(bias_speed=0.0, mtp=0.3, sequence=1e-4)
SCOPES: dict[type[nn.Module], str] = {
    Norm: "norms",
    Attention: "attention, projections",
    Experts: "gates, places, balance",
    GatedMLP: "dense and shared MLP",
}
OPERATIONS = {  # an operation's name contains
    "flash_attention": "attention, scores",
    "Rotation": "rotations",
    "RoutedExperts": "routed experts",
    "ChunkedCrossEntropy": "head and loss",
}
MULTI_TOKEN, REST, BACKWARD = "multi-token prediction", "rest", "backward"
PARTS = {*SCOPES.values(), "clipping", "update"}


def main() -> None:
    parser = argparse.ArgumentParser(description="Where a step's time goes.")
    parser.add_argument("--preset", default="smoke", choices=PRESETS)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--loop", type=Path, metavar="RUN", help="measure the loop on the rows of this run")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = Model(**(PRESETS[options.preset] | {"preset": options.preset}))
    show_loop(options, model) if options.loop else show_shares(options, model)


def show_shares(options: argparse.Namespace, model: Model) -> None:
    network = build_transformer(model, VOCABULARY, 0)
    mark_parts(network)
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (options.rows, options.length))
    batch = PackedBatch.from_lengths(tokens.astype(np.uint32), [[options.length]] * options.rows)
    optimizer = AdamW(network, Train(model=model))
    run_step(network, batch, optimizer)  # memory is given out, and kernels are chosen
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(options.steps):
            run_step(network, batch, optimizer)
    shares = add_up(list(profiled.events()))
    whole = sum(map(sum, shares.values()))
    print(f"{options.preset}, {options.rows} x {options.length} tokens, {options.threads} threads")
    print(f"{whole / options.steps / 1e6:.2f} s a step under the profiler\n")
    print("| part | forward | backward | both |\n|---|--:|--:|--:|")
    for part, (forward, backward) in sorted(shares.items(), key=lambda item: -sum(item[1])):
        figures = (f"{100 * time / whole:.1f} %" for time in (forward, backward, forward + backward))
        print(f"| {part} | {' | '.join(figures)} |")


def run_step(network: Transformer, batch: PackedBatch, optimizer: AdamW) -> None:
    losses = compute_losses(network(batch), network.head, batch, count_targets(batch), WEIGHTS)
    with record_function(BACKWARD):
        losses.total.backward()  # type: ignore[no-untyped-call]
    with record_function("clipping"):
        clip_gradient(network, 1.0)
    with record_function("update"):
        optimizer.step(1e-4)


def mark_parts(network: Transformer) -> None:
    """Have the profiler told where a part begins and ends."""
    for name, module in network.named_modules():
        for kind, part in SCOPES.items():
            if isinstance(module, kind):
                mark(module, part)
        if name.startswith("depths.") and name.count(".") == 2:
            mark(module, MULTI_TOKEN)


def mark(module: nn.Module, part: str) -> None:
    forward = module.forward

    def marked(*arguments: Any) -> Any:
        with record_function(part):
            return forward(*arguments)

    module.forward = marked


def add_up(events: list[Any]) -> dict[str, tuple[float, float]]:
    """Microseconds of each part in the forward pass and in the backward one; what is neither is forward."""
    origins: dict[int, Any] = {}
    for event in sorted(events, key=lambda event: event.time_range.start):
        if event.sequence_nr >= 0 and not is_below(event, BACKWARD):
            origins[event.sequence_nr] = event  # the last one that has this number has made the node
    times: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for event in events:
        times[find_part(event, origins)][is_below(event, BACKWARD)] += event.self_cpu_time_total
    return {part: (forward, backward) for part, (forward, backward) in times.items()}


def find_part(event: Any, origins: dict[int, Any]) -> str:
    """That of an operation by its own name or those above it, else that of the one it differentiates."""
    above = list(list_above(event))
    names = [one.name for one in above]
    made = [
        origins[one.sequence_nr]
        for one in above
        if "evaluate_function" in one.name and one.sequence_nr in origins
    ]
    if made:
        names += [one.name for one in list_above(made[0])]
    if MULTI_TOKEN in names:
        return MULTI_TOKEN
    for name in names:
        if name in PARTS:
            return str(name)
        for words, part in OPERATIONS.items():
            if words in name:
                return part
    return REST


def list_above(event: Any) -> Iterator[Any]:
    while event is not None:
        yield event
        event = event.cpu_parent


def is_below(event: Any, name: str) -> bool:
    return any(one.name == name for one in list_above(event))


def show_loop(options: argparse.Namespace, model: Model) -> None:
    sequences, tokenizer = (open_artifact(options.loop / name) for name in ("sequences", "tokenizer"))
    entries, vocabulary = (int(tokenizer.manifest.facts[key]) for key in ("vocabulary", "model_rows"))
    steps = options.steps + 1  # the first is not counted
    settings = Train(model=model, steps=steps, batch_size=options.rows, checkpoint_steps=steps)
    parts = list_parts(sequences)
    course = plan_course(settings, list(parts))
    loader = RowLoader(parts, course.phases, 1, entries)
    lines: list[tuple[float, dict[str, float]]] = []
    with measure_calls() as seconds, tempfile.TemporaryDirectory(prefix="dspipe-profile-") as folder:

        def note(metrics: StepMetrics) -> None:
            lines.append((time.perf_counter(), dict(seconds)))

        train(settings, course, loader, vocabulary, Path(folder), on_step=note)
    (begun, before), (ended, after) = lines[0], lines[-1]
    whole, count = ended - begun, len(lines) - 1
    print(f"{options.preset}, {options.rows} rows a step, {count} steps of {whole / count:.3f} s")
    for name in after:
        print(f"  {name:<18} {100 * (after[name] - before[name]) / whole:5.1f} %")
    rest = whole - sum(after[name] - before[name] for name in after)
    print(f"  {'the loop itself':<18} {100 * rest / whole:5.1f} %")


@contextmanager
def measure_calls() -> Iterator[dict[str, float]]:
    """Seconds in what a step calls, by name, as they grow."""
    places: dict[str, tuple[Any, str]] = {
        "forward": (Transformer, "forward"),
        "head and loss": (dspipe.train.loss, "sum_cross_entropy"),
        "backward": (torch.Tensor, "backward"),
        "clipping": (nn.utils, "clip_grad_norm_"),
        "update": (AdamW, "step"),
    }
    seconds, before = dict.fromkeys(places, 0.0), {name: getattr(*place) for name, place in places.items()}

    def measure(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*arguments: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                seconds[name] += time.perf_counter() - begun

        return measured

    for name, (owner, attribute) in places.items():
        setattr(owner, attribute, measure(name, before[name]))
    try:
        yield seconds
    finally:
        for name, (owner, attribute) in places.items():
            setattr(owner, attribute, before[name])


if __name__ == "__main__":
    main()
