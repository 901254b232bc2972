"""Pieces as tokens → their symbols in memory and the pairs among them, ready to be merged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.merges.pairs import PairTable, find_entry, is_admitted
from dspipe.bpe.merges.state import (
    FREE_SLOT,
    NOWHERE,
    POOL,
    STATES,
    USED_SLOTS,
    Learned,
    Pairs,
    Places,
    Symbols,
)
from dspipe.text.kernel import kernel

POOL_SHARE = 1.25  # entries of the pool for each symbol: as many are there at most, the rest is for new ones
FIRST_ENTRIES = 1 << 17  # of the table of pairs
ONE, SIX = np.uint64(1), np.uint64(63)


def load_symbols(tokens: Places, offsets: NDArray[np.int64], counts: NDArray[np.int64]) -> Symbols:
    """tokens (T,): those of piece i are tokens[offsets[i] : offsets[i + 1]]; each has one at least."""
    starts = np.zeros(tokens.size // 64 + 1, np.uint64)
    ranks = np.zeros(starts.size, np.int32)
    mark_starts(offsets, starts, ranks)
    return Symbols(tokens, np.full(tokens.size, NOWHERE, np.int32), starts, ranks, counts)


def allocate_pairs(symbols: int) -> Pairs:
    """Room for as many pairs as there can be; of what is not used the system gives no memory.

    At first there is a slot for each symbol at most, and a merge of two symbols makes two more at most.
    """
    small, large, most = np.int32, np.int64, 3 * symbols
    return Pairs(
        left=np.empty(most, small),
        right=np.empty(most, small),
        counts=np.empty(most, large),
        first=np.empty(most, small),
        length=np.empty(most, small),
        queued=np.empty(most, np.uint8),
        pool=np.empty(int(symbols * POOL_SHARE) + 64, small),
        heap_count=np.empty(most, large),
        heap_slot=np.empty(most, small),
    )


def allocate_learned(bytes_: NDArray[np.int64], symbols: int) -> Learned:
    """What `learn` notes by id; `bytes_` are the lengths of tokens, each of which has a width of one now."""
    small, large, size = np.int32, np.int64, bytes_.size
    learned = Learned(
        bytes=bytes_,
        width=np.ones(size, small),
        left_made=np.full(size, NOWHERE, small),
        left_slot=np.empty(size, small),
        right_made=np.full(size, NOWHERE, small),
        right_slot=np.empty(size, small),
        touched=np.empty(2 * size, small),
        found_slot=np.empty(2 * symbols, small),
        found_place=np.empty(2 * symbols, small),
        merge_left=np.empty(size, small),
        merge_right=np.empty(size, small),
        merge_count=np.empty(size, large),
        state=np.zeros(STATES, large),
    )
    learned.state[FREE_SLOT] = NOWHERE
    return learned


def find_pairs(symbols: Symbols, pairs: Pairs, learned: Learned, longest: int) -> None:
    """Give every pair of neighbours a slot, and list where they occur."""
    table = PairTable(FIRST_ENTRIES)
    at = np.zeros(2, np.int64)
    while not assign_slots(symbols, pairs, learned, table.keys, table.values, at, longest):
        table.grow()
    fill_pool(symbols, pairs, learned.state)


@kernel
def mark_starts(offsets, starts, ranks):  # type: ignore[no-untyped-def]
    for piece in range(offsets.size - 1):
        place = offsets[piece]
        starts[place >> 6] |= ONE << (np.uint64(place) & SIX)
    piece = 0
    for block in range(ranks.size):
        while piece < offsets.size - 1 and offsets[piece] < block << 6:
            piece += 1
        ranks[block] = piece


@kernel
def assign_slots(symbols, pairs, learned, keys, slots, at, longest):  # type: ignore[no-untyped-def]
    """Count each pair and its occurrences, from [place, piece] on; False if the table has to grow first.

    `keys` and `slots` are a hash table of pairs.
    """
    state = learned.state
    size = symbols.tokens.size
    while at[0] < size:
        place, after = at[0], at[0] + 1
        first = (symbols.starts[place >> 6] >> (np.uint64(place) & SIX)) & ONE
        ends = after == size or (symbols.starts[after >> 6] >> (np.uint64(after) & SIX)) & ONE
        left = symbols.tokens[place]
        if not ends and is_admitted(learned.bytes, left, symbols.tokens[after], longest):
            right = symbols.tokens[after]
            entry, known = find_entry(keys, left, right)
            if not known:
                slot = state[USED_SLOTS]
                if 2 * (slot + 1) > keys.size:
                    return False
                keys[entry] = (np.uint64(left) << np.uint64(32) | np.uint64(right)) + ONE
                slots[entry] = slot
                state[USED_SLOTS] += 1
                pairs.left[slot], pairs.right[slot], pairs.queued[slot] = left, right, 0
                pairs.counts[slot], pairs.length[slot] = 0, 0
            slot = slots[entry]
            symbols.slots[place] = slot
            pairs.counts[slot] += symbols.counts[at[1] + np.int64(first) - 1]
            pairs.length[slot] += 1
        at[0] = after
        at[1] += np.int64(first)
    return True


@kernel
def fill_pool(symbols, pairs, state):  # type: ignore[no-untyped-def]
    """List the occurrences of each pair, in ascending order."""
    used = 0
    for slot in range(state[USED_SLOTS]):
        pairs.first[slot] = used
        used += pairs.length[slot]
        pairs.length[slot] = 0
    state[POOL] = used
    for place in range(symbols.tokens.size):
        slot = symbols.slots[place]
        if slot != NOWHERE:
            pairs.pool[pairs.first[slot] + pairs.length[slot]] = place
            pairs.length[slot] += 1
