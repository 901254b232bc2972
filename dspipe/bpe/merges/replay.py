"""Pieces as tokens and some merges → the pieces after these merges.

The merges of a piece are done by their number, the smallest first, and among equals from the left: with the
list of merges of a vocabulary that is how it encodes, and here it brings pieces up to date with what was
learned from others. A heap has the numbers of a piece's pairs, so that a piece of n tokens takes n log n.
"""

from __future__ import annotations

import numpy as np

from dspipe.bpe.merges.pairs import PairTable, find_entry
from dspipe.bpe.merges.state import Places
from dspipe.bpe.merges.words import Words
from dspipe.text.kernel import inlined, kernel

END = -1
PLACE = 2**31 - 1  # mask of the place in an entry of the heap; above it is the number of the merge
NUMBER = 31


def replay_merges(words: Words, merges: PairTable, made: Places) -> Words:
    """Merge in place; `made` (m,) is the token of each merge. Pieces that are one token then are gone."""
    longest = int(np.diff(words.offsets).max(initial=0))
    after, before = np.empty(longest, np.int32), np.empty(longest, np.int32)
    heap = np.empty(3 * longest + 1, np.int64)
    return words.first(int(replay(*words, merges.keys, merges.values, made, after, before, heap)))


@inlined
def push_number(heap, size, entry):  # type: ignore[no-untyped-def]
    place = size
    while place > 0:
        parent = (place - 1) >> 1
        if heap[parent] <= entry:
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = entry
    return size + 1


@inlined
def pop_number(heap, size):  # type: ignore[no-untyped-def]
    """Remove the first; returns the new size."""
    size -= 1
    entry = heap[size]
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= entry:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = entry
    return size


@kernel
def replay(tokens, offsets, counts, keys, numbers, made, after, before, heap):  # type: ignore[no-untyped-def]
    """Merge, and move what is left to the front; returns how many pieces that is."""
    pieces, used, end = 0, 0, offsets[0]
    for piece in range(counts.size):
        begin, end = end, offsets[piece + 1]
        length = end - begin
        size = 0
        for place in range(length - 1):
            entry, known = find_entry(keys, tokens[begin + place], tokens[begin + place + 1])
            if known:
                size = push_number(heap, size, numbers[entry] << NUMBER | place)
        for place in range(length):
            after[place], before[place] = place + 1, place - 1
        after[length - 1] = END
        left = length
        while size:
            number, place = heap[0] >> NUMBER, heap[0] & PLACE
            size = pop_number(heap, size)
            second = after[place]
            if second == END or before[place] == place:
                continue
            entry, known = find_entry(keys, tokens[begin + place], tokens[begin + second])
            if not known or numbers[entry] != number:
                continue  # one of the two has gone into another token since
            tokens[begin + place] = made[number]
            before[second] = second  # it is gone
            third = after[second]
            after[place] = third
            left -= 1
            if third != END:
                before[third] = place
                entry, known = find_entry(keys, made[number], tokens[begin + third])
                if known and numbers[entry] > number:
                    size = push_number(heap, size, numbers[entry] << NUMBER | place)
            first = before[place]
            if first >= 0:
                entry, known = find_entry(keys, tokens[begin + first], made[number])
                if known and numbers[entry] > number:
                    size = push_number(heap, size, numbers[entry] << NUMBER | first)
        if left > 1:
            rest = np.int64(0)
            while rest != END:
                tokens[used] = tokens[begin + rest]
                used += 1
                rest = np.int64(after[rest])
            counts[pieces] = counts[piece]
            pieces += 1
            offsets[pieces] = used
    return pieces
