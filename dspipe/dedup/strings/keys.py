"""Keys of 128 bits in two columns → their order, where one is found, and the pieces of text they are of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dspipe.dedup.strings.answers import Columns, Integers
from dspipe.text.kernel import inlined, kernel, trailing_zeros

Numbers = npt.NDArray[np.uint64]

HIGH, LOW = range(2)  # columns of the key
LARGEST = 2**63 - 1  # of ranks
MOST_MOVES = 8  # of a key, on average


class Pieces(NamedTuple):
    """Lines or windows of a part, in the order of its text; (n,) each."""

    high: Numbers  # the key
    low: Numbers
    rows: Integers
    starts: Integers  # bytes in the row's text
    ends: Integers

    def choose(self, chosen: Any) -> Pieces:
        return Pieces(*(column[chosen] for column in self))


def make_room(size: int) -> Pieces:
    return Pieces(*np.empty((2, size), np.uint64), *np.empty((3, size), np.int64))


@inlined
def scramble(value):  # type: ignore[no-untyped-def]
    """SplitMix64's finalizer: every bit depends on every other, and no two numbers become one."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def sort_keys(high: Numbers, low: Numbers) -> Integers:
    """The order of keys; equal ones stay as they are. The upper halves are taken to be spread evenly."""
    order = np.empty(len(high), np.int64)
    least = high.min(initial=2**64 - 1)
    bits = int(high.max(initial=least) - least).bit_length()
    shift = max(0, bits - len(high).bit_length())
    counts = np.zeros((1 << (bits - shift)) + 1, np.int64)
    if not distribute(high, low, least, np.uint64(shift), counts, order):
        return np.lexsort((low, high))
    return order


@kernel
def distribute(high, low, least, shift, counts, order):  # type: ignore[no-untyped-def]
    """Sort into about as many buckets as there are keys, and inside these by insertion.

    Returns False, without an order, where that takes too long, as keys are chosen to share their buckets.
    """
    for index in range(high.size):
        counts[np.int64((high[index] - least) >> shift) + 1] += 1
    for bucket in range(1, counts.size):
        counts[bucket] += counts[bucket - 1]
    for index in range(high.size):
        bucket = (high[index] - least) >> shift
        order[counts[bucket]] = index
        counts[bucket] += 1
    moves = 0
    for index in range(1, order.size):
        key, place = order[index], index
        while place > 0 and is_before(high, low, key, order[place - 1]):
            order[place] = order[place - 1]
            place -= 1
        order[place] = key
        moves += index - place
        if moves > MOST_MOVES * order.size:
            return False
    return True


@inlined
def same_key(high, low, first, second):  # type: ignore[no-untyped-def]
    return high[first] == high[second] and low[first] == low[second]


@inlined
def is_before(high, low, first, second):  # type: ignore[no-untyped-def]
    return high[first] < high[second] or (high[first] == high[second] and low[first] < low[second])


def find_keys(high: Numbers, low: Numbers, answers: Columns) -> Integers:
    """(n,) where each key stands in answers, whose keys are sorted and distinct; −1 where it does not."""
    bits = answers.shape[1].bit_length()
    buckets = (answers[HIGH] >> np.uint64(64 - bits)).astype(np.int64) if bits else np.empty(0, np.int64)
    ends = np.append(0, np.cumsum(np.bincount(buckets, minlength=1 << bits)))
    places = np.empty(len(high), np.int64)
    look_up(high, low, answers[HIGH], answers[LOW], ends, places)
    return places


@kernel
def look_up(high, low, highs, lows, ends, places):  # type: ignore[no-untyped-def]
    """ends: (2^bits + 1,), how many keys there are before each value of the upper bits."""
    shift = 64 - trailing_zeros(np.uint64(ends.size - 1))
    for index in range(high.size):
        bucket = np.int64(high[index] >> np.uint64(shift)) if shift < 64 else 0
        first, last = ends[bucket], ends[bucket + 1]
        while first < last:
            middle = (first + last) >> 1
            if highs[middle] < high[index] or (highs[middle] == high[index] and lows[middle] < low[index]):
                first = middle + 1
            else:
                last = middle
        found = first < highs.size and highs[first] == high[index] and lows[first] == low[index]
        places[index] = first if found else -1
