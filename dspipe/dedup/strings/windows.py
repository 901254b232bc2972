"""Stretches of texts → the windows that begin in them, with a key each.

A window of length L is [a, b): a at the beginning of a character, b at the first one from a + L on, or the
end. A byte that does not continue a character begins one, and so does one behind three that do, as a
character has no more; so whatever the bytes, a window has at most three more than L. The key is the value of
the window as a polynomial at two points modulo 2^61 − 1: two texts that differ agree at a point by chance
alone, in at most L of 2^61 cases, which cannot be said of arithmetic modulo 2^64.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from dspipe.dedup.strings.anchors import Stretches
from dspipe.dedup.strings.keys import Numbers, Pieces, make_room, scramble
from dspipe.dedup.strings.standing import Texts
from dspipe.text.arrow import text_buffers
from dspipe.text.kernel import inlined, kernel

WINDOWS_AT_ONCE = 1 << 20
LONGEST_CHARACTER = 4
PRIME = (1 << 61) - 1
POINTS = (0x1C8A7B0D6E5F4923, 0x0B5D3F1E2A4C6987)  # below the prime


def find_windows(batches: Iterable[tuple[Texts, Stretches]], length: int) -> Iterator[Pieces]:
    """Yield the windows of a part that begin in stretches of its texts, so many at a time."""
    room, used, powers = make_room(WINDOWS_AT_ONCE), 0, find_powers(length)
    for (first, texts, _), stretches in batches:
        text, offsets = text_buffers(texts)
        place = np.zeros(2, np.int64)
        while place[0] < len(stretches.rows):
            used = walk_windows(text, offsets, first, *stretches, length, powers, place, *room, used)
            if used == WINDOWS_AT_ONCE:
                yield room
                used = 0
    yield room.choose(slice(used))


@cache
def find_powers(length: int) -> Numbers:
    """(2, 4): what the first byte of a window counts, by the bytes that it has more than the length."""
    return np.array(
        [[pow(point, length + more, PRIME) for more in range(LONGEST_CHARACTER)] for point in POINTS],
        np.uint64,
    )


def generate_multiply_high(typing_context: Any, first: Any, second: Any) -> Any:
    """multiply_high(uint64, uint64): the upper 64 bits of their product."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = context.get_value_type(types.uint64).__class__(128)
        first, second = (builder.zext(argument, wide) for argument in arguments)
        product = builder.lshr(builder.mul(first, second), wide(64))
        return builder.trunc(product, context.get_value_type(types.uint64))

    return types.uint64(types.uint64, types.uint64), generate


multiply_high: Any = intrinsic(generate_multiply_high)


@inlined
def multiply(first, second):  # type: ignore[no-untyped-def]
    """A product modulo 2^61 − 1 of two numbers below it."""
    low = first * second
    high = (multiply_high(first, second) << np.uint64(3)) | (low >> np.uint64(61))
    product = (low & np.uint64(PRIME)) + high
    return product - np.uint64(PRIME) if product >= np.uint64(PRIME) else product


@inlined
def append(value, point, byte):  # type: ignore[no-untyped-def]
    """The value of a polynomial with one coefficient more; a byte counts one more than it is."""
    value = multiply(value, point) + np.uint64(byte) + np.uint64(1)
    return value - np.uint64(PRIME) if value >= np.uint64(PRIME) else value


@inlined
def subtract(first, second):  # type: ignore[no-untyped-def]
    return first - second if first >= second else first + np.uint64(PRIME) - second


@inlined
def begins_character(text, begin, place):  # type: ignore[no-untyped-def]
    """Whether a character begins at a place of a text that begins at `begin`."""
    if place == begin or (text[place] & 0xC0) != 0x80:
        return True
    if place - begin < 3:
        return False
    return (text[place - 1] & 0xC0) == (text[place - 2] & 0xC0) == (text[place - 3] & 0xC0) == 0x80


@kernel
def walk_windows(  # type: ignore[no-untyped-def]
    text,
    offsets,
    first_row,
    stretch_rows,
    firsts,
    lasts,
    length,
    powers,
    place,
    high,
    low,
    rows,
    starts,
    ends,
    used,
):
    """Append windows until there is no room or no stretch; place: stretch, and bytes of it that are done.

    Of each stretch two values are carried on: of its bytes up to the window, and up to the window's end.
    """
    one, other = np.uint64(POINTS[0]), np.uint64(POINTS[1])
    stretch, done = place
    while stretch < firsts.size and used < high.size:
        row = stretch_rows[stretch]
        begin, end = offsets[row], offsets[row + 1]
        start, last = begin + firsts[stretch] + done, begin + lasts[stretch]
        before, before2 = np.uint64(0), np.uint64(0)
        until, until2 = np.uint64(0), np.uint64(0)
        stop = start
        while start <= last and used < high.size:
            if begins_character(text, begin, start):
                while stop < start + length or (stop < end and not begins_character(text, begin, stop)):
                    until, until2 = append(until, one, text[stop]), append(until2, other, text[stop])
                    stop += 1
                more = stop - start - length
                high[used] = scramble(subtract(until, multiply(before, powers[0, more])))
                low[used] = scramble(subtract(until2, multiply(before2, powers[1, more])))
                rows[used], starts[used], ends[used] = first_row + row, start - begin, stop - begin
                used += 1
            before, before2 = append(before, one, text[start]), append(before2, other, text[start])
            start += 1
        done = start - begin - firsts[stretch]
        if start > last:
            stretch, done = stretch + 1, 0
    place[0], place[1] = stretch, done
    return used
