"""Symbols and their pairs → merges, one after the other, until the pairs are too rare or there are enough."""

from __future__ import annotations

import numpy as np

from dspipe.bpe.merges.heap import drop_first, fill_heap, push, sink
from dspipe.bpe.merges.state import (
    FLOOR,
    FREE_SLOT,
    HEAP,
    MERGES,
    NEXT,
    NOWHERE,
    POOL,
    USED_SLOTS,
)
from dspipe.text.kernel import count_bits, inlined, kernel, prefetch

ONE, SIX = np.uint64(1), np.uint64(63)
AHEAD = 8  # occurrences that are fetched before they are needed

PAUSED, ENOUGH, EXHAUSTED = range(3)  # why `learn` came back


@inlined
def begins(starts, place):  # type: ignore[no-untyped-def]
    """Whether a piece begins at a place."""
    return (starts[place >> 6] >> (np.uint64(place) & SIX)) & ONE != 0


@inlined
def weigh(symbols, place):  # type: ignore[no-untyped-def]
    """How often the piece at a place occurs."""
    block = place >> 6
    before = symbols.starts[block] & ((ONE << (np.uint64(place) & SIX) << ONE) - ONE)
    return symbols.counts[symbols.ranks[block] + count_bits(before) - 1]


@inlined
def free_if_gone(pairs, state, slot):  # type: ignore[no-untyped-def]
    if pairs.counts[slot] == 0 and pairs.queued[slot] == 0:
        pairs.left[slot] = state[FREE_SLOT]
        state[FREE_SLOT] = slot


@inlined
def make_slot(pairs, state, left, right):  # type: ignore[no-untyped-def]
    slot = state[FREE_SLOT]
    if slot == NOWHERE:
        slot = state[USED_SLOTS]
        state[USED_SLOTS] += 1
    else:
        state[FREE_SLOT] = pairs.left[slot]
    pairs.left[slot], pairs.right[slot] = left, right
    pairs.counts[slot], pairs.length[slot], pairs.queued[slot] = 0, 0, 0
    return slot


@kernel
def compact(symbols, pairs, state):  # type: ignore[no-untyped-def]
    """Move what is still there of each pair's occurrences to the front of the pool."""
    place, kept, end = 0, 0, state[POOL]
    while place < end:
        slot = symbols.slots[pairs.pool[place]]
        if slot == NOWHERE or not (pairs.first[slot] <= place < pairs.first[slot] + pairs.length[slot]):
            place += 1
            continue
        last = pairs.first[slot] + pairs.length[slot]
        pairs.first[slot] = kept
        for entry in range(place, last):
            if symbols.slots[pairs.pool[entry]] == slot:
                pairs.pool[kept] = pairs.pool[entry]
                kept += 1
        pairs.length[slot] = kept - pairs.first[slot]
        place = last
    state[POOL] = kept


@inlined
def note_pair(symbols, pairs, learned, slot, place, weight, found):  # type: ignore[no-untyped-def]
    """A pair that the merge makes begins at a place; returns how many such places there are."""
    pairs.counts[slot] += weight
    symbols.slots[place] = slot
    learned.found_slot[found], learned.found_place[found] = slot, place
    return found + 1


@kernel
def merge_all(symbols, pairs, learned, merged, token, longest):  # type: ignore[no-untyped-def]
    """Replace a pair by a token wherever it occurs; returns (new pairs, new occurrences)."""
    state = learned.state
    left, right = pairs.left[merged], pairs.right[merged]
    left_width, width = learned.width[left], learned.width[left] + learned.width[right]
    begin, end = pairs.first[merged], pairs.first[merged] + pairs.length[merged]
    size = symbols.tokens.size
    made, found = 0, 0
    for entry in range(begin, end):
        if entry + AHEAD < end:
            ahead = np.int64(pairs.pool[entry + AHEAD])
            prefetch(symbols.tokens, ahead)
            prefetch(symbols.slots, ahead)
        place = np.int64(pairs.pool[entry])
        if symbols.slots[place] != merged:
            continue
        second, after = place + left_width, place + width
        weight = weigh(symbols, place)
        follows = after < size and not begins(symbols.starts, after)
        if follows:
            gone = symbols.slots[second]
            if gone != NOWHERE and gone != merged:
                pairs.counts[gone] -= weight
                free_if_gone(pairs, state, gone)
        symbols.slots[second] = NOWHERE
        symbols.tokens[place], symbols.tokens[after - 1] = token, -width
        if not begins(symbols.starts, place):
            before = place - 1
            if symbols.tokens[before] < 0:
                before = place + symbols.tokens[before]
            gone = symbols.slots[before]
            if gone != NOWHERE:
                pairs.counts[gone] -= weight
                if pairs.left[gone] != token:  # else this merge has made it, and may find it again
                    free_if_gone(pairs, state, gone)
            symbols.slots[before] = NOWHERE
            other = symbols.tokens[before]
            if learned.bytes[other] + learned.bytes[token] < longest:
                if learned.left_made[other] != token:
                    slot = make_slot(pairs, state, other, token)
                    learned.left_made[other], learned.left_slot[other] = token, slot
                    learned.touched[made] = slot
                    made += 1
                found = note_pair(symbols, pairs, learned, learned.left_slot[other], before, weight, found)
        symbols.slots[place] = NOWHERE
        if follows:
            other = symbols.tokens[after]
            if learned.bytes[token] + learned.bytes[other] < longest:
                if learned.right_made[other] != token:
                    slot = make_slot(pairs, state, token, other)
                    learned.right_made[other], learned.right_slot[other] = token, slot
                    learned.touched[made] = slot
                    made += 1
                found = note_pair(symbols, pairs, learned, learned.right_slot[other], place, weight, found)
    return made, found


@inlined
def record_found(symbols, pairs, learned, made, found):  # type: ignore[no-untyped-def]
    """Give each new pair its range of the pool, and queue it."""
    state = learned.state
    if state[POOL] + found > pairs.pool.size:
        compact(symbols, pairs, state)
    for number in range(found):
        slot = learned.found_slot[number]
        if symbols.slots[learned.found_place[number]] == slot:
            pairs.length[slot] += 1
    for number in range(made):
        slot = learned.touched[number]
        pairs.first[slot] = state[POOL]
        state[POOL] += pairs.length[slot]
        pairs.length[slot] = 0
        if pairs.counts[slot] >= state[FLOOR]:
            push(pairs, state, pairs.counts[slot], slot)
        else:
            free_if_gone(pairs, state, slot)
    for number in range(found):
        slot, place = learned.found_slot[number], learned.found_place[number]
        if symbols.slots[place] == slot:
            pairs.pool[pairs.first[slot] + pairs.length[slot]] = place
            pairs.length[slot] += 1


@kernel
def learn(symbols, pairs, learned, size, least, longest, work):  # type: ignore[no-untyped-def]
    """Merge until there are `size` ids, no pair occurs `least` times, or `work` occurrences are done."""
    state = learned.state
    while state[NEXT] < size:
        if state[HEAP] == 0:
            if state[FLOOR] <= least:
                return EXHAUSTED
            state[FLOOR] = max(least, state[FLOOR] // 2)
            fill_heap(pairs, state)
            continue
        count, slot = pairs.heap_count[0], pairs.heap_slot[0]
        if pairs.counts[slot] != count:
            count = pairs.counts[slot]
            if count >= state[FLOOR]:
                sink(pairs, state, 0, count, slot)
            else:
                drop_first(pairs, state)
                free_if_gone(pairs, state, slot)
            continue
        if work < 0:
            return PAUSED
        left, right, token = pairs.left[slot], pairs.right[slot], state[NEXT]
        learned.width[token] = learned.width[left] + learned.width[right]
        learned.bytes[token] = learned.bytes[left] + learned.bytes[right]
        drop_first(pairs, state)
        number = state[MERGES]
        learned.merge_left[number], learned.merge_right[number] = left, right
        learned.merge_count[number] = count
        work -= pairs.length[slot]
        made, found = merge_all(symbols, pairs, learned, slot, token, longest)
        pairs.counts[slot] = 0
        free_if_gone(pairs, state, slot)
        record_found(symbols, pairs, learned, made, found)
        state[MERGES] += 1
        state[NEXT] += 1
    return ENOUGH
