"""Bytes and their neighbours → what they may be part of: the table and the word boundaries of all patterns.

A pattern takes `floor`, before which nothing is read: the start of the document or the end of the finding
before, which counts as a boundary. A finding is (first, last), `last` exclusive and -1 where there is none.
"""

from __future__ import annotations

import string

import numpy as np
from numpy.typing import NDArray

from dspipe.text.arrow import read_only
from dspipe.text.kernel import inlined, kernel
from dspipe.text.unicode import CLASS, LETTER, NUMBER, SPACELESS, read_character

(
    DIGIT, LOWER, UPPER, UNDERSCORE, HEXADECIMAL, HYPHEN, POINT, PLUS, COLONS, VALUE, VALUE_END,
    UNQUOTED, OPERATOR, BEFORE_NUMBER, BEFORE_CUED,
) = (1 << n for n in range(15))  # fmt: skip
ALPHABETIC = LOWER | UPPER
ALPHANUMERIC = DIGIT | ALPHABETIC
WORD = ALPHANUMERIC | UNDERSCORE
URL_SAFE = WORD | HYPHEN  # the alphabet of base64url

SPACE, TAB, LINE_END, QUOTE, APOSTROPHE, BACKTICK, PERCENT, BACKSLASH = 32, 9, 10, 34, 39, 96, 37, 92
AT, DASH, DOT, PLUS_SIGN, SLASH_SIGN, COLON, EQUALS, COMMA, LOW_LINE = 64, 45, 46, 43, 47, 58, 61, 44, 95
OPENS, CLOSES, OPENS_SQUARE, CLOSES_SQUARE, GREATER, ZERO, ONE = 40, 41, 91, 93, 62, 48, 49

NOT_IN_VALUES = "\"'`\\<>{}()[]$"  # of assignments: they quote, escape, or make the value an expression


def classify_bytes() -> NDArray[np.uint16]:
    """The flags of each byte; those past ASCII have none."""
    flags = np.zeros(256, np.uint16)
    for flag, members in (
        (DIGIT, string.digits),
        (LOWER, string.ascii_lowercase),
        (UPPER, string.ascii_uppercase),
        (HEXADECIMAL, string.hexdigits),
        *((UNDERSCORE, "_"), (HYPHEN, "-"), (POINT, "."), (PLUS, "+"), (COLONS, ":")),
        (VALUE, set(string.printable) - set(string.whitespace) - set(NOT_IN_VALUES)),
        (VALUE_END, string.whitespace + ";&,#\"'`"),
        (UNQUOTED, string.ascii_letters + string.digits + "+/=_-"),
        (OPERATOR, "=!<>+-*/|&^%~"),
        (BEFORE_NUMBER, string.whitespace + "([{:;,\"'<>=|*"),
        (BEFORE_CUED, string.whitespace + ":;,\"'<>=|*.-#+"),
    ):
        flags[[ord(member) for member in members]] |= np.uint16(flag)
    return read_only(flags)


FLAGS = classify_bytes()


@inlined
def has(byte, flags):  # type: ignore[no-untyped-def]
    """Whether a byte is of one of these kinds."""
    return (FLAGS[byte] & flags) != 0


@inlined
def joins_words(entry):  # type: ignore[no-untyped-def]
    """Whether a character, as `read_character` gives it, is of one word with ASCII letters next to it.

    Not so in scripts written without spaces, nor in Korean, where particles follow names without one.
    """
    point = entry >> 24
    hangul = 0xAC00 <= point <= 0xD7FF or 0x1100 <= point <= 0x11FF or 0x3130 <= point <= 0x318F
    return (entry & CLASS) in (LETTER, NUMBER) and (entry & SPACELESS) == 0 and not hangul


@kernel
def follows_word(text, floor, position, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether the character that ends at `position` is part of a word."""
    if position <= floor:
        return False
    if text[position - 1] < 128:
        return has(text[position - 1], WORD)
    first = position - 1
    while first > floor and position - first < 4 and (text[first] & 0xC0) == 0x80:
        first -= 1
    entry = read_character(text, first, position, blocks, classes)
    return ((entry >> 16) & 255) == position - first and joins_words(entry)


@kernel
def precedes_word(text, position, end, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether the character at `position` is part of a word."""
    if position >= end:
        return False
    if text[position] < 128:
        return has(text[position], WORD)
    entry = read_character(text, position, end, blocks, classes)
    for following in range(position + 1, position + ((entry >> 16) & 255)):
        if (text[following] & 0xC0) != 0x80:
            return False
    return joins_words(entry)


@inlined
def byte_at(text, position, end):  # type: ignore[no-untyped-def]
    """The byte at `position`, 0 at the end."""
    return np.int64(text[position]) if position < end else np.int64(0)


@inlined
def byte_before(text, floor, position):  # type: ignore[no-untyped-def]
    """The byte that ends at `position`, 0 at the floor."""
    return np.int64(text[position - 1]) if position > floor else np.int64(0)


@inlined
def lower(byte):  # type: ignore[no-untyped-def]
    """An ASCII capital as its small letter, anything else as it is."""
    return byte | 32 if 65 <= byte <= 90 else byte


@kernel
def walk_run(text, position, end, flags):  # type: ignore[no-untyped-def]
    """Where the run of bytes of these kinds that starts at `position` ends."""
    while position < end and has(text[position], flags):
        position += 1
    return position


@kernel
def ends_with(text, floor, position, words, starts):  # type: ignore[no-untyped-def]
    """Where the first of `words` that ends at `position` begins, case apart; -1 where none does.

    `words` is all of them in one array, word n from starts[n] to starts[n + 1], in small letters.
    """
    for word in range(starts.size - 1):
        size = starts[word + 1] - starts[word]
        first = position - size
        if first < floor:
            continue
        place = 0
        while place < size and lower(np.int64(text[first + place])) == words[starts[word] + place]:
            place += 1
        if place == size:
            return first
    return np.int64(-1)


def pack_words(listed: str, separator: str = " ") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """ "fax telefax" → the two arrays that `ends_with` takes, with "telefax" before its end "fax"."""
    words = sorted((word.encode() for word in listed.split(separator)), key=len, reverse=True)
    starts = np.cumsum([0, *(len(word) for word in words)])
    return read_only(np.frombuffer(b"".join(words), np.uint8)), read_only(starts.astype(np.int64))


@kernel
def pack_lower(text, first, last):  # type: ignore[no-untyped-def]
    """Up to eight bytes in small letters as one big-endian number; 0 where there are more."""
    if last - first > 8:
        return np.uint64(0)
    packed = np.uint64(0)
    for position in range(first, last):
        packed = (packed << np.uint64(8)) | np.uint64(lower(np.int64(text[position])))
    return packed


def pack_names(listed: str) -> NDArray[np.uint64]:
    """ "png jpg" → the numbers that `pack_lower` makes of them."""
    return read_only(np.array([int.from_bytes(name.encode(), "big") for name in listed.split()], np.uint64))
