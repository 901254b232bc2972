r"""Turns each line of a document, when the walk comes to its end, into counts; and paragraphs likewise.

A line ends at "\n"; a paragraph is what stands between blank lines.
"""

from __future__ import annotations

import numpy as np

from dspipe.filter.quality.counts import (
    BULLETS,
    CAPITALS,
    CHARACTERS,
    CHUNKS,
    CURLY_BRACKETS,
    DIGITS,
    ELLIPSIS_ENDS,
    ENDED,
    FILLED,
    FLAGS,
    HELD,
    JAVASCRIPT,
    KEPT_CURLY_BRACKETS,
    KEPT_SENTENCES,
    LETTERS,
    LINE,
    LINES,
    LONGEST_LINE,
    MASK,
    NUMERIC,
    P_CHARACTERS,
    P_HASH,
    P_LINES,
    PARAGRAPHS,
    POLICY,
    REMEMBERED,
    REPEATED_LINE_CHARACTERS,
    REPEATED_LINES,
    REPEATED_PARAGRAPH_CHARACTERS,
    REPEATED_PARAGRAPHS,
    SENTENCES,
    SHORT,
    SINCE,
    SINGLE_WORD,
    STAMP,
    UPPERCASE,
    WORDS,
)  # fmt: skip
from dspipe.filter.quality.memory import OF_LINES, count_of, remember
from dspipe.text.kernel import kernel
from dspipe.text.unicode import BULLET, CLASS, SENTENCE_END, SPACE, read_character
from dspipe.text.words import FIRST, HALF, hash_bytes

SHORT_LINE = 30  # characters; a line of as many is short (FineWeb)
LEAST_CHUNKS = 3  # between white space, in a line that C4 keeps
HAS_JAVASCRIPT, HAS_POLICY, HAS_LONG_CHUNK = 1, 2, 4  # flags: what a line has shown
DOT, HYPHEN, STAR, QUOTE, APOSTROPHE, ELLIPSIS = 46, 45, 42, 34, 39, 0x2026


@kernel
def end_line(text, end, tables, work, out, document):  # type: ignore[no-untyped-def]
    """Count the line that began at state[LINE] and ends before `end`."""
    state, begin = work.state, work.state[LINE]
    characters = out[document, CHARACTERS] - work.since[CHARACTERS]
    out[document, LINES] += 1
    out[document, LONGEST_LINE] = max(out[document, LONGEST_LINE], characters)
    first, last = begin, end
    while first < end:
        entry = read_character(text, first, end, tables.blocks, tables.classes)
        if (entry & CLASS) < SPACE:
            break
        first += (entry >> 16) & 255
    if first == end:
        end_paragraph(work, out, document)
    else:
        while True:
            before = step_back(text, last)
            if (read_character(text, before, last, tables.blocks, tables.classes) & CLASS) < SPACE:
                break
            last = before
        out[document, FILLED] += 1
        out[document, SHORT] += characters <= SHORT_LINE
        out[document, ENDED] += ends_sentence(text, begin, end, tables)
        count_line(text, first, last, tables, work, out, document)
        remember_line(text, begin, end, characters, work, out, document)
    state[FLAGS] = 0


@kernel
def begin_line(begin, work, out, document):  # type: ignore[no-untyped-def]
    work.state[LINE] = begin
    for count in range(SINCE):
        work.since[count] = out[document, count]


@kernel
def count_line(text, first, last, tables, work, out, document):  # type: ignore[no-untyped-def]
    """What a line without the white space around it, text[first:last], adds to the counts."""
    since, flags = work.since, work.state[FLAGS]
    letters = out[document, LETTERS] - since[LETTERS]
    ellipsis = ends_ellipsis(text, first, last)
    out[document, BULLETS] += is_bullet(text, first, last, tables)
    out[document, ELLIPSIS_ENDS] += ellipsis
    out[document, NUMERIC] += letters == 0 and out[document, DIGITS] > since[DIGITS]
    out[document, UPPERCASE] += 2 * (out[document, CAPITALS] - since[CAPITALS]) > letters
    out[document, SINGLE_WORD] += out[document, WORDS] - since[WORDS] == 1
    out[document, JAVASCRIPT] += (flags & HAS_JAVASCRIPT) != 0
    out[document, POLICY] += (flags & HAS_POLICY) != 0
    unfit = (flags & ~HAS_POLICY) != 0 or out[document, CHUNKS] - since[CHUNKS] < LEAST_CHUNKS or ellipsis
    if not unfit and (text[last - 1] in (QUOTE, APOSTROPHE) or ends_sentence(text, first, last, tables)):
        out[document, KEPT_CURLY_BRACKETS] += out[document, CURLY_BRACKETS] - since[CURLY_BRACKETS]
        if not flags:
            out[document, KEPT_SENTENCES] += max(out[document, SENTENCES] - since[SENTENCES], 1)


@kernel
def remember_line(text, begin, end, characters, work, out, document):  # type: ignore[no-untyped-def]
    """Count a line that was in the document before, and put it on the paragraph at hand."""
    state = work.state
    value = hash_bytes(text, begin, end)
    if state[HELD] < REMEMBERED:
        state[HELD] += 1
        slot = remember(value, state[STAMP] + OF_LINES, state[MASK], work.memory)
        repeated = count_of(slot, work.memory) > 1
        out[document, REPEATED_LINES] += repeated
        out[document, REPEATED_LINE_CHARACTERS] += repeated * characters
    joined = (np.uint64(state[P_HASH]) ^ value) * FIRST
    state[P_HASH] = np.int64(joined ^ (joined >> HALF))
    state[P_CHARACTERS] += characters + (state[P_LINES] > 0)
    state[P_LINES] += 1


@kernel
def end_paragraph(work, out, document):  # type: ignore[no-untyped-def]
    """Count the paragraph at hand, if there is one."""
    state = work.state
    if state[P_LINES] == 0:
        return
    out[document, PARAGRAPHS] += 1
    if state[HELD] < REMEMBERED:
        # a paragraph of one line has another hash than the line, so they share the memory
        slot = remember(np.uint64(state[P_HASH]), state[STAMP] + OF_LINES, state[MASK], work.memory)
        repeated = count_of(slot, work.memory) > 1
        out[document, REPEATED_PARAGRAPHS] += repeated
        out[document, REPEATED_PARAGRAPH_CHARACTERS] += repeated * state[P_CHARACTERS]
    state[P_LINES], state[P_CHARACTERS], state[P_HASH] = 0, 0, 0


@kernel
def step_back(text, position):  # type: ignore[no-untyped-def]
    """Where the character that ends before `position` starts."""
    position -= 1
    for _ in range(3):
        if (text[position] & 0xC0) != 0x80:
            break
        position -= 1
    return position


@kernel
def ends_sentence(text, start, end, tables):  # type: ignore[no-untyped-def]
    """Whether the last character of text[start:end] ends a sentence; an ellipsis does not."""
    before = max(step_back(text, end), start)
    entry = read_character(text, before, end, tables.blocks, tables.classes)
    return (entry & SENTENCE_END) != 0 and entry >> 24 != ELLIPSIS


@kernel
def ends_ellipsis(text, start, end):  # type: ignore[no-untyped-def]
    """Whether text[start:end] ends in three dots or U+2026."""
    if end - start < 3:
        return False
    if text[end - 1] == DOT:
        return text[end - 2] == DOT and text[end - 3] == DOT
    return text[end - 1] == 0xA6 and text[end - 2] == 0x80 and text[end - 3] == 0xE2


@kernel
def is_bullet(text, position, end, tables):  # type: ignore[no-untyped-def]
    """Whether a line starts with a bullet; "-" and "*" are bullets before white space or at its end."""
    entry = read_character(text, position, end, tables.blocks, tables.classes)
    point = entry >> 24
    if point != HYPHEN and point != STAR:
        return (entry & BULLET) != 0
    if position + 1 == end:
        return True
    return (read_character(text, position + 1, end, tables.blocks, tables.classes) & CLASS) >= SPACE
