"""Remembers the ids of pieces that were met before: most of a text is pieces that come again and again.

A line of 64 bytes, which the processor fetches at once, has two entries of four words: the first eight bytes
of a piece; the other bytes with the length (bits 56–59) and the number of ids (60–62); and four ids. Pieces
of 16 to 32 bytes have a cache of their own, an entry a line: the first and the last 16 bytes, the length with
the number of ids, six ids. Longer pieces, and those of more ids, are merged each time. Nothing is looked for
beyond the line that a piece's hash names, so a full cache costs no more than an empty one: a new piece takes
the place of an old one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dspipe.text.kernel import inlined, kernel, load8

LONGEST = 15  # bytes of a piece that is remembered
MOST_IDS = 4
LINE = 8  # words of a line
LINES = 1 << 17  # 8 MiB
LONGEST_LONG = 32
MOST_IDS_LONG = 6
LONG_LINES = 1 << 16  # 4 MiB
KEY_BITS = np.uint64((1 << 60) - 1)
LENGTH, NUMBER, HIGH = np.uint64(56), np.uint64(60), np.uint64(32)
ONE, LOW = np.uint64(1), np.uint64(2**32 - 1)
FIRST, SECOND, THIRD = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93)
)


def make_cache(lines: int) -> NDArray[np.uint64]:
    """An empty cache, at the beginning of a line of the processor's."""
    words = np.zeros((lines + 1) * LINE, np.uint64)
    start = -words.ctypes.data % (8 * LINE) // 8
    return words[start : start + lines * LINE]


@inlined
def make_key(text, start, size):  # type: ignore[no-untyped-def]
    """The two words of a piece of at most `LONGEST` bytes: its bytes, zeros, its length."""
    low, high = np.uint64(0), np.uint64(0)
    if start + 16 <= text.size:
        low, high = load8(text, start), load8(text, start + 8)
        if size < 8:
            low &= (ONE << np.uint64(8 * size)) - ONE
            high = np.uint64(0)
        else:
            high &= (ONE << np.uint64(8 * (size - 8))) - ONE
    else:
        for place in range(min(size, 8)):
            low |= np.uint64(text[start + place]) << np.uint64(8 * place)
        for place in range(8, size):
            high |= np.uint64(text[start + place]) << np.uint64(8 * (place - 8))
    return low, high | np.uint64(size) << LENGTH


@inlined
def find_line(low, high, lines):  # type: ignore[no-untyped-def]
    """The first word of the line in which a piece is, if it is anywhere."""
    mixed = low * FIRST ^ (high ^ high >> HIGH) * SECOND
    mixed = (mixed ^ mixed >> HIGH) * THIRD
    return np.int64(mixed >> HIGH) & (lines - 1)


@inlined
def remember(cache, line, low, high, out, start, count):  # type: ignore[no-untyped-def]
    """Put a piece and its ids in the line; of two that are there, the one that came last goes."""
    place = LINE * line
    if cache[place + 1] != 0:
        place += 4
    cache[place] = low
    cache[place + 1] = high | np.uint64(count) << NUMBER
    for half in range(2):
        word = np.uint64(0)
        for index in range(2):
            if 2 * half + index < count:
                word |= np.uint64(out[start + 2 * half + index]) << np.uint64(32 * index)
        cache[place + 2 + half] = word


@kernel
def seed_cache(text, offsets, ids, cache):  # type: ignore[no-untyped-def]
    """Put tokens, in the order of `ids`, in the cache as what they encode to, where their line has room."""
    for rank in range(ids.size):
        start, end = offsets[ids[rank]], offsets[np.int64(ids[rank]) + 1]
        if end - start <= LONGEST:
            low, high = make_key(text, start, end - start)
            line = find_line(low, high, cache.size // LINE)
            if cache[LINE * line + 5] == 0:
                remember(cache, line, low, high, ids, rank, 1)


@inlined
def find_long_line(text, start, end, lines):  # type: ignore[no-untyped-def]
    """The line of a piece of 16 to 32 bytes: its first 16 and its last 16 say all of it but its length."""
    low = load8(text, start) ^ load8(text, end - 8) * THIRD
    high = load8(text, start + 8) ^ (load8(text, end - 16) + np.uint64(end - start)) * THIRD
    return find_line(low ^ low >> HIGH, high, lines)


@inlined
def is_long(cache, line, text, start, end):  # type: ignore[no-untyped-def]
    """Whether a line holds this piece."""
    place = LINE * line
    return (
        cache[place] ^ load8(text, start)
        | cache[place + 1] ^ load8(text, start + 8)
        | cache[place + 2] ^ load8(text, end - 16)
        | cache[place + 3] ^ load8(text, end - 8)
        | cache[place + 4] & LOW ^ np.uint64(end - start)
    ) == 0


@inlined
def remember_long(cache, line, text, start, end, out, written, count):  # type: ignore[no-untyped-def]
    """Put a piece of 16 to 32 bytes in a line, which holds one, with up to six ids."""
    place = LINE * line
    cache[place], cache[place + 1] = load8(text, start), load8(text, start + 8)
    cache[place + 2], cache[place + 3] = load8(text, end - 16), load8(text, end - 8)
    cache[place + 4] = np.uint64(count) << HIGH | np.uint64(end - start)
    for half in range(3):
        word = np.uint64(0)
        for index in range(2):
            if 2 * half + index < count:
                word |= np.uint64(out[written + 2 * half + index]) << np.uint64(32 * index)
        cache[place + 5 + half] = word


@kernel
def seed_long_cache(text, offsets, ids, cache):  # type: ignore[no-untyped-def]
    """The same for tokens of 16 to 32 bytes."""
    for rank in range(ids.size):
        start, end = offsets[ids[rank]], offsets[np.int64(ids[rank]) + 1]
        if end - start > LONGEST and end - start <= LONGEST_LONG:
            line = find_long_line(text, start, end, cache.size // LINE)
            if cache[LINE * line + 4] == 0:
                remember_long(cache, line, text, start, end, ids, rank, 1)
