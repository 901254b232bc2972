r"""Texts → their lines: where each stands, and its key, the 128-bit hash of group and content.

A line ends at "\n"; what counts of it is without the white space at its ends, and a line of nothing else is
none. Nothing else is folded: a line that differs in its case or in a digit is another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from dspipe.dedup.strings.keys import Numbers, Pieces, make_room, scramble
from dspipe.dedup.strings.standing import Texts
from dspipe.text.arrow import text_buffers
from dspipe.text.kernel import inlined, kernel, load8, trailing_zeros
from dspipe.text.words import FIRST, SECOND, SHIFT, STEP, pack_bytes

LINES_AT_ONCE = 1 << 20

NEWLINE = 10
NEWLINES = np.uint64(0x0101010101010101 * NEWLINE)
ONES = np.uint64(0x0101010101010101)
HIGHS = np.uint64(0x8080808080808080)


def find_lines(batches: Iterable[Texts], groups: Numbers) -> Iterator[Pieces]:
    """Yield the lines of a part, some at a time, each with its newline; those of a document may come apart.

    Args:
        groups: of each row; 0 where its lines are not looked at.
    """
    room, used = make_room(LINES_AT_ONCE), 0
    for first, texts, _ in batches:
        text, offsets = text_buffers(texts)
        place = np.array([0, offsets[0]], np.int64)
        while place[0] < len(texts):
            used = walk_lines(text, offsets, groups[first:], first, place, *room, used)
            if used == LINES_AT_ONCE:
                yield room
                used = 0
    yield room.choose(slice(used))


@inlined
def find_newline(text, position, end):  # type: ignore[no-untyped-def]
    """Where the next "\\n" is, or `end`: eight bytes at a time."""
    while position + 8 <= end:
        block = load8(text, position) ^ NEWLINES
        found = (block - ONES) & ~block & HIGHS  # the lowest bit that is set is that of the first zero
        if found:
            return position + (trailing_zeros(found) >> 3)
        position += 8
    while position < end and text[position] != NEWLINE:
        position += 1
    return position


@inlined
def is_wide_space(first, second, third):  # type: ignore[no-untyped-def]
    """Whether three bytes are white space: U+1680, U+2000 … 200A, 2028, 2029, 202F, 205F, 3000."""
    if first == 0xE2 and second == 0x80:
        return 0x80 <= third <= 0x8A or third in (0xA8, 0xA9, 0xAF)
    if first == 0xE2:
        return second == 0x81 and third == 0x9F
    return third == 0x80 and ((first == 0xE1 and second == 0x9A) or (first == 0xE3 and second == 0x80))


@inlined
def measure_space(text, first, last, back):  # type: ignore[no-untyped-def]
    """How many bytes the white space takes that text[first:last] begins with, or ends with; 0 where none."""
    size = last - first
    if size == 0:
        return 0
    place = last - 1 if back else first
    if text[place] == 32 or 9 <= text[place] <= 13:
        return 1
    place = last - 2 if back else first
    if size >= 2 and text[place] == 0xC2 and text[place + 1] in (0x85, 0xA0):
        return 2
    place = last - 3 if back else first
    return 3 if size >= 3 and is_wide_space(text[place], text[place + 1], text[place + 2]) else 0


@kernel
def trim_line(text, first, last):  # type: ignore[no-untyped-def]
    """(first, last) of what is left without the white space at both ends."""
    size = measure_space(text, first, last, False)
    while size:
        first += size
        size = measure_space(text, first, last, False)
    size = measure_space(text, first, last, True)
    while size:
        last -= size
        size = measure_space(text, first, last, True)
    return first, last


@inlined
def hash_line(text, first, last, group):  # type: ignore[no-untyped-def]
    """128 bits of a group and bytes, in two lanes that take eight bytes a step."""
    length = np.uint64(last - first)
    high, low = group ^ (length * STEP), group * SECOND + length
    position = first
    while position < last:
        block = load8(text, position) if last - position >= 8 else pack_bytes(text, position, last)
        high = (high ^ block) * FIRST
        high ^= high >> SHIFT
        low = (low + block) * STEP
        low ^= low >> SHIFT
        position += 8
    return scramble(high), scramble(low)


@kernel
def walk_lines(  # type: ignore[no-untyped-def]
    text, offsets, groups, first_row, place, high, low, rows, starts, ends, used
):
    """Append lines until there is no room or no text; place: row and position to go on from."""
    row, position = place
    while row < offsets.size - 1 and used < high.size:
        end = offsets[row + 1]
        if groups[row] == 0:
            position = end
        while position < end and used < high.size:
            stop = find_newline(text, position, end)
            first, last = trim_line(text, position, stop)
            stop += stop < end
            if first < last:
                high[used], low[used] = hash_line(text, first, last, groups[row])
                rows[used], starts[used] = first_row + row, position - offsets[row]
                ends[used] = stop - offsets[row]
                used += 1
            position = stop
        if position >= end:
            row += 1
            position = end  # where the next document begins
    place[0], place[1] = row, position
    return used
