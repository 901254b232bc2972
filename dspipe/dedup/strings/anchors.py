"""Texts → their anchors: places that a stretch of text has wherever it stands (winnowing).

Of the hashes of three quarters of a stretch that begin in so many consecutive places that all are inside
the stretch, the smallest is chosen (Schleimer, Wilkerson, Aiken 2003). So every stretch contains an
anchor, and equal stretches contain anchors of one hash. Of equal hashes the last is taken, but one that
is chosen stays so while it can ("robust winnowing"): a rule of a million hyphens has no more anchors than
other text. With a half in place of three quarters there are half as many anchors, and twice as many
windows to look at.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dspipe.dedup.strings.answers import Integers
from dspipe.dedup.strings.keys import Numbers, scramble
from dspipe.text.arrow import text_buffers
from dspipe.text.kernel import inlined, kernel

BASE = np.uint64(0xD1342543DE82EF95)  # of the rolling hash; odd
ANCHORS_OF_BLOCK = 4  # room: twice as many as are expected


class Anchors(NamedTuple):
    """In the order of the text; (n,) each."""

    hashes: Numbers
    rows: Integers  # of the texts given
    starts: Integers  # of what is hashed, in the row's text


class Stretches(NamedTuple):
    """Where windows begin, in the order of the text; (n,) each."""

    rows: Integers
    firsts: Integers
    lasts: Integers


def measure_anchor(length: int) -> int:
    """How many bytes of a stretch are hashed for an anchor."""
    return 3 * length // 4


def find_anchors(texts: pa.Array, ranks: Integers, length: int) -> Anchors:
    """The anchors of all texts of some length in bytes, but for those whose rank is negative."""
    text, offsets = text_buffers(texts)
    size = measure_anchor(length)
    sizes = np.diff(offsets)[ranks >= 0]
    sizes = sizes[sizes >= length]
    block = length - size + 1 if len(sizes) else 0
    work = np.empty((2, block), np.uint64), np.empty(block, np.int64)
    room = ANCHORS_OF_BLOCK * int((sizes // max(block, 1) + 1).sum())
    while True:
        hashes, places = np.empty(room, np.uint64), np.empty((2, room), np.int64)
        used = walk_anchors(text, offsets, ranks, size, length, *work, hashes, places[0], places[1])
        if used <= room:
            return Anchors(hashes[:used], places[0, :used], places[1, :used])
        room = used


@inlined
def power(base, exponent):  # type: ignore[no-untyped-def]
    product = np.uint64(1)
    for _ in range(exponent):
        product *= base
    return product


@kernel
def walk_anchors(  # type: ignore[no-untyped-def]
    text, offsets, ranks, hashed, length, values, last_places, hashes, rows, starts
):
    """Fill in what there is room for; return how many anchors there are.

    Minima of sliding windows by van Herk's method: of the block before, the minima from each place to its
    end; of this one, the minimum so far. hashed: bytes of an anchor. values: (2, block), hashes of this block
    and those minima; last_places: (block,), where they are.
    """
    block, used = last_places.size, 0
    leaving = power(BASE, hashed)
    for row in range(offsets.size - 1):
        begin, size = offsets[row], offsets[row + 1] - offsets[row]
        if size < length or ranks[row] < 0:
            continue
        rolling = np.uint64(0)
        for place in range(begin, begin + hashed - 1):
            rolling = rolling * BASE + np.uint64(text[place]) + np.uint64(1)
        chosen, chosen_value = -1, np.uint64(0)
        least, least_place = np.uint64(0), 0
        inside = 0  # place in the block
        for start in range(size - hashed + 1):
            rolling = rolling * BASE + np.uint64(text[begin + start + hashed - 1]) + np.uint64(1)
            if start:
                rolling -= (np.uint64(text[begin + start - 1]) + np.uint64(1)) * leaving
            value = scramble(rolling)
            if inside == block:
                take_minima(values, last_places, start)
                inside = 0
            values[0, inside] = value
            if inside == 0 or value <= least:
                least, least_place = value, start
            inside += 1
            if start < block - 1:
                continue
            lowest, place = least, least_place
            if inside < block and values[1, inside] < least:
                lowest, place = values[1, inside], last_places[inside]
            if chosen <= start - block or lowest != chosen_value:
                chosen, chosen_value = place, lowest
                if used < hashes.size:
                    hashes[used] = scramble(lowest + BASE)  # minima are small; spread them
                    rows[used], starts[used] = row, place
                used += 1
    return used


@inlined
def take_minima(values, last_places, end):  # type: ignore[no-untyped-def]
    """The minimum from each place of a full block to its end, and the last place that has it."""
    block = last_places.size
    least, place = values[0, block - 1], end - 1
    for inside in range(block - 1, -1, -1):
        if values[0, inside] < least:
            least, place = values[0, inside], end - block + inside
        values[1, inside], last_places[inside] = least, place


def mark_stretches(anchors: Anchors, texts: pa.Array, length: int) -> Stretches:
    """Where windows of a length in bytes begin that contain one of some anchors."""
    _, offsets = text_buffers(texts)
    found = Stretches(*np.empty((3, len(anchors.rows)), np.int64))
    before = length - measure_anchor(length)
    used = join_anchors(anchors.rows, anchors.starts, offsets, length, before, *found)
    return Stretches(*(column[:used] for column in found))


@kernel
def join_anchors(  # type: ignore[no-untyped-def]
    rows, starts, offsets, length, before, out_rows, firsts, lasts
):
    """An anchor is in the windows that begin up to so many bytes before it; join what overlaps or touches."""
    used = 0
    for anchor in range(rows.size):
        row = rows[anchor]
        first = max(starts[anchor] - before, 0)
        last = min(starts[anchor], offsets[row + 1] - offsets[row] - length)
        if used and out_rows[used - 1] == row and first <= lasts[used - 1] + 1:
            lasts[used - 1] = last
        else:
            out_rows[used], firsts[used], lasts[used] = row, first, last
            used += 1
    return used
