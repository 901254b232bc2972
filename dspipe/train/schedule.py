"""Schedules of batch size and sequence length → the rows that any step takes, from the settings alone.

A schedule is a list of [tokens, value]. What counts is slots, rows · L, padding included, so that where a
step stands does not depend on what the rows hold. The steps fall into phases, in each of which both values
stay; a phase knows what the ones before it took, so that the rows of a step are found in one go. Nothing here
knows of ranks: a step's rows have one global order, of which ranks take slices.

Every length has rows of its own and epochs of its own. Steps are counted from 1.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dspipe.recipe import RecipeError
from dspipe.train.loading.order import Places, permute

Schedule = int | Sequence[Sequence[int]]


class Phase(NamedTuple):
    """Steps from `first_step` on take `batch_size` rows of `length` tokens.

    `first`: how many rows of this length earlier phases took.
    """

    first_step: int
    batch_size: int
    length: int
    first: int


def plan_phases(
    batch_size: Schedule, sequence_length: Schedule | None, lengths: Sequence[int]
) -> list[Phase]:
    """The phases of a training on rows of `lengths`, the first of which is meant where none is named.

    An entry takes effect with the first step that begins at or after its number of tokens.

    Raises:
        RecipeError: a length is asked for that was not packed.
    """
    sizes = list_entries(batch_size)
    asked = list_entries(lengths[0] if sequence_length is None else sequence_length)
    for _, length in asked:
        if length not in lengths:
            known = ", ".join(map(str, lengths))
            raise RecipeError(f"train.sequence_length: rows of {length} were not packed; there are: {known}")
    phases: list[Phase] = []
    step, tokens, taken = 1, 0, dict.fromkeys(lengths, 0)
    starts = sorted({start for start, _ in (*sizes, *asked)})
    for start, following in zip(starts, [*starts[1:], 0], strict=True):
        size, length = find_value(sizes, start), find_value(asked, start)
        steps = max(0, -((tokens - following) // (size * length)))
        if steps or start == starts[-1]:
            if not phases or phases[-1][1:3] != (size, length):
                phases.append(Phase(step, size, length, taken[length]))
            step, tokens = step + steps, tokens + steps * size * length
            taken[length] += steps * size
    return phases


def list_entries(schedule: Schedule) -> list[tuple[int, int]]:
    """(tokens, value), ascending; a single value holds from the start."""
    if isinstance(schedule, int):
        return [(0, schedule)]
    return [(tokens, value) for tokens, value in schedule]


def find_value(entries: Sequence[tuple[int, int]], tokens: int) -> int:
    return entries[bisect_right(entries, tokens, key=lambda entry: entry[0]) - 1][1]


def find_phase(phases: Sequence[Phase], step: int) -> Phase:
    return phases[bisect_right(phases, step, key=lambda phase: phase.first_step) - 1]


def list_rows(phases: Sequence[Phase], step: int, seed: int, counts: Mapping[int, int]) -> tuple[int, Places]:
    """A step's length and the numbers of its rows, counted through the parts of that length.

    counts: how many rows there are of each length. A batch may reach into the next epoch, or through several.
    """
    _, size, length, _ = phase = find_phase(phases, step)
    begin, count = count_before(phase, step), counts[length]
    rows = np.empty(size, np.int64)
    for epoch in range(begin // count, (begin + size - 1) // count + 1):
        first, last = max(begin, epoch * count), min(begin + size, (epoch + 1) * count)
        positions = np.arange(first - epoch * count, last - epoch * count)
        rows[first - begin : last - begin] = permute(seed, epoch, count, positions)
    return length, rows


def count_before(phase: Phase, step: int) -> int:
    """How many rows of the phase's length were taken before a step of it."""
    return phase.first + (step - phase.first_step) * phase.batch_size
