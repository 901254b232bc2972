"""Texts → the ends of GPT-2's pieces, and of its descendants': cl100k, Llama 3, Qwen 2.

They have one regex: a contraction; a word with what stands before it; numbers; signs; white space. `modern`
are the descendants: any one character but a line break or number may stand before a word (GPT-2: a space),
line breaks go with the signs before them or end white space, and contractions may be capital. `digits` is how
many numbers are a piece at most; 0: any number of them, with a space before (GPT-2). A *sign* is whatever is
no letter, number or space: marks, too.
"""

from __future__ import annotations

import numpy as np

from dspipe.bpe.pieces.characters import (
    CJK,
    LETTER,
    MARK,
    NEWLINE,
    NUMBER,
    OTHER,
    PUNCTUATION,
    WHITE,
    read_character,
)
from dspipe.bpe.pieces.masks import (
    FOUR,
    ONE,
    THREE,
    TWO,
    WIDTH,
    ZERO,
    below,
    mark_apostrophes,
    mark_ascii,
    mark_high,
    mark_threes,
    mark_white,
    write_ends,
)
from dspipe.text.kernel import inlined, kernel, trailing_zeros

SIGN = MARK | PUNCTUATION | OTHER
APOSTROPHE = ord("'")


@inlined
def walk_run(text, position, end, wanted, most, blocks, classes):  # type: ignore[no-untyped-def]
    """Where a run of characters of the wanted classes ends, or has `most`; 0: any number."""
    count = 0
    while position < end:
        entry = read_character(text, position, end, blocks, classes)
        if (entry & wanted) == 0:
            break
        position += entry >> 8
        count += 1
        if count == most:
            break
    return position


@inlined
def walk_white(text, position, end, modern, blocks, classes):  # type: ignore[no-untyped-def]
    """Where white space that nothing after it joins ends.

    Through its last line break (`modern`); at the end of the text, or if it is one character, all of it; else
    before its last character.
    """
    start, last, line_end = position, position, position
    while position < end:
        entry = read_character(text, position, end, blocks, classes)
        if (entry & WHITE) == 0:
            break
        last = position
        position += entry >> 8
        if entry & NEWLINE:
            line_end = position
    if modern and line_end > start:
        return line_end
    return position if position >= end or last == start else last


@inlined
def read_contraction(text, position, end, modern):  # type: ignore[no-untyped-def]
    """How many bytes from `position` on make a contraction with an apostrophe: s t m d, re ve ll; or 0.

    `modern`: of either case, which makes U+017F an s.
    """
    if position >= end:
        return 0
    fold = 0x20 if modern else 0
    first = text[position] | fold
    if first == ord("s") or first == ord("t") or first == ord("m") or first == ord("d"):
        return 1
    if position + 1 >= end:
        return 0
    if modern and text[position] == 0xC5 and text[position + 1] == 0xBF:
        return 2
    second = text[position + 1] | fold
    if first == ord("l"):
        return 2 * (second == ord("l"))
    return 2 * ((first == ord("r") or first == ord("v")) and second == ord("e"))


@kernel
def walk_piece(text, position, end, digits, modern, blocks, classes):  # type: ignore[no-untyped-def]
    """Where the piece that begins at `position` ends; `end` is the document's."""
    entry = read_character(text, position, end, blocks, classes)
    after = position + (entry >> 8)
    if text[position] == APOSTROPHE:
        contraction = read_contraction(text, after, end, modern)
        if contraction:
            return after + contraction
    if entry & NUMBER:
        return walk_run(text, position, end, NUMBER, digits, blocks, classes)
    blank = text[position] == 32
    following = np.int64(0)
    if after < end:
        following = read_character(text, after, end, blocks, classes)
    joins = (entry & NEWLINE) == 0 if modern else blank
    if entry & LETTER or (joins and following & LETTER):
        return walk_run(text, after, end, LETTER, 0, blocks, classes)
    if digits == 0 and blank and following & NUMBER:
        return walk_run(text, after, end, NUMBER, 0, blocks, classes)
    if entry & SIGN or (blank and following & SIGN):
        after = walk_run(text, after, end, SIGN, 0, blocks, classes)
        while modern and after < end and (text[after] == 10 or text[after] == 13):
            after += 1
        return after
    return walk_white(text, position, end, modern, blocks, classes)


@inlined
def mark_contractions(text, position, end, modern, candidates):  # type: ignore[no-untyped-def]
    """The places behind contractions, whose apostrophes are among `candidates`: (the places, apostrophes)."""
    behind, found = ZERO, ZERO
    while candidates:
        place = trailing_zeros(candidates)
        length = read_contraction(text, position + place + 1, end, modern)
        if length:
            found |= ONE << np.uint64(place)
            if place + 1 + length < WIDTH:
                behind |= ONE << np.uint64(place + 1 + length)
        candidates &= candidates - ONE
    return behind, found


@inlined
def mark_ends(text, position, end, digits, modern, blocks, classes):  # type: ignore[no-untyped-def]
    """The ends of pieces in the 64 bytes from the beginning of one, as `deepseek.mark_ends`.

    Says nothing from the first number or white space on that is not ASCII.
    """
    alphas, numbers, blanks, spaces, lines, _, high = mark_ascii(text, position)
    known = min(end - position, np.int64(WIDTH))
    words, signs = alphas, ~(alphas | numbers | blanks | spaces | high)
    single, threes, fours = signs, ZERO, ZERO
    if high & below(known):
        sets = (LETTER | CJK, SIGN | CJK, 0)
        more, _, threes, fours, known = mark_high(text, position, known, high, sets, blocks, classes)
        if known == 0:
            return ZERO
        signs |= more
        words |= high & ~more
    inside = below(known)
    words, numbers, signs, blanks = words & inside, numbers & inside, signs & inside, blanks & inside
    spaces, lines = (spaces | blanks) & inside, lines & inside
    if modern:
        spaces &= ~lines
    else:
        lines = ZERO
    ended = known == end - position

    after_word, after_sign, after_blank = words << ONE, signs << ONE, blanks << ONE
    begun = signs & ~(after_sign | after_blank)
    found = begun | (after_word & ~words)
    contracted = mark_apostrophes(text, position) & begun & (words >> ONE)
    behind, contracted = mark_contractions(text, position, end, modern, contracted)
    found |= behind
    if modern:
        joined = (begun & single) << ONE  # behind one sign, of so many bytes
        begun &= ~single
        if begun:
            joined |= (begun & ~threes) << TWO | (begun & threes & ~fours) << THREE | (begun & fours) << FOUR
        found |= words & ~(after_word | (spaces << ONE) | joined)
        found |= mark_threes(numbers) if digits == 3 else numbers
    else:
        found |= words & ~(after_word | after_blank | (contracted << ONE))
        found |= numbers & ~((numbers << ONE) | after_blank)
    found |= lines & ~((signs | lines | spaces) << ONE)
    found |= mark_white(spaces, lines, signs, words | numbers | signs, known, ended)
    if ended and known < WIDTH:
        return (found & inside | ONE << np.uint64(known)) & ~ONE
    return found & inside & ~ONE


@kernel
def split_gpt(text, offsets, place, ends, digits, modern, blocks, classes):  # type: ignore[no-untyped-def]
    """Fill `ends` as `Splitter.split` says."""
    document, position = place[0], place[1]
    written = 0
    while document < offsets.size - 1 and written < ends.size:
        end = offsets[document + 1]
        while position < end and written < ends.size:
            bits = ZERO
            if text.size - position >= WIDTH:
                bits = mark_ends(text, position, end, digits, modern, blocks, classes)
            if bits:
                written, position = write_ends(bits, position, ends, written)
            else:
                position = walk_piece(text, position, end, digits, modern, blocks, classes)
                ends[written] = position
                written += 1
        if position >= end:
            document += 1
    place[0], place[1] = document, position
    return written
