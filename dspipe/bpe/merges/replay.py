"""Pieces as tokens and some merges → the pieces after these merges.

The merges of a piece are done by their number, the smallest first, and among equals from the left: with the
list of merges of a vocabulary that is how it encodes, and here it brings pieces up to date with what was
learned from others. A heap has the numbers of a piece's pairs, so that a piece of n tokens takes n log n.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.merges.pairs import find_entry, make_table
from dspipe.bpe.merges.state import Places
from dspipe.bpe.merges.words import Integers, Words
from dspipe.text.kernel import inlined, kernel

GONE = -1
PLACE = 2**31 - 1  # mask of the place in an entry of the heap; above it is the number of the merge
NUMBER = 31


class Replay(NamedTuple):
    """Merges as they are done: a hash table of pairs with their numbers, and what each makes.

    Merge n makes the token `first` + n, `widths[n]` tokens wide, of those that were there before the merges.
    """

    keys: NDArray[np.uint64]
    numbers: Integers
    first: int
    widths: Places


def prepare_replay(left: Places, right: Places, first: int) -> Replay:
    table = make_table(left, right, np.arange(left.size))
    widths = np.ones(left.size, np.int32)
    for number, pair in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        widths[number] = sum(widths[part - first] if part >= first else 1 for part in pair)
    return Replay(table.keys, table.values, first, widths)


def replay_merges(words: Words, merges: Replay) -> Words:
    """Merge in place; pieces that are one token then are gone."""
    longest = int(np.diff(words.offsets).max(initial=0))
    return words.first(int(replay(words, merges, np.empty(3 * longest + 1, np.int64))))


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


@inlined
def width_of(token, merges):  # type: ignore[no-untyped-def]
    return np.int64(merges.widths[token - merges.first]) if token >= merges.first else np.int64(1)


@kernel
def replay(words, merges, heap):  # type: ignore[no-untyped-def]
    """Merge, and move what is left to the front; returns how many pieces that is.

    As in `learn`, a token that was merged has minus its width at its last place; where its right part began
    is a negative number, too.
    """
    tokens, offsets, counts = words.tokens, words.offsets, words.counts
    keys, numbers = merges.keys, merges.numbers
    pieces, used, end = 0, 0, offsets[0]
    for piece in range(counts.size):
        begin, end = end, offsets[piece + 1]
        size = 0
        for place in range(begin, end - 1):
            entry, known = find_entry(keys, tokens[place], tokens[place + 1])
            if known:
                size = push_number(heap, size, numbers[entry] << NUMBER | (place - begin))
        left = end - begin
        while size:
            number, place = heap[0] >> NUMBER, begin + (heap[0] & PLACE)
            size = pop_number(heap, size)
            if tokens[place] < 0:
                continue
            second = place + width_of(tokens[place], merges)
            if second == end:
                continue
            entry, known = find_entry(keys, tokens[place], tokens[second])
            if not known or numbers[entry] != number:
                continue  # one of the two has gone into another token since
            token = merges.first + number
            after = place + width_of(token, merges)
            tokens[second] = GONE
            tokens[place], tokens[after - 1] = token, place - after
            left -= 1
            if after < end:
                entry, known = find_entry(keys, token, tokens[after])
                if known and numbers[entry] > number:
                    size = push_number(heap, size, numbers[entry] << NUMBER | (place - begin))
            if place > begin:
                before = place - 1 if tokens[place - 1] >= 0 else place + tokens[place - 1]
                entry, known = find_entry(keys, tokens[before], token)
                if known and numbers[entry] > number:
                    size = push_number(heap, size, numbers[entry] << NUMBER | (before - begin))
        if left > 1:
            place = begin
            while place < end:
                tokens[used] = tokens[place]
                place += width_of(tokens[place], merges)
                used += 1
            counts[pieces] = counts[piece]
            pieces += 1
            offsets[pieces] = used
    return pieces
