"""Schedules → the rows that any step takes and the weights that hold in it, from the settings alone.

A schedule is a list of [tokens, value], or a value that holds throughout. What counts is slots, rows · L,
padding included, so that where a step stands does not depend on what the rows hold. The steps fall into
phases, in each of which batch size and sequence length stay; a phase knows what the ones before it took, so
that the rows of a step are found in one go. Nothing here knows of ranks: a step's rows have one global order,
of which ranks take slices.

Every length has rows of its own and epochs of its own. Steps are counted from 1.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from dspipe.recipe import RecipeError, Train, resolve_balance
from dspipe.train.loading.order import Places, permute

Number = TypeVar("Number", int, float)
Schedule = int | Sequence[Sequence[int]]


class Phase(NamedTuple):
    """Steps from `first_step` on take `batch_size` rows of `length` tokens.

    `first`: how many rows of this length earlier phases took.
    """

    first_step: int
    batch_size: int
    length: int
    first: int


class Weights(NamedTuple):
    """What weighs in a step: the speed of the biases γ, and the factors of the losses beside the main one.

    `mtp` is λ. `sequence` is α of V3's loss, `expert`, `device` and `communication` are α1, α2 and α3 of
    V2's. 0 where the settings have no such part.
    """

    bias_speed: float
    mtp: float
    sequence: float = 0.0
    expert: float = 0.0
    device: float = 0.0
    communication: float = 0.0


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


def list_entries(schedule: Number | Sequence[Sequence[Number]]) -> list[tuple[int, Number]]:
    """(tokens, value), ascending; a single value holds from the start."""
    if isinstance(schedule, Sequence):
        return [(int(tokens), value) for tokens, value in schedule]
    return [(0, schedule)]


def find_value(entries: Sequence[tuple[int, Number]], tokens: int) -> Number:
    return entries[bisect_right(entries, tokens, key=lambda entry: entry[0]) - 1][1]


def find_weights(settings: Train, phases: Sequence[Phase], step: int) -> Weights:
    """The weights of a step; entries of their schedules take effect as those of the batch size do."""
    slots, balance = count_slots(phases, step), resolve_balance(settings)
    speed, alpha, mtp = (
        find_value(list_entries(schedule), slots)
        for schedule in (settings.bias_speed, balance.weight, settings.mtp_weight)
    )
    if balance.mode == "bias":
        return Weights(speed, mtp, sequence=alpha)
    return Weights(0.0, mtp, 0.0, alpha, balance.device, balance.communication)


def count_slots(phases: Sequence[Phase], step: int) -> int:
    """How many slots all steps before one have taken."""
    ends = [*(phase.first_step for phase in phases[1:]), step]
    return sum(
        max(0, min(end, step) - phase.first_step) * phase.batch_size * phase.length
        for phase, end in zip(phases, ends, strict=True)
    )


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
