"""Pieces, one after the other → how often each distinct one occurs, in a hash table that grows to a bound.

An entry is four uint64, half a cache line. Pieces of up to 15 bytes stand in the entry itself: 15 bytes and
the length, so that two words are compared and nothing else is looked at. Of a longer piece it has the hash,
the length and the place in the *arena*, where its bytes are. Then the count. Entries of some pieces ahead are
brought to the cache meanwhile, as most pieces that are rare would else wait for memory.

Hashes are products of 128 bits, folded (as in wyhash), of numbers that keys have been added to which nobody
knows, so that no text can be made to collide: under a multiplication that wraps around, a change in the
highest bit stays where it is, whatever the key, and a second change takes it back.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.counts.block import Pieces
from dspipe.text.arrow import read_only
from dspipe.text.kernel import fold_product, inlined, kernel, load8, prefetch

Words = NDArray[np.uint64]

SHORT = 15  # bytes of a piece that stands in its entry
LONG = np.uint64(1 << 63)  # flag in the second word of an entry: not a short one
WORDS_IN_ENTRY = 4
BYTES_IN_ENTRY = 8 * WORDS_IN_ENTRY
AHEAD = 16  # pieces whose entries are fetched before they are needed
LOAD = 0.6  # of the entries, at most
BYTES_TO_TAKE = 48  # for each piece when all are taken: place, hash and order, twice while sorted
FIRST_ENTRIES, FIRST_ARENA = 1 << 14, 1 << 18
ARENA_SHARE = 0.25  # of the memory allowed: an arena that is larger, for a piece, is given back
ONES = np.zeros(0, np.int64)  # as `weights`: each piece counts once

LAST = np.uint64(56)
# Of the hash that pieces are ordered and divided by, which is the same in every run.
ORDER_KEYS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class Table:
    """Counts pieces in at most about `most` bytes, those included that it takes to sort them in the end.

    It is more only while a piece that does not fit is in the table, alone when it came. The place of a piece
    is a hash with keys of this table.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._keys = tuple(np.frombuffer(os.urandom(16), np.uint64))
        self._entries = np.zeros(FIRST_ENTRIES * WORDS_IN_ENTRY, np.uint64)
        self._arena = np.zeros(FIRST_ARENA, np.uint8)
        self._state = np.zeros(2, np.int64)  # entries and bytes of the arena that are in use
        self._ahead = np.zeros(AHEAD * 3, np.uint64)

    def __len__(self) -> int:
        return int(self._state[0])

    def add(
        self,
        text: NDArray[np.uint8],
        first: int,
        ends: NDArray[np.int64],
        spill: Callable[[], None],
        weights: NDArray[np.int64] = ONES,
    ) -> None:
        """Count the pieces that end at `ends`, the first of which begins at `first`.

        `spill` is called when there is no more room, and must empty the table.
        """
        done = 0
        while done < ends.size:
            done = add_pieces(
                *(read_only(text), read_only(ends), read_only(weights), first, done),
                *(self._entries, self._arena, self._state, self._ahead, *self._keys),
            )
            if done < ends.size:
                self._make_room(int(ends[done] - (ends[done - 1] if done else first)), spill)

    def take(self) -> tuple[Pieces, Words]:
        """All pieces in the order of a hash, which is returned with them; the table is empty afterwards."""
        places, hashes = np.zeros(len(self), np.int64), np.zeros(len(self), np.uint64)
        list_entries(self._entries, self._arena, places, hashes)
        order = np.argsort(hashes, kind="stable")
        places, hashes = places[order], hashes[order]
        del order
        offsets, counts = np.zeros(places.size + 1, np.int64), np.zeros(places.size, np.int64)
        measure_pieces(self._entries, places, offsets, counts)
        text = np.zeros(int(offsets[-1]), np.uint8)
        copy_pieces(self._entries, self._arena, places, offsets, text)
        self._entries[:] = 0
        self._state[:] = 0
        if self._arena.size > max(FIRST_ARENA, self._most * ARENA_SHARE):
            self._arena = np.zeros(FIRST_ARENA, np.uint8)
        return Pieces(text, offsets, counts), hashes

    def _make_room(self, length: int, spill: Callable[[], None]) -> None:
        """Grow what is too small for one more piece; where that is not allowed, have the table emptied."""
        entries, arena = self._entries.size // WORDS_IN_ENTRY, self._arena.size
        if self._state[0] + 1 > int(entries * LOAD):
            entries *= 2
        while length > SHORT and self._state[1] + length > arena:
            arena *= 2
        if len(self) and self._find_peak(entries, arena) > self._most:
            spill()
        else:
            self.grow(entries, arena)

    def _find_peak(self, entries: int, arena: int) -> float:
        """The bytes that a table of this size takes, when it has grown to it or is taken."""
        old = BYTES_IN_ENTRY * (entries > self._entries.size // WORDS_IN_ENTRY) * entries / 2
        old += self._arena.size * (arena > self._arena.size)
        return BYTES_IN_ENTRY * entries + arena + max(old, BYTES_TO_TAKE * LOAD * entries + arena)

    def grow(self, entries: int = FIRST_ENTRIES, arena: int = FIRST_ARENA) -> None:
        """Have so many entries and so many bytes of the arena, or as many as now."""
        if entries > self._entries.size // WORDS_IN_ENTRY:
            larger = np.zeros(entries * WORDS_IN_ENTRY, np.uint64)
            move_entries(self._entries, larger, *self._keys)
            self._entries = larger
        if arena > self._arena.size:
            self._arena = np.concatenate([self._arena, np.zeros(arena - self._arena.size, np.uint8)])


@inlined
def read_short(text, begin, length):  # type: ignore[no-untyped-def]
    """A piece of up to 15 bytes as two words, with its length in the highest byte."""
    low, high = np.uint64(0), np.uint64(0)
    if begin + 16 <= text.size:
        low, high = load8(text, begin), load8(text, begin + 8)
        if length < 8:
            low &= (np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)
            high = np.uint64(0)
        else:
            high &= (np.uint64(1) << np.uint64(8 * (length - 8))) - np.uint64(1)
    else:
        for place in range(length):
            byte = np.uint64(text[begin + place])
            if place < 8:
                low |= byte << np.uint64(8 * place)
            else:
                high |= byte << np.uint64(8 * (place - 8))
    return low, high | (np.uint64(length) << LAST)


@inlined
def hash_short(low, high, key, other):  # type: ignore[no-untyped-def]
    return fold_product(low ^ key, high ^ other)


@inlined
def hash_long(text, begin, length, key, other):  # type: ignore[no-untyped-def]
    """Of a piece of 16 bytes or more."""
    hashed = key ^ np.uint64(length)
    last = begin + length - 8
    for place in range(begin, last, 8):
        hashed = fold_product(hashed ^ load8(text, place), other)
    return fold_product(hashed ^ load8(text, last), other)  # the last eight bytes, some of them again


@inlined
def equals_at(text, begin, arena, place, length):  # type: ignore[no-untyped-def]
    """Whether two runs of 16 bytes or more are the same."""
    for step in range(0, length - 8, 8):
        if load8(text, begin + step) != load8(arena, place + step):
            return False
    return load8(text, begin + length - 8) == load8(arena, place + length - 8)


@kernel
def add_pieces(text, ends, weights, first, done, entries, arena, state, ahead, key, other):  # type: ignore[no-untyped-def]
    """Count pieces from number `done` on; returns the number of the first that there is no room for."""
    mask = np.uint64(entries.size // 4 - 1)
    limit = np.int64(entries.size // 4 * LOAD)
    begin = ends[done - 1] if done else np.int64(first)
    while done < ends.size:
        group = min(np.int64(AHEAD), ends.size - done)
        start = begin
        for number in range(group):
            end = ends[done + number]
            length = end - start
            if length <= SHORT:
                low, high = read_short(text, start, length)
                hashed = hash_short(low, high, key, other)
            else:
                hashed = hash_long(text, start, length, key, other)
                low, high = hashed, LONG | np.uint64(length)
            place = hashed & mask
            prefetch(entries, np.int64(place) * 4)
            ahead[3 * number], ahead[3 * number + 1], ahead[3 * number + 2] = low, high, place
            start = end
        for number in range(group):
            low, high, place = ahead[3 * number], ahead[3 * number + 1], ahead[3 * number + 2]
            length = ends[done] - begin
            weight = np.uint64(weights[done]) if weights.size else np.uint64(1)
            while True:
                at = np.int64(place) * 4
                known = entries[at + 1]
                if known == high and entries[at] == low:
                    if length <= SHORT or equals_at(text, begin, arena, np.int64(entries[at + 3]), length):
                        entries[at + 2] += weight
                        break
                elif known == np.uint64(0):
                    if state[0] + 1 > limit or (length > SHORT and state[1] + length > arena.size):
                        return done
                    entries[at], entries[at + 1], entries[at + 2] = low, high, weight
                    state[0] += 1
                    if length > SHORT:
                        entries[at + 3] = np.uint64(state[1])
                        for byte in range(length):
                            arena[state[1] + byte] = text[begin + byte]
                        state[1] += length
                    break
                place = (place + np.uint64(1)) & mask
            begin = ends[done]
            done += 1
    return done


@kernel
def move_entries(entries, larger, key, other):  # type: ignore[no-untyped-def]
    mask = np.uint64(larger.size // 4 - 1)
    for at in range(0, entries.size, 4):
        low, high = entries[at], entries[at + 1]
        if high:
            place = (low if high & LONG else hash_short(low, high, key, other)) & mask
            while larger[np.int64(place) * 4 + 1]:
                place = (place + np.uint64(1)) & mask
            for word in range(4):
                larger[np.int64(place) * 4 + word] = entries[at + word]


@inlined
def read_length(high):  # type: ignore[no-untyped-def]
    """The length of a piece from the second word of its entry."""
    return np.int64(high ^ LONG if high & LONG else high >> LAST)


@kernel
def list_entries(entries, arena, places, hashes):  # type: ignore[no-untyped-def]
    """Where the entries of all pieces are, and the hashes to order them by."""
    found = 0
    for at in range(0, entries.size, 4):
        low, high = entries[at], entries[at + 1]
        if high:
            places[found] = at
            if high & LONG:
                begin, length = np.int64(entries[at + 3]), read_length(high)
                hashes[found] = hash_long(arena, begin, length, ORDER_KEYS[0], ORDER_KEYS[1])
            else:
                hashes[found] = hash_short(low, high, ORDER_KEYS[0], ORDER_KEYS[1])
            found += 1


@kernel
def measure_pieces(entries, places, offsets, counts):  # type: ignore[no-untyped-def]
    """The counts of the pieces whose entries are at `places`, and where they will end."""
    for number in range(places.size):
        at = places[number]
        offsets[number + 1] = offsets[number] + read_length(entries[at + 1])
        counts[number] = np.int64(entries[at + 2])


@kernel
def copy_pieces(entries, arena, places, offsets, text):  # type: ignore[no-untyped-def]
    for number in range(places.size):
        at, begin, length = places[number], offsets[number], offsets[number + 1] - offsets[number]
        if entries[at + 1] & LONG:
            place = np.int64(entries[at + 3])
            for byte in range(length):
                text[begin + byte] = arena[place + byte]
        else:
            for byte in range(length):
                word = entries[at + byte // 8] >> np.uint64(8 * (byte % 8))
                text[begin + byte] = np.uint8(word & np.uint64(255))
