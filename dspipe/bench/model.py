"""`dspipe bench model`: training steps on a CPU, beside transformers' of the same shape.

A step is a forward and a backward pass, clipping and an update by AdamW. Each network is in a process of its
own, and they take turns. transformers has two ways to run experts, and torch two to update, of which the
faster counts. transformers has no multi-token prediction, so ours has none there; what a module of it adds is
shown apart.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from dspipe.bench import Options, Say
from dspipe.bench.machine import describe_machine
from dspipe.bench.timing import Spread, divide, summarize
from dspipe.bench.yardstick import Yardstick, find_interpreter
from dspipe.model.checkpoint.description import describe_model
from dspipe.recipe import PRESETS, DspipeError, Model
from dspipe.shards import write_file

VOCABULARY = 8192
TOKENS = 4096  # of a batch
FLOOR, GOAL = 1.3, 2.0  # times as fast as transformers
WAYS = ("eager", "grouped_mm")
PEER, OWN = "transformers_steps.py", str(Path(__file__).with_name("steps.py"))
VERSIONS = ("torch", "transformers", "numpy")

Answer = dict[str, Any]  # what steps.py has to say of a step: `passes clip updates loss peak`


class Shape(NamedTuple):
    preset: str
    length: int
    dtype: str = "float32"


SHAPES = [Shape(preset, length) for preset in ("smoke", "50m") for length in (1024, 2048, 4096)]
SHAPES += [Shape(preset, 1024, "bfloat16") for preset in ("smoke", "50m")]


def run(options: Options, say: Say) -> dict[str, Any]:
    interpreter = find_interpreter(options.peer, "transformers", "torch")
    if interpreter is None:
        say("no yardstick: pip install transformers here or elsewhere, and name that Python with --peer")
    with tempfile.TemporaryDirectory(prefix="dspipe-bench-") as name:
        shapes = [
            measure_shape(shape, sys.executable, interpreter, Path(name), options, say) for shape in SHAPES
        ]
    return {"versions": describe_machine(VERSIONS)["packages"], "vocabulary": VOCABULARY, "shapes": shapes}


def measure_shape(
    shape: Shape, own: str, peer: str | None, folder: Path, options: Options, say: Say
) -> dict[str, Any]:
    model = Model(**(PRESETS[shape.preset] | {"preset": shape.preset, "mtp_depth": 0}))
    rows = max(1, TOKENS // shape.length)
    sizes = (str(rows), str(shape.length), str(options.workers))
    config = describe_model(model, VOCABULARY, shape.length, shape.dtype)
    write_file(folder / "config.json", msgspec.json.encode(config))
    with ExitStack() as stack:
        contenders = {
            name: stack.enter_context(
                open_own(own, msgspec.structs.replace(model, mtp_depth=depth), shape, sizes)
            )
            for name, depth in (("dspipe", 0), ("dspipe, multi-token", 1))
        }
        for way in WAYS if peer else ():
            arguments = (str(folder), way, shape.dtype, *sizes)
            contenders[way] = stack.enter_context(Yardstick(str(peer), PEER, *arguments))
        answers = take_turns(contenders, options.repeat)
    say(f"{shape.preset}, {rows} x {shape.length} tokens, {shape.dtype}")
    for name, found in answers.items():
        steps = ", ".join(f"{update} {steps_of(found, update)}" for update in found[0]["updates"])
        say(f"  {name:<20} passes {passes_of(found)} s, peak {peak_of(found) / 1e9:.2f} GB; steps: {steps} s")
    return {
        **shape._asdict(),
        "rows": rows,
        "parameters": contenders["dspipe"].greeting["parameters"],
        "passes": {name: passes_of(found) for name, found in answers.items()},
        "steps": {
            name: {update: steps_of(found, update) for update in found[0]["updates"]}
            for name, found in answers.items()
        },
        "peak": {name: peak_of(found) for name, found in answers.items()},
        "transformers": compare(answers, say),
    }


def open_own(interpreter: str, model: Model, shape: Shape, sizes: tuple[str, ...]) -> Yardstick:
    arguments = (msgspec.json.encode(model).decode(), str(VOCABULARY), shape.dtype)
    return Yardstick(interpreter, OWN, *arguments, *sizes)


def take_turns(contenders: Mapping[str, Yardstick], rounds: int) -> dict[str, list[Answer]]:
    """Answers of each in each round, after one that warms up; one that fails drops out.

    The peak is that of the first passes, when no optimizer has begun to keep moments.
    """
    answers: dict[str, list[Answer]] = {}
    peaks: dict[str, Answer] = {}
    for name, contender in contenders.items():
        try:
            peaks[name] = {"peak": contender.ask("warm")["peak"]}
            answers[name] = []
        except DspipeError:
            if name not in WAYS:
                raise
    for _ in range(rounds):
        for name, found in answers.items():
            found.append(contenders[name].ask("step") | peaks[name])
    return answers


def list_passes(answers: list[Answer]) -> list[float]:
    return [answer["passes"] for answer in answers]


def list_steps(answers: list[Answer], update: str) -> list[float]:
    """Seconds of whole steps, with one of the updates that were timed."""
    return [answer["passes"] + answer["clip"] + answer["updates"][update] for answer in answers]


def passes_of(answers: list[Answer]) -> Spread:
    return summarize(list_passes(answers))


def steps_of(answers: list[Answer], update: str) -> Spread:
    return summarize(list_steps(answers, update))


def peak_of(answers: list[Answer]) -> float:
    """Bytes beyond what a process held when everything was imported."""
    return float(answers[-1]["peak"])


def compare(answers: dict[str, list[Answer]], say: Say) -> dict[str, Any] | None:
    """Beside the faster of transformers' ways, and torch's faster update."""
    ways = [way for way in WAYS if way in answers]
    if not ways:
        return None
    experts = min(ways, key=lambda way: median(list_passes(answers[way])))
    theirs, ours = answers[experts], answers["dspipe"]
    update = min(theirs[0]["updates"], key=lambda update: median(list_steps(theirs, update)))
    passes = divide(list_passes(theirs), list_passes(ours))
    steps = {
        moments: divide(list_steps(theirs, update), list_steps(ours, moments))
        for moments in ours[0]["updates"]
    }
    memory = peak_of(ours) / peak_of(theirs)
    for moments, ratio in steps.items():
        say(
            f"  steps with moments of {moments} {ratio} times as fast as transformers with {experts} "
            f"experts and {update} AdamW (at least {FLOOR}, goal {GOAL:g})"
        )
    say(f"  passes {passes} times as fast, {memory:.2f} of its memory")
    return {"experts": experts, "update": update, "passes": passes, "steps": steps, "memory": memory}
