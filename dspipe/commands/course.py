"""A training's course → its phases, what its quantities are when they change, and plots of them in text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from dspipe.recipe import Recipe
from dspipe.train.schedule.course import Course
from dspipe.train.schedule.phases import Phase, count_slots, find_phase, find_step
from dspipe.train.schedule.tables import Point, find_entry

COLUMNS, ROWS = 60, 4  # of a plot
SAMPLES = 16  # points between two entries from one of which a quantity moves to the other
EIGHTHS = " ▁▂▃▄▅▆▇█"
LABELS = {
    "learning_rate": "learning rate",
    "batch_size": "batch size",
    "sequence_length": "sequence length",
    "bias_speed": "γ, speed of the biases",
    "mtp_weight": "λ, weight of MTP",
    "balance_weight": "α, weight of balance",
}

Value = Callable[[int], float]  # of a quantity in a step


def describe_course(recipe: Recipe, course: Course) -> dict[str, Any]:
    """Numbers for a program: of each quantity points of [tokens, value], each what holds from a step on."""
    return {
        "schedule": recipe.train.schedule,
        "steps": course.steps,
        "slots": count_slots(course.phases, course.steps + 1),
        "warmup_steps": course.warmup_steps,
        "phases": list(list_spans(course)),
        "quantities": {
            name: list_points(course, value, find_moments(course, name, SAMPLES))
            for name, value in list_quantities(recipe, course).items()
        },
    }


def list_quantities(recipe: Recipe, course: Course) -> dict[str, Value]:
    """Those that count for something in the recipe's network."""
    found: dict[str, Value] = {
        "learning_rate": course.learning_rate,
        "batch_size": lambda step: find_phase(course.phases, step).batch_size,
        "sequence_length": lambda step: find_phase(course.phases, step).length,
    }
    if course.biased:
        found["bias_speed"] = lambda step: course.weights(step).bias_speed
    if recipe.train.model.mtp_depth:
        found["mtp_weight"] = lambda step: course.weights(step).mtp
    found["balance_weight"] = lambda step: course.weights(step).sequence or course.weights(step).expert
    return found


def list_spans(course: Course) -> Iterator[dict[str, Any]]:
    """Phases by table: those that one entry of the batch size runs through, while it moves, are one."""
    taken = [phase for phase in course.phases if phase.first_step <= course.steps]

    def place(phase: Phase) -> tuple[int, int]:
        entry = find_entry(course.sizes, phase.slots)
        return phase.length, entry if course.sizes[entry].shape else -phase.first_step

    for _, group in groupby(taken, place):
        first, *others = group
        last = others[-1] if others else first
        yield {
            "from_step": first.first_step,
            "slots": first.slots,
            "rows": first.batch_size,
            "to_rows": last.batch_size,
            "length": first.length,
        }


def find_moments(course: Course, quantity: str, samples: int = 1) -> list[int]:
    """Steps with which a quantity changes, or begins or ends to; samples: of each move between entries."""
    if quantity == "sequence_length":
        return [phase.first_step for phase in course.phases if phase.first_step <= course.steps]
    table: list[Point[Any]] = course.sizes if quantity == "batch_size" else course.tables[quantity]
    steps = {1, course.steps}
    for entry, following in zip(table, [*table[1:], table[-1]], strict=True):
        width = following.tokens - entry.tokens if entry.shape else 0
        for number in range(samples if width else 1):
            steps.add(find_step(course.phases, entry.tokens + width * number // samples))
    if quantity == "learning_rate" and course.warmup_steps:
        steps.add(course.warmup_steps)
    return sorted(step for step in steps if step <= course.steps)


def list_points(course: Course, value: Value, moments: list[int]) -> list[list[float]]:
    """[slots before the step, value in it]; of equal ones in a row the first and the last."""
    points = [[count_slots(course.phases, step), value(step)] for step in moments]
    return [
        point
        for before, point, after in zip([None, *points], points, [*points[1:], None], strict=False)
        if before is None or after is None or not before[1] == point[1] == after[1]
    ]


def show_course(content: dict[str, Any], recipe: Recipe, course: Course) -> Iterator[str]:
    """The same for people: a table of phases, a table of what changes, and plots over the steps' tokens."""
    yield (
        f"course: schedule {content['schedule']}, {content['steps']:,} steps, {content['slots']:,} tokens, "
        f"{content['warmup_steps']:,} steps of warm-up"
    )
    yield f"  {'from step':>12}{'tokens':>24}{'rows':>20}{'length':>12}"
    for span in content["phases"]:
        rows = f"{span['rows']:,}"
        rows += f" → {span['to_rows']:,}" if span["to_rows"] != span["rows"] else ""
        yield f"  {span['from_step']:>12,}{span['slots']:>24,}{rows:>20}{span['length']:>12,}"
    for name, value in list_quantities(recipe, course).items():
        points = list_points(course, value, find_moments(course, name))
        if len({height for _, height in points}) == 1:
            yield f"  {LABELS[name]}: {show_value(points[0][1])} throughout"
            continue
        shown = ", ".join(f"{show_value(height)} at {show_tokens(tokens)}" for tokens, height in points)
        yield f"  {LABELS[name]}: {shown}"
        yield from ("    " + line for line in plot(course, value))


def plot(course: Course, value: Value) -> Iterator[str]:
    """A quantity over the tokens of the training: of each column's middle, in eighths of a row."""
    slots = count_slots(course.phases, course.steps + 1)
    middles = [slots * (2 * column + 1) // (2 * COLUMNS) for column in range(COLUMNS)]
    heights = [value(find_step(course.phases, middle + 1) - 1) for middle in middles]
    highest = max(heights)
    eighths = [round(height / highest * 8 * ROWS) for height in heights]
    for row in reversed(range(ROWS)):
        label = show_value(highest) if row == ROWS - 1 else "0" if row == 0 else ""
        yield f"{label:>9} │" + "".join(EIGHTHS[max(0, min(8, number - 8 * row))] for number in eighths)


def show_value(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def show_tokens(tokens: float) -> str:
    """With four digits and a unit: 14.63T."""
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if tokens >= size:
            return f"{tokens / size:.4g}{unit}"
    return str(tokens)
