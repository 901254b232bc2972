"""The slow twin of `dspipe.train.schedule`: step after step, with running sums, and in exact fractions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

Entries = Sequence[Sequence[Any]]


class Walked(NamedTuple):
    """A step: its rows, their length, how many of that length and how many slots were taken before it."""

    size: int
    length: int
    first: int
    slots: int


def walk_steps(sizes: Entries, lengths: Entries) -> Iterator[Walked]:
    slots, taken = 0, Counter[int]()
    while True:
        size, length = math.floor(look_up(sizes, slots)), int(look_up(lengths, slots))
        yield Walked(size, length, taken[length], slots)
        taken[length] += size
        slots += size * length


def look_up(entries: Entries, slots: int) -> Fraction:
    """The value of a table, by going through its entries."""
    value = Fraction(0)
    for number, (start, found, *shape) in enumerate(entries):
        if start <= slots:
            value = Fraction(found)
            if shape and shape[0]:
                end, goal = entries[number + 1][:2]
                share = Fraction(slots - start, end - start)
                if shape[0] == "cosine":
                    share = Fraction(0.5 - 0.5 * math.cos(math.pi * share))
                value += (Fraction(goal) - value) * share
    return value
