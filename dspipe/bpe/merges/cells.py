"""Pairs → how often each occurs at most, in a fixed number of bytes: sums over all pairs of the same hash.

A cell is one, two, four or eight bytes wide, and keeps the largest number that it can hold: as long as no
pair occurs more often than that, it is not less than what it stands for. Of rare pairs there are many, and
for them there are many cells. Where they are too few all the same, pairs are added up twice: the second time
by another hash, without the pairs that are known to be rare since the first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.merges.pairs import is_admitted
from dspipe.text.kernel import inlined, kernel, load8, store8

FEWEST, MOST = 1 << 12, 1 << 26
LARGEST = 2**63 - 1
HALF = np.uint64(32)
ROUGH, FINE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # by which keys are multiplied


class Cells(NamedTuple):
    numbers: NDArray[np.uint8]  # padded, so that eight bytes can be read at every cell
    size: int  # how many there are, a power of two
    scale: int  # a cell has 2^scale bytes
    limit: int  # the largest number of a cell
    mix: np.uint64  # of the hash

    @property
    def top(self) -> int:
        """The largest number in a cell."""
        return int(self.numbers[: self.size << self.scale].view(f"u{1 << self.scale}").max())


class Bounds(NamedTuple):
    """Pairs that occur more often than `above`, by the rough cells, are in the fine ones; or both are one."""

    rough: Cells
    fine: Cells
    above: int


def allocate_cells(most: int, memory: int, mix: np.uint64) -> Cells:
    """Cells for pairs that occur `most` times at most, in so many bytes, if they are not too few."""
    limits = [2**8 - 1, 2**16 - 1, 2**32 - 1, LARGEST]
    scale = next(scale for scale, limit in enumerate(limits) if most <= limit)
    count = 1 << (min(max(memory >> scale, FEWEST), MOST).bit_length() - 1)
    return Cells(np.zeros((count << scale) + 8, np.uint8), count, scale, limits[scale], mix)


@inlined
def read_cell(cells, number):  # type: ignore[no-untyped-def]
    return np.int64(load8(cells.numbers, number << cells.scale) & np.uint64(cells.limit))


@inlined
def add_to_cell(cells, number, count):  # type: ignore[no-untyped-def]
    word = load8(cells.numbers, number << cells.scale)
    old = np.int64(word & np.uint64(cells.limit))
    new = old + min(count, cells.limit - old)
    store8(cells.numbers, number << cells.scale, word ^ np.uint64(old) ^ np.uint64(new))


@inlined
def find_cell(cells, left, right):  # type: ignore[no-untyped-def]
    key = (np.uint64(left) << HALF | np.uint64(right)) * cells.mix
    return np.int64((key >> HALF ^ key) * cells.mix >> HALF & np.uint64(cells.size - 1))


@inlined
def find_bound(bounds, lengths, left, right, longest):  # type: ignore[no-untyped-def]
    """How often a pair may be merged at most, or 0 if it is not more often than `bounds.above`."""
    if not is_admitted(lengths, left, right, longest):
        return np.int64(0)
    rough = read_cell(bounds.rough, find_cell(bounds.rough, left, right))
    if rough <= bounds.above:
        return np.int64(0)
    return min(rough, read_cell(bounds.fine, find_cell(bounds.fine, left, right)))


@kernel
def add_pairs(words, lengths, longest, cells, rough, above):  # type: ignore[no-untyped-def]
    """Add the pairs that occur more often than `above`, by other cells."""
    tokens, offsets = words.tokens, words.offsets
    for piece in range(words.counts.size):
        for place in range(offsets[piece], offsets[piece + 1] - 1):
            left, right = tokens[place], tokens[place + 1]
            if (
                is_admitted(lengths, left, right, longest)
                and read_cell(rough, find_cell(rough, left, right)) > above
            ):
                add_to_cell(cells, find_cell(cells, left, right), words.counts[piece])
