"""What a run keeps of its training → which step takes a row, and which rows a step takes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dspipe.commands.packed import parts_by_length
from dspipe.plan import PROGRESS
from dspipe.recipe import DspipeError, RecipeError, Train
from dspipe.shards import Artifact, Header, Journal, Manifest, read_manifest
from dspipe.train.loading.order import invert
from dspipe.train.schedule.course import plan_course
from dspipe.train.schedule.phases import Phase, list_rows


class Training(NamedTuple):
    """The order in which rows are trained: a function of these."""

    steps: int
    seed: int
    phases: list[Phase]
    counts: dict[int, int]  # rows of each packed length


def read_record(run: Path) -> Manifest | Header | None:
    """Settings and inputs of a run's training, finished or not; None where it has not begun."""
    return read_manifest(run / "model") or Journal(run / PROGRESS / "train").header()


def is_trained_on(record: Manifest | Header | None, sequences: Artifact) -> bool:
    inputs = record.inputs if record else []
    return any(
        entry.get("artifact") == "sequences" and entry["fingerprint"] == sequences.manifest.fingerprint
        for entry in inputs
    )


def plan_training(record: Manifest | Header, sequences: Artifact) -> Training:
    counts = {
        length: sum(part.rows for part in parts) for length, parts in parts_by_length(sequences).items()
    }
    try:
        settings = msgspec.convert(record.settings, Train)
    except msgspec.ValidationError:
        raise DspipeError(
            "the run's record of its training is of another version; train again with --rebuild train"
        ) from None
    course = plan_course(settings, list(counts))
    return Training(course.steps, settings.seed or 0, course.phases, counts)


def rows_of_step(training: Training, step: int) -> tuple[int, NDArray[np.int64]]:
    """The length of the rows that a step takes, and their numbers in the order in which it takes them."""
    if not 1 <= step <= training.steps:
        raise RecipeError(f"--step {step}: the training has the steps 1 to {training.steps}")
    return list_rows(training.phases, step, training.seed, training.counts)


def steps_of_rows(training: Training, length: int, rows: list[int]) -> list[list[int]]:
    """For each row of a length, by number, the steps that take it, in order: one for each epoch at most."""
    count = training.counts[length]
    spans = [span for span in list_spans(training) if span.length == length]
    taken = max((span.end for span in spans), default=0)
    found: list[list[int]] = [[] for _ in rows]
    for epoch in range(-(-taken // count)):
        positions = invert(training.seed, epoch, count, np.array(rows, np.int64)) + epoch * count
        for steps, position in zip(found, positions.tolist(), strict=True):
            steps += [
                span.first_step + (position - span.first) // span.batch_size
                for span in spans
                if span.first <= position < span.end
            ]
    return [list(dict.fromkeys(steps)) for steps in found]


class Span(NamedTuple):
    """A phase, and behind which of the rows of its length it ends."""

    length: int
    first_step: int
    batch_size: int
    first: int
    end: int


def list_spans(training: Training) -> list[Span]:
    spans = []
    for number, phase in enumerate(training.phases):
        last = training.steps
        if number + 1 < len(training.phases):
            last = min(last, training.phases[number + 1].first_step - 1)
        steps = max(0, last - phase.first_step + 1)
        end = phase.first + steps * phase.batch_size
        spans.append(Span(phase.length, phase.first_step, phase.batch_size, phase.first, end))
    return spans
