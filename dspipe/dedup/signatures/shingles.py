"""The tokens of a text → its shingles: a hash of every run of so many tokens, also as a sorted set.

The hash of a run of n tokens is Σ tokenᵢ · FACTORⁿ⁻¹⁻ⁱ, which rolls from one run to the next, then mixed. A
text of fewer tokens has no shingle.
"""

from __future__ import annotations

import numpy as np

from dspipe.dedup.signatures.tokens import fill_characters, fill_words
from dspipe.text.kernel import inlined, kernel
from dspipe.text.words import FIRST, HALF, SECOND
from dspipe.text.words import STEP as FACTOR

INSERTED = 24  # values that are sorted by insertion


@kernel
def fill_shingles(text, start, end, scheme, tokens, shingles):  # type: ignore[no-untyped-def]
    """Fill in the shingles of text[start:end]: (how many, needs); both arrays have room for its bytes."""
    if scheme.characters:
        count, needs = fill_characters(text, start, end, scheme.classes, scheme.folds, tokens)
    else:
        count, needs = fill_words(text, start, end, scheme.classes, scheme.folds, tokens)
    if count < scheme.size:
        return 0, needs
    last = np.uint64(1)
    for _ in range(scheme.size):
        last *= FACTOR
    value = np.uint64(0)
    for place in range(scheme.size):
        value = value * FACTOR + tokens[place]
    shingles[0] = mix(value)
    for place in range(scheme.size, count):
        value = value * FACTOR + tokens[place] - tokens[place - scheme.size] * last
        shingles[place - scheme.size + 1] = mix(value)
    return count - scheme.size + 1, needs


@inlined
def mix(value):  # type: ignore[no-untyped-def]
    value = (value ^ (value >> HALF)) * FIRST
    value = (value ^ (value >> HALF)) * SECOND
    return value ^ (value >> HALF)


@kernel
def sort_set(values, count, spare, counts):  # type: ignore[no-untyped-def]
    """Sort values[:count], keep one of each, and return how many these are.

    The values are hashes, so their upper bits spread them evenly over buckets of a few, which are sorted by
    insertion. spare: room for as many values; counts: for a power of two of at least count / 4, and one.
    """
    if count <= INSERTED:
        insert(values, 0, count)
    else:
        bits = 1
        while (1 << bits) * 4 < count:
            bits += 1
        shift = np.uint64(64 - bits)
        counts[: (1 << bits) + 1] = 0
        for index in range(count):
            counts[np.int64(values[index] >> shift) + 1] += 1
        for bucket in range(1 << bits):
            counts[bucket + 1] += counts[bucket]
        for index in range(count):
            own = np.int64(values[index] >> shift)
            spare[counts[own]] = values[index]
            counts[own] += 1
        first = 0
        for bucket in range(1 << bits):
            last = counts[bucket]
            if last - first > INSERTED:
                sort_range(spare, first, last)
            else:
                insert(spare, first, last)
            first = last
        for index in range(count):
            values[index] = spare[index]
    unique = 0
    for index in range(count):
        if index == 0 or values[index] != values[index - 1]:
            values[unique] = values[index]
            unique += 1
    return unique


@inlined
def insert(values, first, last):  # type: ignore[no-untyped-def]
    for index in range(first + 1, last):
        value, place = values[index], index
        while place > first and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value


@kernel
def sort_range(values, first, last):  # type: ignore[no-untyped-def]
    """Sort values[first:last], as many are equal; Shell's method: a kernel has no memory of its own."""
    gap = 1
    while gap < (last - first) // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for index in range(first + gap, last):
            value, place = values[index], index
            while place >= first + gap and values[place - gap] > value:
                values[place] = values[place - gap]
                place -= gap
            values[place] = value
        gap //= 3
