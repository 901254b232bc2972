"""A row's name, as people count it or as errors write it → the part that it is in, and its number there.

37 is counted through all parts of a packed length; `part-00003.arrow:31`, `L256/part-00003.arrow:31` and
`validation/L256.arrow:3` are rows of one file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from dspipe.commands.packed import held_out_parts, parts_by_length, row_length
from dspipe.recipe import RecipeError
from dspipe.shards import Artifact, Part

NAMED = re.compile(r"(.+\.arrow):(\d{1,18})")
NUMBER = re.compile(r"\d{1,18}")


class RowPlace(NamedTuple):
    """Where a row lies; `number` is counted through all parts of its length, None where it is held out."""

    part: Part
    row: int
    length: int
    number: int | None

    def __str__(self) -> str:
        return f"{self.part.file}:{self.row}"


def find_row(sequences: Artifact, name: str, length: int | None = None) -> RowPlace:
    """The row that a name is meant for, of the first packed length where neither it nor `length` names one.

    Raises:
        RecipeError: there is no such row; the message says which there are.
    """
    chosen = choose_length(sequences, length)
    if NUMBER.fullmatch(name):
        return number_row(parts_by_length(sequences)[chosen], int(name), chosen)
    named = NAMED.fullmatch(name)
    if named is None:
        raise RecipeError(
            f"--row {name}: give a row's number, or its file and its number there, e.g. "
            f"L{chosen}/part-00000.arrow:3"
        )
    parts = [part for found in parts_by_length(sequences).values() for part in found]
    place = find_named(sequences, [*parts, *held_out_parts(sequences)], named[1], int(named[2]), chosen)
    if length not in (None, place.length):
        raise RecipeError(f"--row {name}: its rows have {place.length} tokens, not --length {length}")
    return place


def choose_length(sequences: Artifact, length: int | None) -> int:
    lengths = list(parts_by_length(sequences))
    if not lengths:
        raise RecipeError(f"{sequences.folder}: it has no rows to train on")
    if length is None:
        return lengths[0]
    if length not in lengths:
        known = ", ".join(map(str, lengths))
        raise RecipeError(f"--length {length}: no rows of {length} tokens were packed; there are: {known}")
    return length


def number_row(parts: Sequence[Part], number: int, length: int) -> RowPlace:
    """Row `number` of all parts of a length."""
    left = number
    for part in parts:
        if left < part.rows:
            return RowPlace(part, left, length, number)
        left -= part.rows
    raise RecipeError(f"row {number}: there are {number - left:,} rows of {length} tokens, numbered from 0")


def find_named(sequences: Artifact, parts: Sequence[Part], file: str, row: int, length: int) -> RowPlace:
    """Row `row` of the file that ends like this; of several, the one with rows of `length`."""
    found = [
        part for part in parts if f"/{part.file}".endswith(f"/{file}") or f"/{file}".endswith(f"/{part.file}")
    ]
    if len(found) > 1:
        found = [part for part in found if row_length(part.file) == length]
    if len(found) != 1:
        known = ", ".join(part.file for part in parts[:4]) + (", …" if len(parts) > 4 else "")
        raise RecipeError(f"{sequences.folder}: it has no part {file}; there are: {known}")
    (part,) = found
    if row >= part.rows:
        raise RecipeError(f"{part.file}:{row}: the part has {part.rows:,} rows, numbered from 0")
    return RowPlace(part, row, row_length(part.file) or length, count_before(sequences, part, row))


def count_before(sequences: Artifact, part: Part, row: int) -> int | None:
    """The number of a row through all parts of its length, None where it is held out."""
    for parts in parts_by_length(sequences).values():
        if part in parts:
            return sum(earlier.rows for earlier in parts[: parts.index(part)]) + row
    return None
