"""Turns documents into words: how many, and a 64-bit hash of each.

A word is a maximal run of letters, marks and numbers that starts with a letter or number; every other
character splits, apostrophes and hyphens too ("don't" is two words). In scripts written without spaces (Han,
kana, Thai, Lao, Khmer, Myanmar, Tibetan …) each letter with its marks is a word of its own, which is what
shingles and thresholds need: it costs no dictionary and an edit stays local. Case is kept; who wants it
folded passes folded text.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dspipe.text.arrow import Bytes, Offsets
from dspipe.text.kernel import count_bits, inlined, kernel, load8, trailing_zeros
from dspipe.text.unicode import (
    CLASS,
    LETTER,
    MARK,
    NUMBER,
    SPACELESS,
    UPPER,
    load_classes,
    read_character,
)

# Odd constants of splitmix64 and MurmurHash3's finalizer.
STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xFF51AFD7ED558CCD)
SECOND = np.uint64(0xC4CEB9FE1A85EC53)
HALF = np.uint64(33)
SHIFT = np.uint64(29)

# Eight bytes at a time: a number with the highest bit set in each byte that is of a kind.
HIGH = np.uint64(0x8080808080808080)
LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
CASE = np.uint64(0x2020202020202020)
FROM_A, BEHIND_Z = (np.uint64(0x0101010101010101 * (128 - point)) for point in (ord("a"), ord("z") + 1))
FROM_0, BEHIND_9 = (np.uint64(0x0101010101010101 * (128 - point)) for point in (ord("0"), ord("9") + 1))


@kernel
def pack_bytes(text, start, end):  # type: ignore[no-untyped-def]
    """Up to eight bytes text[start:end] as one little-endian uint64, filled up with zeros."""
    left = end - start
    if end >= 8 and left > 0:  # eight bytes that end where these do are inside the buffer; drop those before
        return load8(text, end - 8) >> np.uint64(8 * (8 - left))
    block = np.uint64(0)
    for place in range(left):
        block |= np.uint64(text[start + place]) << np.uint64(8 * place)
    return block


@kernel
def hash_bytes(text, start, end):  # type: ignore[no-untyped-def]
    """64-bit hash of text[start:end], equal on every machine.

    h = length · STEP; for each little-endian block of eight bytes, the last one filled up with zeros:
    h = mix(h ^ block), where mix(x) multiplies by FIRST and folds the upper bits down; at the end
    MurmurHash3's finalizer, under which one changed bit changes half of the bits.
    """
    value = np.uint64(end - start) * STEP
    position = start
    while position < end:
        block = load8(text, position) if end - position >= 8 else pack_bytes(text, position, end)
        value = (value ^ block) * FIRST
        value ^= value >> SHIFT
        position += 8
    value = (value ^ (value >> HALF)) * FIRST
    value = (value ^ (value >> HALF)) * SECOND
    return value ^ (value >> HALF)


@kernel
def walk_word(text, position, end, entry, index, classes):  # type: ignore[no-untyped-def]
    """Walk the word whose first character reads as `entry`: (where it ends, characters, letters)."""
    spaceless = entry & SPACELESS
    position += (entry >> 16) & 255
    characters = 1
    letters = np.int64((entry & CLASS) == LETTER)
    while position < end:
        if text[position] < 128 and spaceless == 0:  # most of all text, so without decoding
            kind = classes[text[position]] & CLASS
            if kind not in (LETTER, NUMBER):
                break
            position += 1
        else:
            entry = read_character(text, position, end, index, classes)
            kind = entry & CLASS
            joins = kind in (LETTER, NUMBER) and (entry & SPACELESS) == 0 and spaceless == 0
            if not joins and kind != MARK:
                break
            position += (entry >> 16) & 255
        characters += 1
        letters += kind == LETTER or (kind == MARK and letters > 0)  # a keycap is no letter
    return position, characters, letters


@inlined
def flag_letters(block):  # type: ignore[no-untyped-def]
    """Of eight bytes, those that are ASCII letters."""
    folded = (block | CASE) & LOW
    return (folded + FROM_A) & ~(folded + BEHIND_Z) & ~block & HIGH


@inlined
def flag_digits(block):  # type: ignore[no-untyped-def]
    """Of eight bytes, those that are ASCII digits."""
    low = block & LOW
    return (low + FROM_0) & ~(low + BEHIND_9) & ~block & HIGH


@inlined
def read_word(text, position, end, entry, index, classes):  # type: ignore[no-untyped-def]
    """The word whose first character reads as `entry`.

    Returns (where it ends, characters, letters, capitals, digits). Letters are those of `walk_word`; capitals
    have the flag UPPER; digits are characters of class number. A word of up to seven ASCII characters, which
    most are, takes one load.
    """
    if position + 8 <= end and text[position] < 128:
        block = load8(text, position)
        letters, digits = flag_letters(block), flag_digits(block)
        length = trailing_zeros(~(letters | digits) & HIGH) >> 3
        if length < 8 and text[position + length] < 128:
            kept = (np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)
            letters &= kept
            found = count_bits(letters)
            small = count_bits(letters & (block << np.uint64(2)))  # CASE, shifted to where the flags are
            return position + length, length, found, found - small, length - found
    return read_long_word(text, position, end, entry, index, classes)


@kernel
def read_long_word(text, position, end, entry, index, classes):  # type: ignore[no-untyped-def]
    """What `read_word` returns, character by character."""
    spaceless = entry & SPACELESS
    letters, capitals, digits, characters = 0, 0, 0, 0
    kind = entry & CLASS
    while True:
        characters += 1
        letters += kind == LETTER or (kind == MARK and letters > 0)  # a keycap is no letter
        capitals += (entry & UPPER) != 0
        digits += kind == NUMBER
        position += (entry >> 16) & 255
        if position >= end:
            break
        entry = read_character(text, position, end, index, classes)
        kind = entry & CLASS
        joins = kind in (LETTER, NUMBER) and (entry & SPACELESS) == 0 and spaceless == 0
        if not joins and kind != MARK:
            break
    return position, characters, letters, capitals, digits


@kernel
def walk_words(text, offsets, index, classes, hashes, ends):  # type: ignore[no-untyped-def]
    """Fill ends[document + 1] with the words up to its end, and `hashes` unless it has no room at all."""
    words = 0
    for document in range(offsets.size - 1):
        position, end = offsets[document], offsets[document + 1]
        while position < end:
            entry = read_character(text, position, end, index, classes)
            kind = entry & CLASS
            if kind not in (LETTER, NUMBER):
                position += (entry >> 16) & 255
                continue
            after = walk_word(text, position, end, entry, index, classes)[0]
            if hashes.size:
                hashes[words] = hash_bytes(text, position, after)
            words += 1
            position = after
        ends[document + 1] = words


def count_words(text: Bytes, offsets: Offsets) -> NDArray[np.int64]:
    """The number of words of each document of `arrow.text_buffers`."""
    ends = np.zeros(offsets.size, np.int64)
    walk_words(text, offsets, *load_classes(), np.empty(0, np.uint64), ends)
    return np.diff(ends)


def hash_words(text: Bytes, offsets: Offsets) -> tuple[NDArray[np.uint64], Offsets]:
    """Return (hashes uint64, word offsets int64): document i has hashes[offsets[i] : offsets[i + 1]].

    The same word has the same hash in every document and on every machine.
    """
    ends = np.zeros(offsets.size, np.int64)
    room = (
        int(offsets[-1] - offsets[0]) // 2 + offsets.size
    )  # two bytes a word at least, but for a document's last
    hashes = np.empty(room, np.uint64)
    walk_words(text, offsets, *load_classes(), hashes, ends)
    return hashes[: ends[-1]], ends
