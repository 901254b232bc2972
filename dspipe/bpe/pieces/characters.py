"""Turns a code point into what the patterns of tokenizers ask of it, by a table that is shipped with dspipe.

The patterns speak of letters, numbers, marks, punctuation and space, which is a question of the Unicode
version: `tokenizers` 0.21.2 to 0.23.3 has 16.0, those before had 14.0. So the table is 16.0 whatever Python
or `tokenizers` is installed; `python -m dspipe.bpe.pieces.characters` builds it anew from `unicodedata2` 16.

An entry is a byte in which one bit says the class, so that a set of classes is a mask; and one says CJK. The
first 128 entries are ASCII. A block is what the last byte of UTF-8 can say, 64 entries, and the number of the
block is what the bytes before it say: that of two bytes at [0, 32), of three at [32, 1056), of four behind.
So a character written with more bytes than it needs has another place in the table, and is not valid there.
The entries are few enough to stay in the L1 cache.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.text.arrow import read_only
from dspipe.text.kernel import inlined

VERSION = "16.0.0"
FILE = Path(__file__).with_name(f"characters-{VERSION}.npz")

LETTER = 1
MARK = 2
NUMBER = 4
PUNCTUATION = 8  # \p{P} and \p{S}
SPACE = 16  # \s but for the two below
NEWLINE = 32  # CR and LF
CJK = 64  # a flag: what DeepSeek-V3 cuts out before words
OTHER = 128  # control characters, format characters, what is not assigned, bytes that are no UTF-8
INVALID = 255  # no character: a surrogate, past U+10FFFF, or longer than it need be

WORD = LETTER | MARK
WHITE = SPACE | NEWLINE

BLOCK = 64
THREES = 0x800 // BLOCK  # where the blocks of three bytes begin
FOURS = THREES + 0x10000 // BLOCK  # where those of four do
BLOCKS = FOURS + 0x200000 // BLOCK  # all that bytes can say, so that broken text stays inside the table
WHITE_SPACE = (*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B))
WHITE_SPACE += (0x2028, 0x2029, 0x202F, 0x205F, 0x3000)
CJK_RANGES = (range(0x4E00, 0x9FA6), range(0x3040, 0x3100))


class Characters(NamedTuple):
    """The table, as every kernel takes it: the number of each block, and the entries of the blocks."""

    blocks: NDArray[np.uint16]
    classes: NDArray[np.uint8]


@cache
def load_characters() -> Characters:
    """Read the table that is shipped with dspipe."""
    with np.load(FILE, allow_pickle=False) as stored:
        known, classes = stored["blocks"], stored["classes"]
    blocks = np.full(BLOCKS, classes.size // BLOCK, np.uint16)  # behind the others: INVALID
    for first, last, shift in ((0x80, 0x800, 0), (0x800, 0xD800, THREES), (0xE000, 0x10000, THREES),
                               (0x10000, 0x110000, FOURS)):  # fmt: skip
        blocks[shift + first // BLOCK : shift + last // BLOCK] = known[first // BLOCK : last // BLOCK]
    filled = np.concatenate([classes, np.full(BLOCK, INVALID, np.uint8)])
    return Characters(read_only(blocks), read_only(filled))


@inlined
def read_character(text, position, end, blocks, classes):  # type: ignore[no-untyped-def]
    """Read the character at `position`: its entry | its bytes << 8.

    A byte that begins no valid character, or one that `end` cuts off, is one byte of class other.
    """
    first = np.int64(text[position])
    if first < 128:
        return np.int64(classes[first]) | 0x100
    left = end - position
    if first < 0xC0 or left < 2 or (text[position + 1] & 0xC0) != 0x80:
        return np.int64(OTHER | 0x100)
    block, last, length = first & 0x1F, np.int64(text[position + 1]) & 0x3F, 2
    if first >= 0xE0:
        if left < 3 or (text[position + 2] & 0xC0) != 0x80:
            return np.int64(OTHER | 0x100)
        number = (first & 0xF) << 6 | last
        block, last, length = THREES + number, np.int64(text[position + 2]) & 0x3F, 3
        if first >= 0xF0:
            if first >= 0xF8 or left < 4 or (text[position + 3] & 0xC0) != 0x80:
                return np.int64(OTHER | 0x100)
            number = (number & 0x1FF) << 6 | last
            block, last, length = FOURS + number, np.int64(text[position + 3]) & 0x3F, 4
    entry = np.int64(classes[np.int64(blocks[block]) << 6 | last])
    return np.int64(OTHER | 0x100) if entry == INVALID else entry | (length << 8)


def build_characters() -> NDArray[np.uint8]:
    """One entry for each code point, from `unicodedata2` and the ranges above."""
    import unicodedata2

    if unicodedata2.unidata_version != VERSION:
        raise SystemExit(f"needs Unicode {VERSION}: pip install unicodedata2=={VERSION.split('.')[0]}.*")
    major = {"L": LETTER, "M": MARK, "N": NUMBER, "P": PUNCTUATION, "S": PUNCTUATION, "C": OTHER, "Z": OTHER}
    entries = np.array([major[unicodedata2.category(chr(point))[0]] for point in range(0x110000)], np.uint8)
    entries[list(WHITE_SPACE)] = SPACE
    entries[[10, 13]] = NEWLINE
    for points in CJK_RANGES:
        entries[points.start : points.stop] |= CJK
    return entries


def write_characters(path: Path = FILE) -> None:
    """Store the table as its distinct blocks, in the order in which they come, and each block's number."""
    distinct: dict[bytes, int] = {}
    blocks = [
        distinct.setdefault(row.tobytes(), len(distinct)) for row in build_characters().reshape(-1, BLOCK)
    ]
    classes = np.frombuffer(b"".join(distinct), np.uint8)
    np.savez_compressed(path, blocks=np.array(blocks, np.uint16), classes=classes)


if __name__ == "__main__":
    write_characters()
    print(f"{FILE}: {FILE.stat().st_size:,} bytes, Unicode {VERSION}")
