"""A text → shingles as datasketch has them: SHA-1 of each run of words, written with one space between them.

The lower 32 bits of such a shingle are `datasketch.hashfunc.sha1_hash32` of its UTF-8 bytes, so signatures
equal those that the library makes of the same words. Runs of characters are written as they stand.
"""

from __future__ import annotations

import numpy as np

from dspipe.dedup.signatures.tokens import SPACE, fold
from dspipe.text.kernel import inlined, kernel
from dspipe.text.unicode import CLASS, LETTER, MARK, NUMBER, SPACELESS, read_character

LOW = np.uint64(0xFFFFFFFF)
BLOCK = 64  # bytes that SHA-1 takes at a time
LENGTH = 8  # bytes of the length at its end
WORDS = 80  # that a block is spread to


@kernel
def write_tokens(text, start, end, scheme, written, begins, ends):  # type: ignore[no-untyped-def]
    """Write the folded words of text[start:end] with a space between them: (how many tokens, needs).

    begins, ends: where each token stands in `written`, a word or a character.
    """
    position, count, size, needs = start, 0, 0, 0
    inside, joinable, apart = False, False, False
    while position < end:
        entry = read_character(text, position, end, scheme.classes.blocks, scheme.classes.classes)
        kind = entry & CLASS
        point, more = fold(entry, scheme.folds)
        needs |= more
        position += (entry >> 16) & 255
        letter = kind in (LETTER, NUMBER)
        if not letter and not (kind == MARK and inside):
            inside, joinable, apart = False, False, count > 0
            continue
        alone = (entry & SPACELESS) != 0
        new = letter and (alone or not joinable)
        if new and (apart or not scheme.characters) and count > 0:
            written[size] = SPACE
            if scheme.characters:
                begins[count], ends[count] = size, size + 1
                count += 1
            size += 1
        if new or scheme.characters:
            begins[count] = size
            count += 1
        size = write_point(point, written, size)
        ends[count - 1] = size
        if letter:
            joinable = not alone
        inside, apart = True, False
    return count, needs


@inlined
def write_point(point, written, size):  # type: ignore[no-untyped-def]
    """Write a code point as UTF-8, and return where it ends."""
    if point < 0x80:
        written[size] = point
        return size + 1
    length = 2 + (point >= 0x800) + (point >= 0x10000)
    written[size] = ((0xF00 >> length) & 0xFF) | (point >> (6 * (length - 1)))
    for number in range(1, length):
        written[size + number] = 0x80 | ((point >> (6 * (length - 1 - number))) & 0x3F)
    return size + length


@kernel
def fill_written_shingles(  # type: ignore[no-untyped-def]
    text, start, end, scheme, written, begins, ends, words, shingles
):
    """Fill in the shingles of text[start:end]: (how many, needs); words: room for WORDS numbers."""
    count, needs = write_tokens(text, start, end, scheme, written, begins, ends)
    if count < scheme.size:
        return 0, needs
    for first in range(count - scheme.size + 1):
        shingles[first] = hash_sha1(written, begins[first], ends[first + scheme.size - 1], words)
    return count - scheme.size + 1, needs


@kernel
def hash_sha1(data, start, end, words):  # type: ignore[no-untyped-def]
    """The first eight bytes of SHA-1 (FIPS 180-4) of data[start:end], as a little-endian number."""
    a0, b0, c0 = np.uint64(0x67452301), np.uint64(0xEFCDAB89), np.uint64(0x98BADCFE)
    d0, e0 = np.uint64(0x10325476), np.uint64(0xC3D2E1F0)
    size = end - start
    blocks = (size + 1 + LENGTH + BLOCK - 1) // BLOCK
    for block in range(blocks):
        for index in range(16):
            word = np.uint64(0)
            for byte in range(4):
                place = block * BLOCK + 4 * index + byte
                value = np.uint64(0)
                if place < size:
                    value = np.uint64(data[start + place])
                elif place == size:
                    value = np.uint64(0x80)
                elif place >= blocks * BLOCK - LENGTH:
                    value = np.uint64((size * 8) >> (8 * (blocks * BLOCK - 1 - place))) & np.uint64(255)
                word = (word << np.uint64(8)) | value
            words[index] = word
        for index in range(16, WORDS):
            words[index] = rotate(
                words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1
            )
        a, b, c, d, e = a0, b0, c0, d0, e0
        for index in range(WORDS):
            if index < 20:
                mixed, constant = (b & c) | (~b & d & LOW), np.uint64(0x5A827999)
            elif index < 40:
                mixed, constant = b ^ c ^ d, np.uint64(0x6ED9EBA1)
            elif index < 60:
                mixed, constant = (b & c) | (b & d) | (c & d), np.uint64(0x8F1BBCDC)
            else:
                mixed, constant = b ^ c ^ d, np.uint64(0xCA62C1D6)
            e, d, c, b, a = d, c, rotate(b, 30), a, (rotate(a, 5) + mixed + e + constant + words[index]) & LOW
        a0, b0, c0, d0, e0 = (a0 + a) & LOW, (b0 + b) & LOW, (c0 + c) & LOW, (d0 + d) & LOW, (e0 + e) & LOW
    return swap(a0) | (swap(b0) << np.uint64(32))


@inlined
def rotate(word, bits):  # type: ignore[no-untyped-def]
    return ((word << np.uint64(bits)) | (word >> np.uint64(32 - bits))) & LOW


@inlined
def swap(word):  # type: ignore[no-untyped-def]
    """The four bytes of a number the other way round."""
    swapped = ((word & np.uint64(0xFF)) << np.uint64(24)) | ((word & np.uint64(0xFF00)) << np.uint64(8))
    return swapped | ((word >> np.uint64(8)) & np.uint64(0xFF00)) | (word >> np.uint64(24))
