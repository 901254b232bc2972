"""A text → a 128-bit hash of it with every run of ASCII white space as one space, and none at its ends.

Two lanes take the same bytes, eight at a time, and mix them in ways of their own.
"""

from __future__ import annotations

import numpy as np

from dspipe.text.kernel import inlined, kernel, load8
from dspipe.text.words import FIRST, HALF, HIGH, LOW, SECOND, SHIFT

BELOW = np.uint64(0x0101010101010101 * (128 - 33))  # the highest bit of a byte from "!" up
SPACES = np.uint64(0x2020202020202020)
ONE, EIGHT, ALL = np.uint64(1), np.uint64(8), np.uint64(64)
OTHER = np.uint64(0x9E3779B97F4A7C15)


@inlined
def is_space(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or 9 <= byte <= 13


@inlined
def mix_lanes(low, high, block):  # type: ignore[no-untyped-def]
    low = (low ^ block) * FIRST
    high = (high + block) * OTHER
    return low ^ (low >> SHIFT), high ^ (high >> HALF)


@kernel
def hash_folded(text, offsets, keys):  # type: ignore[no-untyped-def]
    """keys: (2n,), low and high of one document after the other."""
    for document in range(offsets.size - 1):
        position, end = offsets[document], offsets[document + 1]
        while position < end and is_space(text[position]):
            position += 1
        while end > position and is_space(text[end - 1]):
            end -= 1
        low, high, block, filled, length = SECOND, FIRST, np.uint64(0), np.uint64(0), 0
        gap = False  # the byte before was white space
        while position < end:
            if position + 8 <= end:
                # the common case: eight bytes of which only single spaces are below "!" go in as they are
                eight = load8(text, position)
                small = ~((eight & LOW) + BELOW) & ~eight & HIGH
                plain = ((eight ^ SPACES) & ((small >> np.uint64(7)) * np.uint64(255))) == 0
                before = (small << EIGHT) | (np.uint64(128) if gap else np.uint64(0))
                if plain and (small & before) == 0:
                    block |= eight << filled
                    low, high = mix_lanes(low, high, block)
                    block = eight >> (ALL - filled) if filled else np.uint64(0)
                    gap = (small >> np.uint64(63)) != 0
                    length += 8
                    position += 8
                    continue
            byte = text[position]
            position += 1
            if is_space(byte):
                if gap:
                    continue
                byte = np.uint8(32)
                gap = True
            else:
                gap = False
            block |= np.uint64(byte) << filled
            filled += EIGHT
            length += 1
            if filled == ALL:
                low, high = mix_lanes(low, high, block)
                block, filled = np.uint64(0), np.uint64(0)
        low, high = mix_lanes(low, high, block)
        low, high = mix_lanes(low, high, np.uint64(length))
        keys[2 * document] = low ^ (high >> HALF)
        keys[2 * document + 1] = high * SECOND ^ (low >> SHIFT)
