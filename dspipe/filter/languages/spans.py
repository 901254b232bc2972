"""Turns a column of text into the spans whose language is asked: first characters of documents, and lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dspipe.text.arrow import Bytes, Offsets
from dspipe.text.kernel import kernel
from dspipe.text.unicode import (
    CLASS,
    COMPOSES,
    LETTER,
    LOWER,
    NEWLINE,
    SPACE,
    UPPER,
    load_classes,
    read_character,
)

LINES = 1 << 15  # in a block: what is kept of lines does not grow with the text


@dataclass(frozen=True)
class Spans:
    """Pieces of a byte buffer, and what is to be known of the characters in each."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    letters: NDArray[np.int64]
    flags: NDArray[np.int64]  # COMPOSES, LOWER and UPPER of all characters, or-ed

    def take(self, chosen: NDArray[np.int64]) -> Spans:
        return Spans(self.starts[chosen], self.ends[chosen], self.letters[chosen], self.flags[chosen])


@kernel
def measure_prefixes(text, offsets, limit, index, classes, ends, letters, flags):  # type: ignore[no-untyped-def]
    """Find where each document's first `limit` characters end, how many are letters, and their flags."""
    for document in range(offsets.size - 1):
        position, end = offsets[document], offsets[document + 1]
        left, found, seen = limit, 0, 0
        while position < end and left > 0:
            entry = read_character(text, position, end, index, classes)
            position += (entry >> 16) & 255
            found += (entry & CLASS) == LETTER
            seen |= entry
            left -= 1
        ends[document], letters[document], flags[document] = position, found, seen


@kernel
def measure_line(text, position, end, index, classes):  # type: ignore[no-untyped-def]
    """(where the next line begins, first and past last byte that is not white space, letters, flags)."""
    first, past, found, seen = end, position, 0, 0
    while position < end:
        entry = read_character(text, position, end, index, classes)
        kind, following = entry & CLASS, position + ((entry >> 16) & 255)
        if kind == NEWLINE:
            return following, first, past, found, seen
        if kind != SPACE:
            first, past = min(first, position), following
        found += kind == LETTER
        seen |= entry
        position = following
    return position, first, past, found, seen


@kernel
def find_lines(  # type: ignore[no-untyped-def]
    text, offsets, least, index, classes, cursor, owners, starts, ends, letters, flags
):
    """List the next lines with enough letters and return how many; `cursor` is where to go on."""
    found = 0
    document, position = cursor[0], cursor[1]
    while document < offsets.size - 1 and found < owners.size:
        end = offsets[document + 1]
        while position < end and found < owners.size:
            position, first, past, count, seen = measure_line(text, position, end, index, classes)
            owners[found], starts[found], ends[found] = document, first, past
            letters[found], flags[found] = count, seen
            found += count >= least
        document += position >= end
    cursor[0], cursor[1] = document, position
    return found


def find_prefixes(text: Bytes, offsets: Offsets, characters: int) -> Spans:
    """The first `characters` of each document."""
    ends, letters, flags = np.zeros((3, offsets.size - 1), np.int64)
    measure_prefixes(text, offsets, characters, *load_classes(), ends, letters, flags)
    return Spans(offsets[:-1], ends, letters, flags & (COMPOSES | LOWER | UPPER))


def iterate_lines(
    text: Bytes, offsets: Offsets, least: int, size: int = LINES
) -> Iterator[tuple[NDArray[np.int64], Spans]]:
    """Blocks of (the number of each line's document, the lines), those with `least` letters, or one at least.

    A line here has no white space at its ends.
    """
    cursor = np.array([0, offsets[0]])
    while cursor[0] < offsets.size - 1:
        found = np.zeros((5, size), np.int64)
        count = find_lines(text, offsets, max(least, 1), *load_classes(), cursor, *found)
        owners, starts, ends, letters, flags = found[:, :count]
        yield owners, Spans(starts, ends, letters, flags & (COMPOSES | LOWER | UPPER))
