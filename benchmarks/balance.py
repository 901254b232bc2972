"""Packed rows → three networks, balanced by biases, by the classical loss and not at all, beside one another.

    python benchmarks/balance.py RUN WORK [--preset smoke] [--steps 600] [--rows 4] [--only bias] \
        [--set 'train.bias_speed=[[0, 0.01], [1200000, 0.001]]']

RUN holds `sequences` and `tokenizer`, WORK gets a folder for each training, from which one that was stopped
goes on; with enough steps done, only the evaluation is run. All three have the same seed, rows and gate, on
the GPU if there is one; then each is evaluated on the same held-out rows. Each outcome is a line of JSON in
--results, which replaces one of the same settings; --plot draws MaxVio per batch.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

import msgspec
import torch
from drawing import draw_lines

from dspipe.bench.machine import describe_machine
from dspipe.reading import apply_assignment, check_recipe
from dspipe.recipe import Train
from dspipe.shards import open_artifact, write_file
from dspipe.train.evaluating.evaluator import Evaluator
from dspipe.train.loading.loader import RowLoader, list_parts
from dspipe.train.loop import train
from dspipe.train.schedule.course import plan_course
from dspipe.train.showing.metrics import StepMetrics

MODES = ("bias", "auxiliary", "none")
POINTS = 200  # of a curve, each a mean of the steps since the one before
PUBLISHED = {"bias": "0.04", "auxiliary": "0.72"}  # arXiv 2408.15664, table 2, of 1B parameters
PACKAGES = ("torch", "numpy", "pyarrow")

Line = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """The mean over some steps up to `step`."""

    step: int
    max_violation: float
    loss: float


def main() -> None:
    options = read_options()
    for mode in [options.only] if options.only else MODES:
        line = run_mode(mode, options)
        kept = [other for other in read_lines(options.results) if key_of(other) != key_of(line)]
        content = "".join(json.dumps(each) + "\n" for each in [*kept, line])
        write_file(options.results, content.encode())
    settings = make_settings("none", options)
    lines = [line for line in read_lines(options.results) if same_but_mode(line, settings)]
    lines.sort(key=lambda line: MODES.index(line["balance"]))
    print("\n".join(show_table(lines)))
    if options.plot:
        write_file(options.plot, draw(lines).encode())


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Three ways to balance experts, beside one another.")
    parser.add_argument("run", type=Path, help="the folder that holds sequences and tokenizer")
    parser.add_argument("work", type=Path, help="a folder for the three trainings")
    parser.add_argument("--only", choices=MODES)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rows", type=int, default=4, help="in a step")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--warmup", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="train.key=value, as `dspipe run` has it")
    parser.add_argument("--tokens", type=int, default=1 << 20, help="held-out, to evaluate on")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/balance.jsonl"))
    parser.add_argument("--plot", type=Path, help="an SVG file to write")
    return parser.parse_args()


def make_settings(mode: str, options: argparse.Namespace) -> Train:
    table = {
        "steps": options.steps, "batch_size": options.rows, "learning_rate": options.learning_rate,
        "warmup_steps": options.warmup, "balance": mode, "evaluation_tokens": options.tokens,
        "model": {"preset": options.preset},
    }  # fmt: skip
    raw = {"name": "balance", "seed": options.seed, "use": {"sequences": str(options.run)}, "train": table}
    for assignment in options.set:
        apply_assignment(raw, assignment)
    return check_recipe(raw, "benchmarks/balance.py").train


def run_mode(mode: str, options: argparse.Namespace) -> Line:
    """Train, or go on, and evaluate."""
    settings = make_settings(mode, options)
    sequences, tokenizer = (open_artifact(options.run / name) for name in ("sequences", "tokenizer"))
    entries, rows = (int(tokenizer.manifest.facts[key]) for key in ("vocabulary", "model_rows"))
    parts = list_parts(sequences)
    course = plan_course(settings, list(parts))
    loader = RowLoader(parts, course.phases, settings.seed or 0, entries)

    def report(metrics: StepMetrics) -> None:
        if metrics.step % max(1, course.steps // 20) == 0:
            print(f"{mode}: step {metrics.step}, loss {metrics.loss:.3f}, MaxVio {metrics.max_violation:.3f}",
                  file=sys.stderr, flush=True)  # fmt: skip

    evaluator = Evaluator(sequences, tokenizer.folder, settings, entries)
    trained = train(settings, course, loader, rows, options.work / mode, evaluator, report)
    assert trained.evaluation is not None, "there are no held-out rows"
    metrics = (options.work / mode / "metrics.jsonl").read_text("utf-8").splitlines()
    steps = [json.loads(line) for line in metrics]
    return {
        "bench": "balance",
        "balance": mode,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": describe_machine(PACKAGES) | {"device": name_device(trained.network.head.device)},
        "settings": msgspec.to_builtins(settings),
        "vocabulary": rows,
        "tokens": steps[-1]["tokens"],
        "train_seconds": round(sum(step["seconds"] for step in steps), 1),
        "evaluation": asdict(trained.evaluation),
        "curve": [asdict(point) for point in thin(steps)],
    }


def name_device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def thin(steps: list[Line], points: int = POINTS) -> Iterator[Point]:
    """At most so many means of consecutive steps."""
    size = ceil(len(steps) / points)
    for start in range(0, len(steps), size):
        some = steps[start : start + size]
        means = [sum(step[key] for step in some) / len(some) for key in ("max_violation", "loss")]
        yield Point(some[-1]["step"], *(round(mean, 5) for mean in means))


def read_lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def key_of(line: Line) -> Any:
    return line["balance"], line["vocabulary"], line["machine"]["device"], line["settings"]


def same_but_mode(line: Line, settings: Train) -> bool:
    wanted: Line = msgspec.to_builtins(settings)
    return {**line["settings"], "balance": None} == {**wanted, "balance": None}


def show_table(lines: list[Line]) -> Iterator[str]:
    columns = "loss", "MTP loss", "MaxVio", "of the worst layer", "of the last batches", "published MaxVio"
    yield f"| balance | {' | '.join(columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for line in lines:
        found, last = line["evaluation"], line["curve"][-max(1, len(line["curve"]) // 10) :]
        cells = [
            found["loss"], found["mtp_loss"], found["max_violation"], max(found["max_violation_by_layer"]),
            sum(point["max_violation"] for point in last) / len(last),
        ]  # fmt: skip
        published = PUBLISHED.get(line["balance"], "–")
        shown = ["–" if cell is None else f"{cell:.3f}" for cell in cells]
        yield f"| `{line['balance']}` | {' | '.join(shown)} | {published} |"
    if lines:
        found = lines[0]["evaluation"]
        yield f"\n{found['tokens']:,} held-out tokens, after training on {lines[0]['tokens']:,}"


def draw(lines: list[Line]) -> str:
    """An SVG of MaxVio per batch over the steps."""
    curves = {
        line["balance"]: [(point["step"], point["max_violation"]) for point in line["curve"]]
        for line in lines
    }
    most = max(1, ceil(max(point[1] for curve in curves.values() for point in curve)))
    return draw_lines("MaxVio per batch, three ways to balance", "steps", curves, 0, most)


if __name__ == "__main__":
    main()
