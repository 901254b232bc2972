"""Turns n-grams of bytes into a trie that is read backwards, from the last byte of an n-gram to its first.

A table over two bytes gives the slot of the n-gram that ends with them; from a slot, with the next byte to
the left, `slots[base + byte]` is the slot of the longer one, if it names that byte. Slots of different
n-grams lie between each other (a double array), so that all of them take less than a megabyte: caches hold
that, as they do not hold the automaton's 39 megabytes. A slot is an int64:

    row << 32 | base << 10 | deep << 9 | byte, or EMPTY

`row` is that of the longest n-gram found so far, 0 for none; `deep` says that there is more past READ bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

READ = 5  # bytes that are read of every n-gram; the rest where there is more
EMPTY = 256
CHECK = 511
DEEP = 512
BASE, BASES = 10, (1 << 22) - 1
ROW = 32
WINDOW = 4096  # slots before the last one taken in which room is sought, so that neighbours stay so


class Trie(NamedTuple):
    pairs: NDArray[np.int64]  # [65536], by the last byte but one << 8 | the last byte
    slots: NDArray[np.int64]  # [slots]; the last 256 are EMPTY: the base there is of those that end


def build_trie(ngrams: Sequence[bytes]) -> Trie:
    """The trie of n-grams of at least two bytes; row 1 is of the first.

    Those of one language should stand together: so do their slots then.
    """
    rows = {ngram[::-1]: row for row, ngram in enumerate(ngrams, 1)}
    children: defaultdict[bytes, set[int]] = defaultdict(set)
    for ngram in rows:
        for length in range(2, len(ngram)):
            children[ngram[:length]].add(ngram[length])
    bases, size = place_children(children, rows)
    slots = np.full(size + 256, EMPTY, np.int64)
    for node, following in children.items():
        for byte in following:
            child = node + bytes([byte])
            deep = DEEP if len(child) == READ and child in children else 0
            slots[bases[node] + byte] = pack_slot(child, rows, bases.get(child, size)) | deep | byte
    pairs = np.full(1 << 16, size << BASE, np.int64)
    for node in {ngram[:2] for ngram in rows}:
        pairs[node[1] << 8 | node[0]] = pack_slot(node, rows, bases.get(node, size))
    return Trie(pairs, slots)


def place_children(
    children: Mapping[bytes, set[int]], ngrams: Iterable[bytes]
) -> tuple[dict[bytes, int], int]:
    """(base of each n-gram that has longer ones, first slot past all): no two share a base or a slot."""
    bases: dict[bytes, int] = {}
    size = taken = used = 0  # sets of slots and of bases, as bits
    for ngram in ngrams:
        for length in range(2, len(ngram)):
            node = ngram[:length]
            if node not in bases:
                lowest = max(0, size - WINDOW)
                near, clash = taken >> lowest, used >> lowest
                for byte in children[node]:
                    clash |= near >> byte
                base = bases[node] = lowest + (~clash & (clash + 1)).bit_length() - 1
                used |= 1 << base
                for byte in children[node]:
                    taken |= 1 << (base + byte)
                size = max(size, base + max(children[node]) + 1)
    return bases, size


def pack_slot(node: bytes, rows: Mapping[bytes, int], base: int) -> int:
    found = (rows[node[:length]] for length in range(len(node), 1, -1) if node[:length] in rows)
    return next(found, 0) << ROW | base << BASE
