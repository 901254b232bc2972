"""What merges are learned from: the symbols of pieces, and the pairs of neighbours among them.

Symbols lie one behind the other, those of one piece together. A token that was merged from symbols i … j
stands at i; at j stands minus its *width*, the number of places that it takes; what is between is stale. So
the next token begins at i + width, and the one before ends at i - 1, which tells where it begins. `starts`
has a bit for each place where a piece begins, and `ranks` how many such bits are before each 64 of them: that
gives the number of the piece at a place, and so its count.

A *slot* is what is known of a pair. Where the pair's occurrences are is a range of `pool`, in ascending
order, made when the pair came to be; an entry counts only as long as `slots` says that the pair is still
there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int32]

NOWHERE = -1

# numbers in `Learned.state`
MERGES, NEXT, USED_SLOTS, FREE_SLOT, POOL, HEAP, FLOOR = range(7)
STATES = 7


class Symbols(NamedTuple):
    """T symbols of n pieces; `tokens` and `slots` (T,), `counts` (n,) how often each piece occurs."""

    tokens: Places
    slots: Places  # of the pair that begins there, or NOWHERE
    starts: NDArray[np.uint64]
    ranks: Places
    counts: NDArray[np.int64]


class Pairs(NamedTuple):
    """By slot; a slot that is free has the next free one as `left`, and a count of 0."""

    left: Places
    right: Places
    counts: NDArray[np.int64]
    first: Places  # in the pool
    length: Places
    queued: NDArray[np.uint8]  # whether the heap has it
    pool: Places
    heap_count: NDArray[np.int64]  # as it was when it was put there: it may have fallen since
    heap_slot: Places


class Learned(NamedTuple):
    """By token id what is known of it, and its slots in the merge at work; and the merges so far."""

    bytes: NDArray[np.int64]  # its length
    width: Places
    left_made: Places  # the token for which `left_slot` holds
    left_slot: Places
    right_made: Places
    right_slot: Places
    touched: Places  # slots that a merge has made
    found_slot: Places  # new occurrences, in the order in which they were found
    found_place: Places
    merge_left: Places
    merge_right: Places
    merge_count: NDArray[np.int64]
    state: NDArray[np.int64]
