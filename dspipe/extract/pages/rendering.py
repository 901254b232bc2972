"""Blocks of a page → plain text: paragraphs, items with their bullets, tables a row a line, code as it is.

No markup is added but what a reader of plain text expects: "- " or "1. " before a list item, indented by its
depth, and " | " between the cells of a table. A table whose cells hold more than a line each is layout, and
its cells are paragraphs.
"""

from __future__ import annotations

import numpy as np

from dspipe.extract.markup.blocks import (
    BEGIN,
    CELL,
    END,
    GAP,
    INDENT,
    KIND,
    MARKER,
    ROW,
)  # fmt: skip
from dspipe.extract.markup.tags import CODE
from dspipe.text.kernel import inlined, kernel

LARGEST_CELL = 200  # bytes
DEEPEST_INDENT = 8
ROOM = 64  # bytes before one block: line feeds, indent, number

LINE, SPACE, BAR, HYPHEN, DOT, ZERO = 10, 32, 124, 45, 46, 48


@inlined
def is_short_cell(blocks, i, count):  # type: ignore[no-untyped-def]
    """Whether a block is all that is in its cell of a table, and short."""
    if blocks[i, ROW] == 0 or blocks[i, KIND] == CODE or blocks[i, END] - blocks[i, BEGIN] > LARGEST_CELL:
        return False
    alone_before = i == 0 or blocks[i - 1, CELL] != blocks[i, CELL]
    return alone_before and (i + 1 == count or blocks[i + 1, CELL] != blocks[i, CELL])


@inlined
def write_marker(written, at, marker, indent):  # type: ignore[no-untyped-def]
    """Write a bullet or a number with its indent; returns where the text goes on."""
    for _ in range(2 * min(indent - 1, DEEPEST_INDENT)):
        written[at] = SPACE
        at += 1
    if marker < 0:
        written[at] = HYPHEN
        at += 1
    else:
        digits = 1
        power = np.int64(1)
        while marker // power >= 10:
            power *= 10
            digits += 1
        for _ in range(digits):
            written[at] = ZERO + marker // power % 10
            power //= 10
            at += 1
        written[at] = DOT
        at += 1
    written[at] = SPACE
    return at + 1


@kernel
def render_blocks(text, blocks, count, kept, written):  # type: ignore[no-untyped-def]
    """Write the blocks that are kept; returns the number of bytes, at most all of text and ROOM a block."""
    at = np.int64(0)
    gap = np.int64(0)
    previous = -1
    for i in range(count):
        gap = max(gap, blocks[i, GAP])
        if not kept[i]:
            continue
        end = blocks[i, END]
        while end > blocks[i, BEGIN] and text[end - 1] <= SPACE:
            end -= 1
        if end == blocks[i, BEGIN]:  # white space in <pre>
            continue
        joined = previous >= 0 and previous == i - 1 and blocks[previous, ROW] == blocks[i, ROW]
        if joined and is_short_cell(blocks, previous, count) and is_short_cell(blocks, i, count):
            written[at], written[at + 1], written[at + 2] = SPACE, BAR, SPACE
            at += 3
        elif previous >= 0:
            for _ in range(2 if gap > 1 else 1):
                written[at] = LINE
                at += 1
        if blocks[i, MARKER] != 0:
            at = write_marker(written, at, blocks[i, MARKER], blocks[i, INDENT])
        for place in range(blocks[i, BEGIN], end):
            written[at] = text[place]
            at += 1
        gap = np.int64(0)
        previous = i
    return at
