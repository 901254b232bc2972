"""Text between two tags → characters of a block: white space collapsed, character references resolved."""

from __future__ import annotations

import numpy as np

from dspipe.extract.markup.blocks import (
    AND,
    BASIS,
    BEGUN,
    CARRIAGE,
    COUNT,
    DEPTH,
    EQUALS,
    HASH,
    LINE,
    LINK,
    LINKED,
    LOWER_X,
    OUT,
    PRIME,
    S_FLAGS,
    SEMICOLON,
    SPACE,
    break_verbatim,
    is_alphanumeric,
    look_up,
    lower,
    put,
    put_byte,
    put_character,
    put_verbatim,
)
from dspipe.extract.markup.tags import BARE_ENTITY, ENTITY, HIDDEN, PRE
from dspipe.text.kernel import inlined, kernel

AN_ENTITY, A_BARE_ENTITY = np.uint64(ENTITY), np.uint64(BARE_ENTITY)

# Windows-1252's characters at 0x80 to 0x9F, which is what numbers there are taken to mean.
WINDOWS = np.array(
    [
        0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152,
        0x8D, 0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122,
        0x0161, 0x203A, 0x0153, 0x9D, 0x017E, 0x0178,
    ],
    np.int64,
)  # fmt: skip


@inlined
def read_number(page, at, end):  # type: ignore[no-untyped-def]
    """The character that `&#…` at `at` means, and where the text goes on; -1 where it is none."""
    place = at + 2
    base = 10
    if place < end and lower(page[place]) == LOWER_X:
        base = 16
        place += 1
    first = place
    code = np.int64(0)
    while place < end:
        byte = lower(page[place])
        if 48 <= byte <= 57:
            digit = np.int64(byte) - 48
        elif base == 16 and 97 <= byte <= 102:
            digit = np.int64(byte) - 87
        else:
            break
        code = min(code * base + digit, np.int64(0x110000))
        place += 1
    if place == first:
        return np.int64(-1), at
    if place < end and page[place] == SEMICOLON:
        place += 1
    if 0x80 <= code < 0xA0:
        code = WINDOWS[code - 0x80]
    elif code == 0 or code >= 0x110000 or 0xD800 <= code < 0xE000:
        code = np.int64(0xFFFD)
    return code, place


@kernel
def put_reference(page, at, end, out, blocks, stack, state, names, verbatim, address):  # type: ignore[no-untyped-def]
    """Write the character that stands at `&`, or the `&`; returns where the text goes on.

    In an address `&copy=1` is no sign of copyright: there what has no semicolon must not go on.
    """
    if at + 1 < end and page[at + 1] == HASH:
        code, place = read_number(page, at, end)
        if code >= 0:
            put_character(out, blocks, stack, state, code, verbatim)
            return place
    key = BASIS
    found = np.int64(-1)
    place = at + 1
    after = place
    while place < end and place < at + 40:
        byte = page[place]
        if byte == SEMICOLON:
            whole = look_up(names.table, AN_ENTITY, key)
            if whole >= 0:
                found = whole
                after = place + 1
            break
        if not is_alphanumeric(byte):
            break
        key = (key ^ np.uint64(byte)) * PRIME
        place += 1
        bare = look_up(names.table, A_BARE_ENTITY, key)
        goes_on = place < end and (page[place] == EQUALS or is_alphanumeric(page[place]))
        if bare >= 0 and not (address and goes_on):
            found = bare
            after = place
    if found < 0:
        put_byte(out, blocks, stack, state, np.uint8(AND), verbatim)
        return at + 1
    first, size = found >> 3, found & 7
    if is_wide_space(names.characters, first, first + size):
        put_character(out, blocks, stack, state, np.int64(32), verbatim)
        return after
    if unseen(names.characters, first, first + size):
        return after
    for offset in range(size):
        byte = names.characters[first + offset]
        if byte <= 32:
            put_character(out, blocks, stack, state, np.int64(byte), verbatim)
        else:
            put_byte(out, blocks, stack, state, byte, verbatim)
    return after


@inlined
def is_wide_space(page, at, end):  # type: ignore[no-untyped-def]
    """Whether a no-break space stands at `at`."""
    return page[at] == 0xC2 and at + 1 < end and page[at + 1] == 0xA0


@inlined
def unseen(page, at, end):  # type: ignore[no-untyped-def]
    """The bytes of the soft hyphen, zero-width space or byte order mark at `at`; 0 where there is none."""
    if page[at] == 0xC2 and at + 1 < end and page[at + 1] == 0xAD:
        return 2
    if page[at] == 0xE2 and at + 2 < end and page[at + 1] == 0x80 and page[at + 2] == 0x8B:
        return 3
    if page[at] == 0xEF and at + 2 < end and page[at + 1] == 0xBB and page[at + 2] == 0xBF:
        return 3
    return 0


@kernel
def put_lines(page, at, end, out, blocks, stack, state, names):  # type: ignore[no-untyped-def]
    """Write preformatted text; not inlined, since it is rare."""
    if at < end and state[BEGUN] and state[SPACE]:
        if state[SPACE] == 1 and page[at] > 32:
            out[state[OUT]] = 32
            state[OUT] += 1
        elif state[SPACE] == 2 and page[at] != LINE and page[at] != CARRIAGE:
            break_verbatim(out, state)
        state[SPACE] = 0
    while at < end:
        byte = page[at]
        if byte == AND:
            at = put_reference(page, at, end, out, blocks, stack, state, names, True, False)
        elif is_wide_space(page, at, end):
            put_verbatim(out, blocks, stack, state, np.uint8(32))
            at += 2
        elif unseen(page, at, end):
            at += unseen(page, at, end)
        else:
            if byte == CARRIAGE and not (at + 1 < end and page[at + 1] == LINE):
                byte = np.uint8(LINE)
            put_verbatim(out, blocks, stack, state, byte)
            at += 1


@inlined
def put_text(page, at, end, out, blocks, stack, state, names):  # type: ignore[no-untyped-def]
    """Write the text page[at:end], which holds no tags."""
    flags = stack[state[DEPTH], S_FLAGS]
    if flags & HIDDEN:
        return
    if flags & PRE:
        put_lines(page, at, end, out, blocks, stack, state, names)
        return
    while at < end:
        byte = page[at]
        if byte <= 32:
            state[SPACE] = max(state[SPACE], 1)
            at += 1
        elif byte == AND:
            at = put_reference(page, at, end, out, blocks, stack, state, names, False, False)
        elif is_wide_space(page, at, end):
            state[SPACE] = max(state[SPACE], 1)
            at += 2
        elif unseen(page, at, end):
            at += unseen(page, at, end)
        else:
            put(out, blocks, stack, state, byte)
            at += 1
            first, place = at, state[OUT]
            while at < end and page[at] > 32 and page[at] != AND and page[at] < 0xC2:
                out[place] = page[at]
                place += 1
                at += 1
            blocks[state[COUNT], LINKED] += state[LINK] * (at - first)
            state[OUT] = place


@kernel
def put_alt(page, at, end, out, blocks, stack, state, names):  # type: ignore[no-untyped-def]
    """The same for the description of an image; not inlined, since it is rare."""
    put_text(page, at, end, out, blocks, stack, state, names)
