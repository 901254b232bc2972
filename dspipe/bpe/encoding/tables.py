"""Turns a vocabulary and its merges into the tables that kernels encode with.

Inside, a token is a number in the order in which merges happen, its *rank*: 0–255 are the bytes, 256 + k is
the k-th merge. Ids, which files give in any order, are looked up at the very end.

A vocabulary is first reduced to what can happen. A token can only ever come about in one way: whatever text
it stands in, the merges within it are those of its own text alone, since the next merge of all is also the
next one within. So of several merges that give one token (files made from tiktoken have all that fit) at most
one ever happens, and a token whose own text merges to something else never comes about. What is left is a
list in which each token has one merge, and each token's text encodes to that token.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.files import MOST_TOKENS, MergeList
from dspipe.text.arrow import read_only
from dspipe.text.kernel import inlined, kernel

BYTES = 256
RANK_BITS = MOST_TOKENS.bit_length() - 1  # a pair and what it becomes fit one word
EMPTY = np.uint64(2**64 - 1)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
RANK, RANKS, BYTE, NODE = np.uint64(RANK_BITS), np.uint64(MOST_TOKENS - 1), np.uint64(8), np.uint64(32)
LAST = np.int64(1) << 62  # later than any merge
NEVER = np.int32(MOST_TOKENS)  # the same in 32 bits


class Tables(NamedTuple):
    """What encoding reads, by rank; n tokens can come about.

    Attributes:
        byte_pairs: (65536,) what two bytes become, by first << 8 | second, or `NEVER`.
        pairs: hash table of left << 42 | right << 21 | what they become. halves: (2n,) left and right of each
            token. shorter: (2n,) the longest other token that a token begins with, or -1; its length in
            bytes.
        trie: hash table of node << 40 | byte << 32 | child; a token's node has its rank as its number.
        ids: the id of each token, and, where a piece that is an entry is taken as it stands, of those that no
            merges lead to, whose nodes follow the tokens'.
    """

    byte_pairs: NDArray[np.int32]
    pairs: NDArray[np.uint64]
    halves: NDArray[np.int32]
    shorter: NDArray[np.int32]
    trie: NDArray[np.uint64]
    ids: NDArray[np.uint32]


@inlined
def find_pair(pairs, left, right):  # type: ignore[no-untyped-def]
    """What two tokens become, `LAST` if no merge joins them."""
    key = np.uint64(left) << RANK | np.uint64(right)
    mask = np.int64(pairs.size - 1)
    slot = np.int64((key * GOLDEN) >> NODE) & mask
    while True:
        word = pairs[slot]
        if word >> RANK == key:
            return np.int64(word & RANKS)
        if word == EMPTY:
            return LAST
        slot = (slot + 1) & mask


@inlined
def find_rank(pairs, left, right):  # type: ignore[no-untyped-def]
    """The same in 32 bits, `NEVER` if no merge joins them."""
    return np.int32(min(find_pair(pairs, left, right), np.int64(NEVER)))


@inlined
def can_meet(left, right, pairs, halves):  # type: ignore[no-untyped-def]
    """Whether two tokens stay side by side: whether their joint text encodes to just these two.

    Their merges are undone, the latest first. What then touches across the border, `left` and `right`, did so
    until the first of them was merged on, at `limit`; had they a merge of their own before that, it would
    have happened. At the same merge (three times the same) the one further left comes first.
    """
    limit = LAST
    left, right = np.int64(left), np.int64(right)
    while find_pair(pairs, left, right) >= limit:
        if (left | right) < BYTES:
            return True
        # selected, not branched to: which side is later is a matter of chance
        later = left > right
        half = np.int64(halves[2 * left + 1 if later else 2 * right])
        limit = left if later else right + 1
        left, right = half if later else left, right if later else half
    return False


@kernel
def reduce_merges(left, right, merged, ranks, pairs, halves, kept):  # type: ignore[no-untyped-def]
    """Number the tokens that can come about; returns how many.

    `left`, `right`, `merged` (m,) are ids in the order of the merges; `ranks` has those of the bytes and -1
    for every other id, and gets the rest; `kept` (m,) gets the rank of the token, or -1 for a merge that
    never happens.
    """
    count = BYTES
    for merge in range(left.size):
        first, second = np.int64(ranks[left[merge]]), np.int64(ranks[right[merge]])
        kept[merge] = -1
        if first < 0 or second < 0 or ranks[merged[merge]] >= 0 or not can_meet(first, second, pairs, halves):
            continue
        key = np.uint64(first) << RANK | np.uint64(second)
        slot = np.int64((key * GOLDEN) >> NODE) & (pairs.size - 1)
        while pairs[slot] != EMPTY:
            slot = (slot + 1) & (pairs.size - 1)
        pairs[slot] = key << RANK | np.uint64(count)
        halves[2 * count], halves[2 * count + 1] = first, second
        ranks[merged[merge]] = kept[merge] = count
        count += 1
    return count


@inlined
def find_child(trie, node, byte):  # type: ignore[no-untyped-def]
    """The node that a byte leads to, -1 if no entry goes on like this."""
    key = np.uint64(node) << BYTE | np.uint64(byte)
    mask = np.int64(trie.size - 1)
    slot = np.int64((key * GOLDEN) >> NODE) & mask
    while True:
        word = trie[slot]
        if word >> NODE == key:
            return np.int64(word & np.uint64(0xFFFFFFFF))
        if word == EMPTY:
            return np.int64(-1)
        slot = (slot + 1) & mask


@kernel
def grow_trie(text, offsets, order, tokens, trie, shorter):  # type: ignore[no-untyped-def]
    """Put the texts of entries into the trie in `order` (by length); returns how many nodes it has.

    Entry e is text[offsets[e] : offsets[e + 1]] and becomes node e; the first `tokens` of them are tokens.
    """
    nodes = order.size
    for entry in order:
        start, end = offsets[entry], offsets[entry + 1]
        node, longest = np.int64(text[start]), np.int64(text[start])
        for position in range(start + 1, end):
            child = find_child(trie, node, text[position])
            if child < 0:
                child = nodes
                if position == end - 1:
                    child = entry
                else:
                    nodes += 1
                key = np.uint64(node) << BYTE | np.uint64(text[position])
                slot = np.int64((key * GOLDEN) >> NODE) & (trie.size - 1)
                while trie[slot] != EMPTY:
                    slot = (slot + 1) & (trie.size - 1)
                trie[slot] = key << NODE | np.uint64(child)
            node = child
            if node < tokens and position < end - 1:
                longest = node
        if entry < tokens:
            shorter[2 * entry] = longest if end - start > 1 else -1
            shorter[2 * entry + 1] = end - start
    return nodes


def size_table(entries: int) -> int:
    """Slots of a hash table that is six tenths full at most: a larger one has a slower memory to live in."""
    return 1 << max(4, (entries * 5 // 3).bit_length())


def empty_table(entries: int) -> NDArray[np.uint64]:
    return np.full(size_table(entries), EMPTY, np.uint64)


def build_tables(
    merges: MergeList, text: NDArray[np.uint8], offsets: NDArray[np.int64], whole: NDArray[np.int64]
) -> Tables | None:
    """Build tables from merges and each id's bytes, text[offsets[i] : offsets[i + 1]].

    `whole` are ids that a piece of their text becomes without merges. None where the order of the merges is
    not that in which tokens are made, which kernels here do not understand.
    """
    size = offsets.size - 1
    ranks = np.full(size, -1, np.int32)
    ranks[merges.bytes] = np.arange(BYTES)
    pairs = empty_table(merges.left.size)
    halves = np.zeros(2 * (BYTES + merges.left.size), np.int32)
    kept = np.empty(merges.left.size, np.int32)
    merges = keep_last(merges)
    tokens = reduce_merges(merges.left, merges.right, merges.merged, ranks, pairs, halves, kept)
    if comes_early(merges, ranks, kept[: merges.left.size]):
        return None
    ids = np.zeros(tokens, np.uint32)
    made = np.flatnonzero(ranks >= 0)
    ids[ranks[made]] = made
    entries = np.concatenate([ids, whole[ranks[whole] < 0]]).astype(np.int64)
    few = np.flatnonzero((halves[2 * BYTES :: 2] < BYTES) & (halves[2 * BYTES + 1 :: 2] < BYTES)) + BYTES
    few = few[few < tokens]
    byte_pairs = np.full(BYTES * BYTES, NEVER, np.int32)
    byte_pairs[halves[2 * few] << 8 | halves[2 * few + 1]] = few
    return Tables(
        byte_pairs,
        pairs,
        halves[: 2 * tokens].copy(),
        *build_trie(text, offsets, entries, tokens),
        entries.astype(np.uint32),
    )


def build_trie(
    text: NDArray[np.uint8], offsets: NDArray[np.int64], entries: NDArray[np.int64], tokens: int
) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
    """`shorter` and `trie` of the ids that are entries, of which the first are tokens."""
    lengths = np.diff(offsets)[entries]
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(bounds[-1]) - np.repeat(bounds[:-1] - offsets[entries], lengths)
    trie, shorter = empty_table(int(bounds[-1])), np.empty(2 * tokens, np.int32)
    order = np.argsort(lengths, kind="stable")
    nodes = grow_trie(read_only(text[places]), bounds, order, tokens, trie, shorter)
    return shorter, shrink_table(trie, nodes)


@kernel
def copy_words(source, target):  # type: ignore[no-untyped-def]
    """Put the words of one trie into another of another size."""
    for word in source:
        if word != EMPTY:
            slot = np.int64(((word >> NODE) * GOLDEN) >> NODE) & (target.size - 1)
            while target[slot] != EMPTY:
                slot = (slot + 1) & (target.size - 1)
            target[slot] = word


def shrink_table(trie: NDArray[np.uint64], nodes: int) -> NDArray[np.uint64]:
    target = empty_table(nodes)
    if target.size >= trie.size:
        return trie
    copy_words(trie, target)
    return target


def keep_last(merges: MergeList) -> MergeList:
    """Of a pair that is listed twice, keep the last, as `tokenizers` does."""
    keys = merges.left << 32 | merges.right
    _, last = np.unique(keys[::-1], return_index=True)
    if last.size == keys.size:
        return merges
    chosen: Any = np.sort(keys.size - 1 - last)
    return MergeList(merges.left[chosen], merges.right[chosen], merges.merged[chosen], merges.bytes)


def comes_early(merges: MergeList, ranks: NDArray[np.int32], kept: NDArray[np.int32]) -> bool:
    """Whether a merge is listed before its halves are made, and could yet happen.

    It never does where the token it gives is made by another merge before its halves are.
    """
    left, right, merged = ranks[merges.left], ranks[merges.right], ranks[merges.merged]
    later = np.maximum(left, right)
    place = np.maximum.accumulate(np.maximum(kept, BYTES - 1))  # the rank that was reached at each merge
    early = (kept < 0) & (left >= 0) & (right >= 0) & (later > place)
    return bool((early & ((merged < 0) | (merged > later))).any())
