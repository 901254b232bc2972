"""A text → a 64-bit hash of each of its tokens, which are words, or characters.

Words are those of `text/words.py`, folded (`text/folding.py`): case, and forms of the same letter, make no
difference. In scripts written without spaces every letter with its marks is a word. As characters, a text is
its words with one space between them, so punctuation makes no difference either.

A token's hash is one of its folded UTF-8 bytes: h = 0; for each little-endian block of eight bytes, the last
filled up with zeros: h = mix(h ^ block), with the mixing of `words.hash_bytes`; at the end of h and length.
"""

from __future__ import annotations

import numpy as np

from dspipe.text.folding import NORMALIZES
from dspipe.text.kernel import inlined, kernel, load8, trailing_zeros
from dspipe.text.unicode import CLASS, COMPOSES, LETTER, MARK, NUMBER, SPACELESS, read_character
from dspipe.text.words import FIRST, HALF, HIGH, SECOND, SHIFT, flag_digits, flag_letters

COMPOSING, FOLDING = 1, 2  # what a text needs before it can be compared: to be brought to NFC, or to NFKC
SPACE = 32


@inlined
def absorb(value, block):  # type: ignore[no-untyped-def]
    value = (value ^ block) * FIRST
    return value ^ (value >> SHIFT)


@inlined
def finish(value, length):  # type: ignore[no-untyped-def]
    value = (value ^ np.uint64(length)) * SECOND
    value = (value ^ (value >> HALF)) * FIRST
    return value ^ (value >> HALF)


@inlined
def hash_ascii_word(text, position, end):  # type: ignore[no-untyped-def]
    """(hash, where it ends) of the word of ASCII letters and digits at `position`; an end of 0: read slowly.

    That is so where what follows is not ASCII and may belong to the word, and in the last bytes of a buffer.
    """
    value, start = np.uint64(0), position
    while position + 8 <= text.size:
        block = load8(text, position)
        letters = flag_letters(block)
        length = min(trailing_zeros(~(letters | flag_digits(block)) & HIGH) >> 3, end - position)
        folded = block | (letters >> np.uint64(2))  # the bit that tells small letters
        if length == 8:
            value = absorb(value, folded)
            position += 8
            continue
        after = position + length
        if after < end and text[after] >= 128:
            return value, 0
        if length > 0:
            value = absorb(value, folded & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)))
        return finish(value, after - start), after
    return value, 0


@inlined
def append_point(point, value, block, filled):  # type: ignore[no-untyped-def]
    """Append a code point's UTF-8 bytes to what is hashed; `filled` bytes of it are there, before the last
    whole block counted, and those after it stand in `block`."""
    length = 1 + (point >= 0x80) + (point >= 0x800) + (point >= 0x10000)
    for number in range(length):
        if length == 1:
            byte = point
        elif number == 0:
            byte = ((0xF00 >> length) & 0xFF) | (point >> (6 * (length - 1)))
        else:
            byte = 0x80 | ((point >> (6 * (length - 1 - number))) & 0x3F)
        block |= np.uint64(byte) << np.uint64(8 * (filled & 7))
        filled += 1
        if filled & 7 == 0:
            value, block = absorb(value, block), np.uint64(0)
    return value, block, filled


@inlined
def close(value, block, filled):  # type: ignore[no-untyped-def]
    return finish(absorb(value, block) if filled & 7 else value, filled)


@inlined
def fold(entry, folds):  # type: ignore[no-untyped-def]
    """(folded code point, what it tells of the text) of a character that `read_character` has read."""
    point = entry >> 24
    change = folds.points[(np.int64(folds.blocks[point >> 7]) << 7) | (point & 127)]
    needs = COMPOSING if entry & COMPOSES else 0
    if change == NORMALIZES:
        return point, needs | FOLDING
    return point + change, needs


@kernel
def hash_long_word(text, position, end, entry, classes, folds):  # type: ignore[no-untyped-def]
    """(hash, where it ends, needs) of the word whose first character reads as `entry`, by its characters."""
    spaceless = entry & SPACELESS
    value, block, filled, needs = np.uint64(0), np.uint64(0), 0, 0
    while True:
        point, more = fold(entry, folds)
        needs |= more
        value, block, filled = append_point(point, value, block, filled)
        position += (entry >> 16) & 255
        if position >= end:
            break
        entry = read_character(text, position, end, classes.blocks, classes.classes)
        kind = entry & CLASS
        joins = kind in (LETTER, NUMBER) and (entry & SPACELESS) == 0 and spaceless == 0
        if not joins and kind != MARK:
            break
    return close(value, block, filled), position, needs


@inlined
def fill_words(text, start, end, classes, folds, tokens):  # type: ignore[no-untyped-def]
    """Fill in the hashes of the words of text[start:end]: (how many, needs)."""
    position, count, needs = start, 0, 0
    while position < end:
        if text[position] < 128:
            if (classes.classes[text[position]] & CLASS) not in (LETTER, NUMBER):
                position += 1
                continue
            value, after = hash_ascii_word(text, position, end)
            if after:
                tokens[count] = value
                count += 1
                position = after
                continue
        entry = read_character(text, position, end, classes.blocks, classes.classes)
        if (entry & CLASS) in (LETTER, NUMBER):
            tokens[count], position, more = hash_long_word(text, position, end, entry, classes, folds)
            count += 1
        else:
            _, more = fold(entry, folds)
            position += (entry >> 16) & 255
        needs |= more
    return count, needs


@kernel
def fill_characters(text, start, end, classes, folds, tokens):  # type: ignore[no-untyped-def]
    """The same of characters: letters, numbers and the marks on them, and a space between words."""
    position, count, needs = start, 0, 0
    inside, apart = False, False  # a word, and something since the last one
    while position < end:
        entry = read_character(text, position, end, classes.blocks, classes.classes)
        kind = entry & CLASS
        point, more = fold(entry, folds)
        needs |= more
        position += (entry >> 16) & 255
        if kind == MARK and inside:
            tokens[count] = close(*append_point(point, np.uint64(0), np.uint64(0), 0))
            count += 1
        elif kind in (LETTER, NUMBER):
            if apart:
                tokens[count] = close(*append_point(SPACE, np.uint64(0), np.uint64(0), 0))
                count += 1
            tokens[count] = close(*append_point(point, np.uint64(0), np.uint64(0), 0))
            count += 1
            inside, apart = True, False
        else:
            apart = count > 0
            inside = False
    return count, needs
