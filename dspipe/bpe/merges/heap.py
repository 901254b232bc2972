"""Pairs by how often they occur: the most frequent first, among equals the smallest left id, then right id.

Counts only fall, so an entry keeps the count that it came with, and is put right when it comes up.
"""

from __future__ import annotations

from dspipe.bpe.merges.state import FLOOR, HEAP, USED_SLOTS
from dspipe.text.kernel import inlined, kernel


@inlined
def precedes(count, slot, other_count, other, pairs):  # type: ignore[no-untyped-def]
    if count != other_count:
        return count > other_count
    if pairs.left[slot] != pairs.left[other]:
        return pairs.left[slot] < pairs.left[other]
    return pairs.right[slot] < pairs.right[other]


@kernel
def push(pairs, state, count, slot):  # type: ignore[no-untyped-def]
    place = state[HEAP]
    state[HEAP] += 1
    pairs.queued[slot] = 1
    while place > 0:
        parent = (place - 1) >> 1
        if not precedes(count, slot, pairs.heap_count[parent], pairs.heap_slot[parent], pairs):
            break
        pairs.heap_count[place], pairs.heap_slot[place] = pairs.heap_count[parent], pairs.heap_slot[parent]
        place = parent
    pairs.heap_count[place], pairs.heap_slot[place] = count, slot


@kernel
def sink(pairs, state, place, count, slot):  # type: ignore[no-untyped-def]
    """Put an entry at a place, or below it."""
    size = state[HEAP]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and precedes(
            pairs.heap_count[child + 1], pairs.heap_slot[child + 1],
            pairs.heap_count[child], pairs.heap_slot[child], pairs,
        ):  # fmt: skip
            child += 1
        if not precedes(pairs.heap_count[child], pairs.heap_slot[child], count, slot, pairs):
            break
        pairs.heap_count[place], pairs.heap_slot[place] = pairs.heap_count[child], pairs.heap_slot[child]
        place = child
    pairs.heap_count[place], pairs.heap_slot[place] = count, slot


@kernel
def drop_first(pairs, state):  # type: ignore[no-untyped-def]
    pairs.queued[pairs.heap_slot[0]] = 0
    state[HEAP] -= 1
    last = state[HEAP]
    if last > 0:
        sink(pairs, state, 0, pairs.heap_count[last], pairs.heap_slot[last])


@kernel
def fill_heap(pairs, state):  # type: ignore[no-untyped-def]
    """Queue every pair that occurs as often as the floor says; the heap is empty before."""
    size = 0
    for slot in range(state[USED_SLOTS]):
        if pairs.counts[slot] >= state[FLOOR]:
            pairs.heap_count[size], pairs.heap_slot[size] = pairs.counts[slot], slot
            pairs.queued[slot] = 1
            size += 1
    state[HEAP] = size
    for place in range(size // 2 - 1, -1, -1):
        sink(pairs, state, place, pairs.heap_count[place], pairs.heap_slot[place])
