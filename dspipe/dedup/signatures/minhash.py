"""Shingles → MinHash signatures, and of these a hash of each band.

Permutations are those of datasketch 2 (`affine32`): the lower 32 bits of a shingle, mixed by MurmurHash3's
finalizer, then h → a·h + b mod 2³² with a odd. So a signature equals that of `datasketch.MinHash`, a library
that has seen much use, and the two can be held against each other.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from dspipe.text.arrow import read_only
from dspipe.text.kernel import inlined, kernel

SEED = 1  # datasketch's default
LARGEST = np.uint32(0xFFFFFFFF)
AT_ONCE = 4  # shingles: each load of a permutation and of a minimum serves as many


@cache
def make_permutations(count: int) -> npt.NDArray[np.uint32]:
    """(2, count): a and b of the permutations of `datasketch.MinHash(num_perm=count, seed=1)`.

    They are drawn as there; to import the library takes half a second in every process.
    """
    generator = np.random.RandomState(SEED)  # whose numbers numpy has promised to keep
    a = generator.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    b = generator.randint(0, 1 << 32, count, dtype=np.uint32)
    return read_only(np.stack([a, b]))


@inlined
def mix32(shingle):  # type: ignore[no-untyped-def]
    """numba makes products of 32 bits 64 bits wide, so each is cut back."""
    value = np.uint32(shingle & np.uint64(0xFFFFFFFF))
    value = np.uint32((value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    value = np.uint32((value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(value ^ (value >> np.uint32(16)))


@inlined
def permute(value, a, b):  # type: ignore[no-untyped-def]
    return np.uint32(np.uint32(value * a) + b)


@kernel
def find_minima(shingles, count, factors, summands, lowest):  # type: ignore[no-untyped-def]
    """The least value of shingles[:count] under every permutation; order and repeats make no difference."""
    lowest[:] = LARGEST
    index = 0
    while index + AT_ONCE <= count:
        one, two = mix32(shingles[index]), mix32(shingles[index + 1])
        three, four = mix32(shingles[index + 2]), mix32(shingles[index + 3])
        for k in range(factors.size):
            a, b = factors[k], summands[k]
            first = min(permute(one, a, b), permute(two, a, b))
            second = min(permute(three, a, b), permute(four, a, b))
            lowest[k] = min(lowest[k], min(first, second))
        index += AT_ONCE
    while index < count:
        one = mix32(shingles[index])
        for k in range(factors.size):
            lowest[k] = min(lowest[k], permute(one, factors[k], summands[k]))
        index += 1


@kernel
def hash_bands(signatures, hashes):  # type: ignore[no-untyped-def]
    """(n, bands · rows) signatures → (n · bands,) hashes; a band's number is part of what is hashed."""
    bands = hashes.size // signatures.shape[0]
    rows = signatures.shape[1] // bands
    place = 0
    for document in range(signatures.shape[0]):
        signature = signatures[document]
        for band in range(bands):
            value = np.uint64(band + 1) * np.uint64(0x9E3779B97F4A7C15)
            for row in range(band * rows, (band + 1) * rows):
                value = (value ^ np.uint64(signature[row])) * np.uint64(0xFF51AFD7ED558CCD)
                value ^= value >> np.uint64(31)
            hashes[place] = value
            place += 1
