"""Lengths of chunks → rows by best-fit decreasing with a segment tree: the yardstick of `pack.fitting`.

The algorithm as Ding and others (2024, arXiv 2404.10830) give it, compiled as dspipe's own is: a counting
sort, then for each chunk a walk down a tree over the room left in rows, and two walks up to keep it.
"""

from __future__ import annotations

import numpy as np

from dspipe.pack.fitting import Lengths, sort_by_key
from dspipe.text.kernel import inlined, kernel


def fit_by_tree(lengths: Lengths, row_length: int) -> tuple[Lengths, int]:
    """The row of each chunk, (n,), and how many rows there are: the same that `pack.fitting.fit` finds."""
    order, bounds = np.empty(lengths.size, np.int32), np.zeros(row_length + 2, np.int64)
    sort_by_key(row_length - lengths, bounds, order)
    greatest = np.zeros(2 << row_length.bit_length(), np.int32)
    first, following = np.full(row_length + 1, -1, np.int32), np.full(lengths.size, -1, np.int32)
    row = np.empty(lengths.size, np.int32)
    rows = place_chunks(lengths, order, row_length, greatest, first, first.copy(), following, row)
    return row, int(rows)


@kernel
def place_chunks(lengths, order, row_length, greatest, first, last, following, row):  # type: ignore[no-untyped-def]
    """Place chunks in order and return the number of rows.

    greatest[n] is the greatest room below node n, 0 for none; `first[r]`, `last[r]` queue the rows with room
    r, linked by `following`.
    """
    rows = 0
    leaves = greatest.size // 2
    for chunk in order:
        room = find_least(greatest, leaves, lengths[chunk])
        if room < 0:
            room = row_length
            chosen = rows
            rows += 1
        else:
            chosen = first[room]
            first[room] = following[chosen]
            if first[room] < 0:
                set_leaf(greatest, leaves, room, 0)
        row[chunk] = chosen
        left = room - lengths[chunk]
        if left > 0:
            following[chosen] = -1
            if first[left] < 0:
                first[left] = chosen
                set_leaf(greatest, leaves, left, left)
            else:
                following[last[left]] = chosen
            last[left] = chosen
    return rows


@inlined
def find_least(greatest, leaves, need):  # type: ignore[no-untyped-def]
    """The least room ≥ `need` that a row has, or -1."""
    if greatest[1] < need:
        return -1
    node = 1
    while node < leaves:
        node *= 2
        if greatest[node] < need:
            node += 1
    return node - leaves


@inlined
def set_leaf(greatest, leaves, room, value):  # type: ignore[no-untyped-def]
    node = leaves + room
    greatest[node] = value
    while node > 1:
        node //= 2
        greatest[node] = max(greatest[2 * node], greatest[2 * node + 1])
