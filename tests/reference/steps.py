"""The slow twin of `dspipe.train.schedule`: step after step, with running sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator


def walk_weights(
    sizes: list[list[int]], lengths: list[list[int]], schedule: list[list[float]]
) -> Iterator[float]:
    """For each step the value of one more schedule."""
    tokens = 0
    for size, length, _ in walk_steps(sizes, lengths):
        yield [value for start, value in schedule if start <= tokens][-1]
        tokens += size * length


def walk_steps(sizes: list[list[int]], lengths: list[list[int]]) -> Iterator[tuple[int, int, int]]:
    """For each step: rows, their length, and how many rows of that length were taken before it."""
    tokens, taken = 0, Counter[int]()
    while True:
        size = [value for start, value in sizes if start <= tokens][-1]
        length = [value for start, value in lengths if start <= tokens][-1]
        yield size, length, taken[length]
        taken[length] += size
        tokens += size * length
