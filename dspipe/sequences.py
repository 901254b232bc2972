"""Rows of packed tokens → a checksum for each, which whoever reads a row can hold it to.

A part is an Arrow IPC file of gigabytes of which a reader wants a row here and a row there. So it is the row
that carries a checksum, over its tokens and its chunks' lengths: it is verified whenever the row is read, and
no part has to be read whole first.

The checksum is NH, the universal hash of UMAC (Black and others 1999, the core of XXH3, too): products of
pairs of keyed tokens, summed in 64 bits, which processors do eight at a time. Lengths are few and are mixed
in behind it, one by one.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from dspipe.text.hashing import GOLDEN, scramble
from dspipe.text.kernel import inlined, kernel

Tokens = npt.NDArray[np.uint32]

MEND = "pack again with --rebuild pack"  # what to do about rows that are not as they should be


@cache
def checksum_keys(row_length: int) -> Tokens:
    """A key for each token of a row and one more, (L + 1,): the upper halves of SplitMix64's numbers."""
    numbers = scramble(np.arange(1, row_length + 2, dtype=np.uint64) * np.uint64(GOLDEN))
    return (numbers >> np.uint64(32)).astype(np.uint32)


@inlined
def sum_tokens(tokens, keys):  # type: ignore[no-untyped-def]
    """NH of a row's tokens, (L,), of which the last stands alone where L is odd."""
    total = np.uint64(0)
    for pair in range(tokens.size // 2):
        first = np.uint32(tokens[2 * pair] + keys[2 * pair])
        second = np.uint32(tokens[2 * pair + 1] + keys[2 * pair + 1])
        total += np.uint64(first) * np.uint64(second)
    if tokens.size % 2:
        total += np.uint64(np.uint32(tokens[-1] + keys[tokens.size - 1])) * np.uint64(keys[tokens.size])
    return total


@inlined
def add_number(total, number):  # type: ignore[no-untyped-def]
    """The sum with one more number mixed in: SplitMix64's finalizer, as `text.hashing.scramble` has it."""
    total += np.uint64(number) + np.uint64(GOLDEN)
    total = (total ^ (total >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    total = (total ^ (total >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return total ^ (total >> np.uint64(31))


@kernel
def checksum_rows(tokens, offsets, lengths, keys, sums):  # type: ignore[no-untyped-def]
    """The checksum of each row of `tokens`, (r, L), to `sums`, (r,).

    The chunks of row i have the lengths[offsets[i] : offsets[i + 1]].
    """
    for row in range(tokens.shape[0]):
        total = sum_tokens(tokens[row], keys)
        for place in range(offsets[row], offsets[row + 1]):
            total = add_number(total, lengths[place])
        sums[row] = total
