"""Bytes of text → blocks: runs of text that stand on lines of their own, and the columns that describe them.

Also the shape of what all kernels of this folder work on: rows of `blocks`, rows of the stack of open
elements, and the places in `state`.
"""

from __future__ import annotations

import numpy as np

from dspipe.extract.markup.tags import FACTOR, SEED
from dspipe.text.kernel import inlined, kernel

DEEPEST = 512  # open elements

ON_STACK = (1 << 32) - 1  # bits of `opened` that count elements on the stack; the bits above count the others

# Columns of `blocks`.
BEGIN, END, KIND, FLAGS, LINKED, GAP, ELEMENT, MARKER, INDENT, ROW, CELL = range(11)
BLOCK_COLUMNS = 11

# Columns of `stack`.
S_TAG, S_FLAGS, S_KIND, S_ELEMENT, S_ROW, S_CELL, S_INDENT, S_COUNT = range(8)
STACK_COLUMNS = 8

# Places in `state`.
(
    OUT,  # bytes written
    COUNT,  # blocks finished
    BEGUN,  # whether a block is begun
    SPACE,  # 1: white space before the next character, 2: a line break
    NEXT_GAP,  # line feeds before the next block
    DEPTH,  # elements on the stack
    BEYOND,  # elements open that are not on it
    LINK,  # whether the text is a link's
    LINK_DEPTH,  # of the open link's element
    ELEMENTS,  # holders met
    NEXT_MARKER,  # of a list item whose text has not begun: -1 a bullet, else its number
    ROWS,  # table rows met
    CELLS,
    TITLE_BEGIN,  # of the title in the page
    TITLE_END,
    ATTRIBUTES,  # what the attributes of the last tag say: bits handed down
    LINK_BEGIN,  # of its href
    LINK_END,
    ALT_BEGIN,
    ALT_END,
    WITH_LINKS,  # the two settings
    WITH_ALT,
    HREF_BEGIN,  # of the open link
    HREF_END,
    LINK_TEXT,  # where its text begins in what is written
) = range(25)
STATES = 25

PRIME = np.uint64(FACTOR)
BASIS = np.uint64(SEED)
HALF = np.uint64(32)

LT, GT, AND, SEMICOLON, HASH, SLASH, BANG, QUESTION, MINUS, EQUALS = 60, 62, 38, 59, 35, 47, 33, 63, 45, 61
QUOTE, APOSTROPHE, LINE, CARRIAGE, LOWER_X = 34, 39, 10, 13, 120


@inlined
def look_up(table, what, key):  # type: ignore[no-untyped-def]
    """The value of a name of a kind, given its hash, or -1."""
    mask = table.shape[0] - 1
    key ^= what
    place = np.int64(key >> HALF) & mask
    while table[place, 0] != 0:
        if table[place, 0] == key:
            return np.int64(table[place, 1])
        place = (place + 1) & mask
    return np.int64(-1)


@inlined
def is_space(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or (9 <= byte <= 13 and byte != 11)


@inlined
def is_alphanumeric(byte):  # type: ignore[no-untyped-def]
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


@inlined
def lower(byte):  # type: ignore[no-untyped-def]
    return byte | 32 if 65 <= byte <= 90 else byte


@inlined
def begin_block(blocks, stack, state):  # type: ignore[no-untyped-def]
    top = stack[state[DEPTH]]
    row = blocks[state[COUNT]]
    row[BEGIN] = state[OUT]
    row[KIND] = top[S_KIND]
    row[FLAGS] = top[S_FLAGS]
    row[LINKED] = 0
    row[GAP] = state[NEXT_GAP]
    row[ELEMENT] = top[S_ELEMENT]
    row[MARKER] = state[NEXT_MARKER]
    row[INDENT] = top[S_INDENT]
    row[ROW] = top[S_ROW]
    row[CELL] = top[S_CELL]
    state[BEGUN] = 1
    state[SPACE] = 0
    state[NEXT_GAP] = 0
    state[NEXT_MARKER] = 0


@inlined
def end_block(blocks, state, gap):  # type: ignore[no-untyped-def]
    """End the block there is, if any; before the next one come at least `gap` line feeds."""
    if state[BEGUN]:
        blocks[state[COUNT], END] = state[OUT]
        state[COUNT] += 1
        state[BEGUN] = 0
        state[NEXT_MARKER] = 0
    state[SPACE] = 0
    state[NEXT_GAP] = max(state[NEXT_GAP], gap)


@inlined
def put(out, blocks, stack, state, byte):  # type: ignore[no-untyped-def]
    """Write one byte that is no white space, and what stands before it."""
    if not state[BEGUN]:
        begin_block(blocks, stack, state)
    elif state[SPACE]:
        out[state[OUT]] = LINE if state[SPACE] == 2 else 32
        state[OUT] += 1
        state[SPACE] = 0
    out[state[OUT]] = byte
    state[OUT] += 1
    blocks[state[COUNT], LINKED] += state[LINK]


@inlined
def put_verbatim(out, blocks, stack, state, byte):  # type: ignore[no-untyped-def]
    """Write one byte of preformatted text, white space too; line feeds before its first line are left out."""
    if not state[BEGUN]:
        if byte in (LINE, CARRIAGE):
            return
        begin_block(blocks, stack, state)
    if byte != CARRIAGE:
        out[state[OUT]] = byte
        state[OUT] += 1


@inlined
def break_verbatim(out, state):  # type: ignore[no-untyped-def]
    """Begin a line in preformatted text, if one is not begun."""
    if state[BEGUN] and out[state[OUT] - 1] != LINE:
        out[state[OUT]] = LINE
        state[OUT] += 1
    state[SPACE] = 0


@inlined
def put_byte(out, blocks, stack, state, byte, verbatim):  # type: ignore[no-untyped-def]
    """Write one byte that is no white space, in preformatted text or not; links in code do not count."""
    if verbatim:
        put_verbatim(out, blocks, stack, state, byte)
    else:
        put(out, blocks, stack, state, byte)


@kernel
def put_character(out, blocks, stack, state, code, verbatim):  # type: ignore[no-untyped-def]
    """Write a character as UTF-8; white space goes through the same mill as in the page."""
    if code <= 32 or code == 0xA0:
        if verbatim:
            put_verbatim(out, blocks, stack, state, np.uint8(32 if code == 0xA0 else code))
        else:
            state[SPACE] = max(state[SPACE], 1)
        return
    if code == 0xAD or code == 0x200B or code == 0xFEFF:  # soft hyphen, zero-width space: layout, no text
        return
    if code < 0x80:
        put_byte(out, blocks, stack, state, np.uint8(code), verbatim)
        return
    if code < 0x800:
        put_byte(out, blocks, stack, state, np.uint8(0xC0 | code >> 6), verbatim)
    elif code < 0x10000:
        put_byte(out, blocks, stack, state, np.uint8(0xE0 | code >> 12), verbatim)
    else:
        put_byte(out, blocks, stack, state, np.uint8(0xF0 | code >> 18), verbatim)
        put_byte(out, blocks, stack, state, np.uint8(0x80 | (code >> 12) & 63), verbatim)
    if code >= 0x800:
        put_byte(out, blocks, stack, state, np.uint8(0x80 | (code >> 6) & 63), verbatim)
    put_byte(out, blocks, stack, state, np.uint8(0x80 | code & 63), verbatim)
