"""Pairs of token ids → a value of each, in a hash table: a count, a slot, or the number of a merge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.merges.words import Words
from dspipe.text.kernel import inlined, kernel

Integers = NDArray[np.int64]

ONE, HALF, SHIFT = np.uint64(1), np.uint64(32), np.uint64(29)
MIX, LOW = np.uint64(0x9E3779B97F4A7C15), np.uint64(2**32 - 1)


class PairTable:
    """At most half full; a key is left · 2^32 + right + 1, and 0 where there is none.

    Attributes:
        keys, values: of the entries; used: how many there are.
    """

    def __init__(self, entries: int) -> None:
        self.keys = np.zeros(entries, np.uint64)
        self.values = np.zeros(entries, np.int64)
        self.used = 0

    def reserve(self, pairs: int) -> None:
        """Be large enough for so many."""
        while 2 * pairs > self.keys.size:
            self.grow()

    def grow(self) -> None:
        keys, values = self.keys, self.values
        self.keys, self.values = np.zeros(2 * keys.size, np.uint64), np.zeros(2 * keys.size, np.int64)
        add_entries(keys, values, self.keys, self.values)

    def add_all(self, left: NDArray[Any], right: NDArray[Any], values: Integers) -> None:
        """Add to the values of pairs, which begin with 0."""
        self.reserve(self.used + left.size)
        keys = (left.astype(np.uint64) << HALF | right.astype(np.uint64)) + ONE
        self.used += int(add_entries(keys, values, self.keys, self.values))

    def list(self) -> tuple[Integers, Integers, Integers]:
        """(left, right, value) of all pairs."""
        there = self.keys != 0
        keys = self.keys[there] - ONE
        return (keys >> HALF).astype(np.int64), (keys & LOW).astype(np.int64), self.values[there]

    def first(self, value: int) -> tuple[NDArray[np.int32], NDArray[np.int32], Integers]:
        """(left, right, value) of the smallest pair with a value, (1,) each."""
        left, right, values = self.list()
        chosen = np.flatnonzero(values == value)
        chosen = chosen[np.lexsort((right[chosen], left[chosen]))][:1]
        return left[chosen].astype(np.int32), right[chosen].astype(np.int32), values[chosen]


def make_table(left: NDArray[Any], right: NDArray[Any], values: Integers) -> PairTable:
    table = PairTable(16)
    table.add_all(left, right, values)
    return table


def count_pairs(
    words: Words, lengths: Integers, longest: int, share: int, shares: int, table: PairTable
) -> None:
    """Add how often each pair occurs, of one of `shares` equal parts of all pairs."""
    at = np.zeros(2, np.int64)
    while True:
        added = add_words(*words, lengths, longest, share, shares, table.keys, table.values, table.used, at)
        table.used = abs(int(added))
        if added >= 0:
            return
        table.grow()


@inlined
def find_entry(keys, left, right):  # type: ignore[no-untyped-def]
    """Where a pair is or would be, and whether it is there."""
    mask = np.uint64(keys.size - 1)
    key = (np.uint64(left) << HALF | np.uint64(right)) + ONE
    at = key * MIX
    at = (at ^ (at >> SHIFT)) & mask
    while keys[at] != key:
        if keys[at] == 0:
            return at, False
        at = (at + ONE) & mask
    return at, True


@inlined
def is_admitted(bytes_, left, right, longest):  # type: ignore[no-untyped-def]
    """Whether a pair may become a token of less than `longest` bytes; two single bytes always may."""
    together = bytes_[left] + bytes_[right]
    return together < longest or together == 2


@kernel
def add_entries(keys, values, table_keys, table_values):  # type: ignore[no-untyped-def]
    """Add values to those of a table, where keys are not 0; returns how many are new."""
    mask = np.uint64(table_keys.size - 1)
    new = 0
    for number in range(keys.size):
        key = keys[number]
        if key:
            at = key * MIX
            at = (at ^ (at >> SHIFT)) & mask
            while table_keys[at] != key and table_keys[at] != 0:
                at = (at + ONE) & mask
            if table_keys[at] == 0:
                table_keys[at] = key
                new += 1
            table_values[at] += values[number]
    return new


@kernel
def add_words(tokens, offsets, counts, bytes_, longest, share, shares, keys, values, used, at):  # type: ignore[no-untyped-def]
    """Add to the count of each pair from [piece, place] on; minus how many there are if the table is full."""
    for piece in range(at[0], counts.size):
        for place in range(max(at[1], offsets[piece]), offsets[piece + 1] - 1):
            left, right = tokens[place], tokens[place + 1]
            if not is_admitted(bytes_, left, right, longest) or (left * 31 + right) % shares != share:
                continue
            entry, known = find_entry(keys, left, right)
            if not known:
                if 2 * (used + 1) > keys.size:
                    at[0], at[1] = piece, place
                    return -used
                keys[entry] = (np.uint64(left) << HALF | np.uint64(right)) + ONE
                used += 1
            values[entry] += counts[piece]
    return used
