"""Tables of batch size and length → phases, and from these the rows that any step takes, in one go.

In a phase batch size and sequence length stay, and it knows what the ones before it took. While a batch size
moves, each of its whole numbers is a phase, however many steps that has. What counts is slots, rows · L,
padding included, so that where a step stands does not depend on what the rows hold. Nothing here knows of
ranks: a step's rows have one global order, of which ranks take slices.

Every length has rows of its own and epochs of its own. Steps are counted from 1.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dspipe.recipe import RecipeError
from dspipe.train.loading.order import Places, permute
from dspipe.train.schedule.tables import find_change, find_size, read_table

Sizes = int | Sequence[Sequence[Any]]


class Phase(NamedTuple):
    """Steps from `first_step` on take `batch_size` rows of `length` tokens.

    `first`: how many rows of this length earlier phases took. `slots`: how many slots they took in all.
    """

    first_step: int
    batch_size: int
    length: int
    first: int
    slots: int


def plan_phases(batch_size: Sizes, sequence_length: Sizes | None, lengths: Sequence[int]) -> list[Phase]:
    """The phases of a training on rows of `lengths`, the first of which is meant where none is named.

    An entry takes effect with the first step that begins at or after its number of tokens.

    Raises:
        RecipeError: a length is asked for that was not packed.
    """
    sizes = read_table(batch_size)
    asked = read_table(lengths[0] if sequence_length is None else sequence_length)
    for entry in asked:
        if entry.value not in lengths:
            known = ", ".join(map(str, lengths))
            raise RecipeError(
                f"train.sequence_length: rows of {entry.value} were not packed; there are: {known}"
            )
    phases: list[Phase] = []
    step, slots, taken = 1, 0, dict.fromkeys(lengths, 0)
    while True:
        size, length = find_size(sizes, slots), find_size(asked, slots)
        if not phases or (phases[-1].batch_size, phases[-1].length) != (size, length):
            phases.append(Phase(step, size, length, taken[length], slots))
        changes = [find_change(table, slots) for table in (sizes, asked)]
        present = [change for change in changes if change is not None]
        if not present:
            return phases
        steps = -((slots - min(present)) // (size * length))
        step, slots = step + steps, slots + steps * size * length
        taken[length] += steps * size


def count_slots(phases: Sequence[Phase], step: int) -> int:
    """How many slots all steps before one have taken."""
    phase = find_phase(phases, step)
    return phase.slots + (step - phase.first_step) * phase.batch_size * phase.length


def count_steps(phases: Sequence[Phase], slots: int) -> int:
    """How many steps it takes until so many slots, at least one, have been taken; the last may take more."""
    phase = phases[max(0, bisect_left(phases, slots, key=lambda phase: phase.slots) - 1)]
    return phase.first_step - 1 - (phase.slots - slots) // (phase.batch_size * phase.length)


def find_step(phases: Sequence[Phase], slots: int) -> int:
    """The first step that begins when at least so many slots have been taken."""
    return count_steps(phases, slots) + 1 if slots > 0 else 1


def count_met(phases: Sequence[Phase], steps: int) -> dict[int, int]:
    """How many rows of each length so many steps take, repeats counted; 0 of one that they do not come to."""
    met: dict[int, int] = {}
    ends = [*(phase.first_step - 1 for phase in phases[1:]), steps]
    for phase, end in zip(phases, ends, strict=True):
        taken = max(0, min(end, steps) - phase.first_step + 1) * phase.batch_size
        met[phase.length] = met.get(phase.length, 0) + taken
    return met


def find_phase(phases: Sequence[Phase], step: int) -> Phase:
    return phases[bisect_right(phases, step, key=lambda phase: phase.first_step) - 1]


def list_rows(phases: Sequence[Phase], step: int, seed: int, counts: Mapping[int, int]) -> tuple[int, Places]:
    """A step's length and the numbers of its rows, counted through the parts of that length.

    counts: how many rows there are of each length. A batch may reach into the next epoch, or through several.
    """
    phase = find_phase(phases, step)
    begin, size, count = count_before(phase, step), phase.batch_size, counts[phase.length]
    rows = np.empty(size, np.int64)
    for epoch in range(begin // count, (begin + size - 1) // count + 1):
        first, last = max(begin, epoch * count), min(begin + size, (epoch + 1) * count)
        positions = np.arange(first - epoch * count, last - epoch * count)
        rows[first - begin : last - begin] = permute(seed, epoch, count, positions)
    return phase.length, rows


def count_before(phase: Phase, step: int) -> int:
    """How many rows of the phase's length were taken before a step of it."""
    return phase.first + (step - phase.first_step) * phase.batch_size
