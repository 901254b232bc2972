"""Trained runs → their curves over one another, for `docs/`.

    python benchmarks/curves.py shards/one shards/two --key loss --plot docs/curves.svg

With --key of `metrics.jsonl` (loss, mtp_loss, grad_norm, max_violation) each curve is of means over stretches
of steps; with --held-out it is of `evaluations.jsonl` (loss, bits_per_byte, or the name of a domain for its
loss). A line of JSON for each run goes to standard output, with its settings, and to results/curves.jsonl.
"""

from __future__ import annotations

import argparse
import json
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks.drawing import draw_lines
from dspipe.shards import write_file

POINTS = 120
Point = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description="Curves of trained runs.")
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--key", default="loss")
    parser.add_argument("--held-out", action="store_true", help="of evaluations, not of steps")
    parser.add_argument("--title", default="nats per token over tokens")
    parser.add_argument("--plot", type=Path, required=True)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/curves.jsonl"))
    options = parser.parse_args()
    curves, lines = {}, []
    for run in options.runs:
        curves[run.name] = read_curve(run / "model", options.key, options.held_out)
        lines.append(describe(run, curves[run.name], options))
    values = [value for curve in curves.values() for _, value in curve]
    start = [curve[len(curve) // 10][1] for curve in curves.values()]  # the first steep tenth may leave above
    least, most = min(values), max(start)
    room = (most - least) / 20
    drawing = draw_lines(options.title, "tokens", curves, round(least - room, 2), round(most + room, 2))
    write_file(options.plot, drawing.encode())
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    print(text, end="")
    with open(options.results, "a", encoding="utf-8") as results:
        results.write(text)


def read_curve(model: Path, key: str, held_out: bool) -> list[Point]:
    """Points of (tokens trained on, value)."""
    steps = [json.loads(line) for line in (model / "metrics.jsonl").read_text("utf-8").splitlines()]
    if not held_out:
        size = ceil(len(steps) / POINTS)
        parts = [steps[start : start + size] for start in range(0, len(steps), size)]
        return [(part[-1]["tokens"], sum(step[key] for step in part) / len(part)) for part in parts]
    tokens = {step["step"]: step["tokens"] for step in steps}
    lines = [json.loads(line) for line in (model / "evaluations.jsonl").read_text("utf-8").splitlines()]
    return [(tokens[line["step"]], find_value(line, key)) for line in lines]


def find_value(line: dict[str, Any], key: str) -> float:
    """A figure of an evaluation, or a domain's loss over all of its languages."""
    if key in line:
        return float(line[key])
    own = [domain for domain in line["domains"] if domain["domain"] == key]
    return sum(d["loss"] * d["targets"] for d in own) / sum(d["targets"] for d in own)


def describe(run: Path, curve: list[Point], options: argparse.Namespace) -> dict[str, Any]:
    settings = json.loads((run / "model" / "recipe.json").read_text())["train"]
    for place in ("held_out", "start"):  # where things lie on this machine
        settings.pop(place, None)
    evaluation = json.loads((run / "model" / "evaluation.json").read_text())
    return {
        "bench": "curves", "run": run.name, "key": options.key, "held_out": options.held_out,
        "settings": settings, "curve": [[round(tokens), round(value, 5)] for tokens, value in curve],
        "evaluation": evaluation,
    }  # fmt: skip


if __name__ == "__main__":
    main()
