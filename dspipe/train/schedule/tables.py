"""A quantity as a table over tokens → its value at a number of tokens.

A table is a list of (tokens, value, shape). An entry holds from its tokens on; with a shape, the value moves
from this entry's to the next one's, and has arrived there at the next one's tokens. Tokens are slots, rows ·
L, padding included.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

Number = TypeVar("Number", int, float)


class Point(NamedTuple, Generic[Number]):
    """An entry of a table."""

    tokens: int
    value: Number
    shape: str | None = None


Table = list[Point[Number]]


def read_table(setting: Number | Sequence[Any]) -> Table[Number]:
    """A setting as a table: a number holds throughout, a list is of [tokens, value] or with a shape too."""
    if isinstance(setting, Sequence):
        return [Point(*entry) for entry in setting]
    return [Point(0, setting)]


def find_entry(table: Sequence[Point[Number]], tokens: int) -> int:
    """Which entry is in force; the last one where several are from the same tokens on."""
    return bisect_right(table, tokens, key=lambda entry: entry.tokens) - 1


def find_value(table: Sequence[Point[Number]], tokens: int) -> float:
    """The value at a number of tokens; exactly an entry's at its own."""
    number = find_entry(table, tokens)
    start, value, shape = table[number]
    if shape is None:
        return value
    end, goal, _ = table[number + 1]
    share = (tokens - start) / (end - start)
    if shape == "cosine":
        share = (1 - math.cos(math.pi * share)) / 2
    return value + (goal - value) * share


def find_size(table: Sequence[Point[int]], tokens: int) -> int:
    """The same in whole numbers, exactly: what moves is rounded down."""
    number = find_entry(table, tokens)
    start, value, shape = table[number]
    if shape is None:
        return value
    end, goal, _ = table[number + 1]
    return value + (goal - value) * (tokens - start) // (end - start)


def find_change(table: Sequence[Point[int]], tokens: int) -> int | None:
    """At which number of tokens the size next becomes another, or the next entry is in force; None: never."""
    number = find_entry(table, tokens)
    following = table[number + 1].tokens if number + 1 < len(table) else None
    start, value, shape = table[number]
    if shape is None or following is None:
        return following
    rise, width = table[number + 1].value - value, following - start
    moved = find_size(table, tokens) - value
    if rise > 0:  # the first t with rise · (t - start) ≥ (moved + 1) · width
        return min(following, start - (-(moved + 1) * width // rise))
    if rise < 0:  # the first t with -rise · (t - start) > -moved · width
        return min(following, start + -moved * width // -rise + 1)
    return following
