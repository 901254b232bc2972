"""Pieces → their parts that can still change, each distinct one once, cut ever shorter so that they fit.

A pair that occurs at most `above` times is not merged as long as merges are learned that occur more often.
Nor is what grows on both its sides: a token that ends in its left part and one that begins with its right
part only ever meet where the pair is, so they meet as rarely. So a piece can be cut between the two, and what
is cut off alone can be left out. The parts, *segments*, are short and alike while `above` is high: of a
hundred bytes there is one left, or ten. Where they do not fit, `above` is raised, and all are cut again.
"""

from __future__ import annotations

import os

import numpy as np

from dspipe.bpe.merges.cells import Bounds, find_bound
from dspipe.bpe.merges.words import Integers, Words
from dspipe.text.kernel import fold_product, inlined, kernel

SHARE = 0.8  # of the room, at most, is in use after segments have been cut again
LESS, STEP = 0.95, 1.2  # cut so that so much of the room is in use, were all segments distinct; or by a step
STEPS = 16  # buckets of counts from one power of two to the next
BUCKETS = 64 * STEPS
FIRST_ENTRIES = 1 << 10  # of the hash table

DONE, CROWDED, FULL = range(3)  # why `cut_words` came back
ONE = np.uint64(1)
PIECES, TOKENS = range(2)  # in `_used`


class Segments:
    """Distinct segments of several tokens, with room for `tokens` of them.

    No pair occurs more than `most` times.

    Attributes:
        above: pairs that occur at most so often are cut; the room decides whether more are.
    """

    def __init__(self, tokens: int, bounds: Bounds, lengths: Integers, longest: int, most: int) -> None:
        self._words = Words.allocate(tokens, tokens // 2 + 1)
        self._used = np.zeros(2, np.int64)
        self._entries = np.zeros(FIRST_ENTRIES, np.int32)
        self._keys = np.frombuffer(os.urandom(16), np.uint64) | ONE
        self._bounds, self._lengths, self._longest = bounds, lengths, longest
        self._top = min(most, bounds.fine.top)
        self.above = bounds.above

    def list(self) -> Words:
        return self._words.first(int(self._used[PIECES]))

    def add(self, words: Words) -> bool:
        """Add the segments of pieces; False if not even those of the most frequent pairs fit."""
        at = np.zeros(2, np.int64)
        while (status := self._cut(words, at)) != DONE:
            if status == CROWDED:
                self._grow()
            elif not self._raise(words, at):
                return False
        return True

    def _cut(self, words: Words, at: Integers) -> int:
        return int(
            cut_words(
                words, at, self._lengths, self._longest, self._bounds, self.above,
                self._words, self._used, self._entries, self._keys,
            )
        )  # fmt: skip

    def _grow(self) -> None:
        self._entries = np.zeros(2 * self._entries.size, np.int32)
        enter_all(self._words, self._used, self._entries, self._keys)

    def _raise(self, words: Words, at: Integers) -> bool:
        """Cut at more pairs until there is room, for what has still to be added from `at` on, too."""
        rest = Words(words.tokens, np.array([at[1], words.offsets[at[0] + 1]]), words.counts[at[0] :])
        room = self._words.tokens.size
        while True:
            weights = np.zeros(BUCKETS, np.int64)
            for part in (self.list(), rest):
                weigh(part, self._lengths, self._longest, self._bounds, weights)
            above = max(choose_count(weights, int(LESS * room)), int(self.above * STEP), self.above + 1)
            if above >= self._top:  # many pairs are about as frequent
                above = (self.above + self._top) // 2
            if above <= self.above:
                return False
            self.above = above
            self._cut_again()
            if self._used[TOKENS] <= SHARE * room:
                return True

    def _cut_again(self) -> None:
        there = self.list()
        source = Words(there.tokens, there.offsets.copy(), there.counts.copy())
        self._used[:] = 0
        self._entries[:] = 0
        self.add(source)  # in place: what is written is never ahead of what is read


def choose_count(weights: Integers, tokens: int) -> int:
    """The count so that `tokens` at most are in the buckets of larger ones."""
    larger = np.cumsum(weights[::-1])[::-1] - weights
    return last_of_bucket(int(np.argmax(larger <= tokens)))


def last_of_bucket(bucket: int) -> int:
    """The largest count of those in a bucket."""
    shift = max(bucket // STEPS - 1, 0)
    return ((bucket - shift * STEPS + 1) << shift) - 1


@inlined
def bucket_of(count):  # type: ignore[no-untyped-def]
    """Its first five bits and how many follow."""
    shift = 0
    for step in (32, 16, 8, 4, 2, 1):
        if count >> (shift + step) >= STEPS:
            shift += step
    return shift * STEPS + (count >> shift)


@kernel
def weigh(words, lengths, longest, bounds, weights):  # type: ignore[no-untyped-def]
    """Add tokens to the bucket of the more frequent one of both pairs that each is in."""
    tokens, offsets = words.tokens, words.offsets
    for piece in range(offsets.size - 1):
        before = np.int64(0)
        for place in range(offsets[piece], offsets[piece + 1] - 1):
            bound = find_bound(bounds, lengths, tokens[place], tokens[place + 1], longest)
            weights[bucket_of(max(before, bound))] += 1
            before = bound
        weights[bucket_of(before)] += 1


@inlined
def hash_tokens(tokens, begin, end, keys):  # type: ignore[no-untyped-def]
    hashed = keys[0]
    for place in range(begin, end):
        hashed = fold_product(hashed ^ np.uint64(tokens[place]), keys[1] ^ hashed)
    return hashed


@inlined
def equals(tokens, begin, length, words, piece):  # type: ignore[no-untyped-def]
    first = words.offsets[piece]
    same = words.offsets[piece + 1] - first == length
    place = 0
    while same and place < length:
        same = words.tokens[first + place] == tokens[begin + place]
        place += 1
    return same


@kernel
def enter_all(words, used, entries, keys):  # type: ignore[no-untyped-def]
    """Fill a hash table; an entry is the number of a piece and one, or 0."""
    mask = np.uint64(entries.size - 1)
    for piece in range(used[PIECES]):
        entry = hash_tokens(words.tokens, words.offsets[piece], words.offsets[piece + 1], keys) & mask
        while entries[entry]:
            entry = (entry + ONE) & mask
        entries[entry] = piece + 1


@kernel
def cut_words(  # type: ignore[no-untyped-def]
    source, at, lengths, longest, bounds, above, words, used, entries, keys
):
    """Add the segments from [piece, place] on, which says how far it came."""
    tokens = source.tokens
    mask = np.uint64(entries.size - 1)
    for piece in range(at[0], source.counts.size):
        end = source.offsets[piece + 1]
        begin = max(at[1], source.offsets[piece])
        while begin < end:
            last = begin + 1
            while last < end and find_bound(bounds, lengths, tokens[last - 1], tokens[last], longest) > above:
                last += 1
            length = last - begin
            if length > 1:
                at[0], at[1] = piece, begin
                if 2 * (used[PIECES] + 1) > entries.size:
                    return CROWDED
                entry = hash_tokens(tokens, begin, last, keys) & mask
                while entries[entry] and not equals(tokens, begin, length, words, entries[entry] - 1):
                    entry = (entry + ONE) & mask
                if not entries[entry]:
                    if used[TOKENS] + length > words.tokens.size:
                        return FULL
                    for place in range(length):
                        words.tokens[used[TOKENS] + place] = tokens[begin + place]
                    used[TOKENS] += length
                    words.counts[used[PIECES]] = 0
                    used[PIECES] += 1
                    words.offsets[used[PIECES]] = used[TOKENS]
                    entries[entry] = used[PIECES]
                words.counts[entries[entry] - 1] += source.counts[piece]
            begin = last
    return DONE
