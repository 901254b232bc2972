"""Texts → the ends of DeepSeek-V3's pieces, without a regex engine.

Its three regexes cut one after the other: digits in threes, then runs of Chinese and kana, then words. So a
*region*, a run of characters of which none is a number and all or none are CJK, is all that a later rule
sees: its end is the end of the text. In a region a piece follows from its first character and the next, in
one walk without going back, but for one character that a run may have to give back.

`mark_ends` finds the same ends for 64 bytes at a time; what it cannot decide, `walk_piece` does.
"""

from __future__ import annotations

import numpy as np

from dspipe.bpe.pieces.characters import (
    CJK,
    LETTER,
    NEWLINE,
    NUMBER,
    OTHER,
    PUNCTUATION,
    WHITE,
    WORD,
    read_character,
)
from dspipe.bpe.pieces.masks import (
    ONE,
    WIDTH,
    ZERO,
    below,
    mark_ascii,
    mark_high,
    mark_threes,
    mark_white,
    write_ends,
)
from dspipe.text.kernel import inlined, kernel


@inlined
def walk_run(text, position, end, wanted, region, blocks, classes):  # type: ignore[no-untyped-def]
    """Where a run of characters of the wanted classes ends, or the region does."""
    while position < end:
        entry = read_character(text, position, end, blocks, classes)
        if (entry & wanted) == 0 or (entry & CJK) != region:
            break
        position += entry >> 8
    return position


@inlined
def walk_number(text, position, end, blocks, classes):  # type: ignore[no-untyped-def]
    """Where up to three numbers end."""
    for _ in range(3):
        if position >= end:
            break
        entry = read_character(text, position, end, blocks, classes)
        if (entry & NUMBER) == 0:
            break
        position += entry >> 8
    return position


@inlined
def walk_white(text, position, end, blocks, classes):  # type: ignore[no-untyped-def]
    """Where the piece ends that begins with white space which nothing after it joins.

    Through the last line break, if there is one; else all but the last character, which belongs to what
    follows; all of it before a number, CJK and the end, since no region goes on there.
    """
    start, last, line_end = position, position, position
    entry = np.int64(NUMBER)
    while position < end:
        entry = read_character(text, position, end, blocks, classes)
        if (entry & WHITE) == 0:
            break
        last = position
        position += entry >> 8
        if entry & NEWLINE:
            line_end = position
    if line_end > start:
        return line_end
    if position >= end or entry & (NUMBER | CJK) or last == start:
        return position
    return last


@inlined
def walk_other(text, position, end, region, blocks, classes):  # type: ignore[no-untyped-def]
    """Where a run of characters of no other class ends: before its last one, if a word follows."""
    start, last = position, position
    while position < end:
        entry = read_character(text, position, end, blocks, classes)
        if (entry & CJK) != region:
            break
        if (entry & OTHER) == 0:
            if entry & WORD and last > start:
                return last
            break
        last = position
        position += entry >> 8
    return position


@kernel
def walk_piece(text, position, end, blocks, classes):  # type: ignore[no-untyped-def]
    """Where the piece that begins at `position` ends; `end` is the document's."""
    entry = read_character(text, position, end, blocks, classes)
    if entry & NUMBER:
        return walk_number(text, position, end, blocks, classes)
    region = entry & CJK
    after = position + (entry >> 8)
    if entry & WORD:
        return walk_run(text, after, end, WORD, region, blocks, classes)
    following = np.int64(0)
    if after < end:
        following = read_character(text, after, end, blocks, classes)
    inside = (following & CJK) == region
    if entry & PUNCTUATION:
        if text[position] < 128 and following & LETTER and text[after] < 128:
            while after < end and text[after] < 128 and classes[text[after]] == LETTER:
                after += 1
            return after
    elif (entry & NEWLINE) == 0 and following & WORD and inside:
        return walk_run(text, after, end, WORD, region, blocks, classes)
    if entry & PUNCTUATION or (text[position] == 32 and following & PUNCTUATION and inside):
        after = walk_run(text, after, end, PUNCTUATION, region, blocks, classes)
        if region == 0:
            while after < end and (text[after] == 10 or text[after] == 13):
                after += 1
        return after
    if entry & WHITE:
        return walk_white(text, position, end, blocks, classes)
    return walk_other(text, position, end, region, blocks, classes)


@inlined
def mark_ends(text, position, end, blocks, classes):  # type: ignore[no-untyped-def]
    """The ends of pieces in the 64 bytes from the beginning of one: bit i if a piece ends before byte i.

    Says nothing from the first character on that is a number, white space or other but not ASCII, nor of
    pieces that end later: no bits, then.
    """
    alphas, digits, blanks, spaces, lines, graphic, high = mark_ascii(text, position)
    known = min(end - position, np.int64(WIDTH))
    signs = graphic & ~(alphas | digits)
    words, points, hans = alphas, signs, ZERO
    if high & below(known):
        sets = (WORD, PUNCTUATION, WORD | CJK)
        more, hans, _, _, known = mark_high(text, position, known, high, sets, blocks, classes)
        if known == 0:
            return ZERO
        points |= more
        words |= high & ~(points | hans)
    inside = below(known)
    alphas, words, digits, points, hans = (
        alphas & inside, words & inside, digits & inside, points & inside, hans & inside
    )  # fmt: skip
    blanks, lines, spaces = blanks & inside, lines & inside, (spaces & ~lines | blanks) & inside
    others = inside & ~(words | digits | points | hans | spaces | lines)
    ended = known == end - position

    after_word, after_han, after_other = words << ONE, hans << ONE, others << ONE
    after_point = (points | blanks) << ONE
    signed = alphas & ((signs & ~after_point) << ONE)  # `.com`: joined to the sign before
    found = words & ~(after_word | (spaces << ONE) | after_other | signed)
    found |= after_word & ~words
    found |= (alphas + signed) & ~alphas & words  # only ASCII letters are: the carry ends where they do
    found |= (hans & ~after_han) | (after_han & ~hans)
    found |= points & ~after_point
    found |= mark_threes(digits)
    found |= lines & ~((points | lines | spaces) << ONE)
    found |= mark_white(spaces, lines, points, words | points | others, known, ended)
    found |= others & (~after_other | (words >> ONE))
    if ended and known < WIDTH:
        return (found & inside | ONE << np.uint64(known)) & ~ONE
    return found & inside & ~ONE


@kernel
def split_deepseek(text, offsets, place, ends, blocks, classes):  # type: ignore[no-untyped-def]
    """Fill `ends` as `Splitter.split` says."""
    document, position = place[0], place[1]
    written = 0
    while document < offsets.size - 1 and written < ends.size:
        end = offsets[document + 1]
        while position < end and written < ends.size:
            bits = ZERO
            if text.size - position >= WIDTH:
                bits = mark_ends(text, position, end, blocks, classes)
            if bits:
                written, position = write_ends(bits, position, ends, written)
            else:
                position = walk_piece(text, position, end, blocks, classes)
                ends[written] = position
                written += 1
        if position >= end:
            document += 1
    place[0], place[1] = document, position
    return written
