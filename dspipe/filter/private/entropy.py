"""Some bytes → whether they look drawn at random: Shannon's entropy of how often each byte occurs, exactly.

Everything is an integer, in units of 2^-16 bit, so that no rounding can move a string over the threshold.
"""

from __future__ import annotations

import math

import numpy as np

from dspipe.text.arrow import read_only
from dspipe.text.kernel import kernel

LONGEST = 1100  # bytes, of all that is measured
UNIT = 1 << 16
# n log2 n: n of these bytes have INFORMATION[n] - sum of INFORMATION[count of each] of information
INFORMATION = read_only(
    np.array([0, *(round(n * math.log2(n) * UNIT) for n in range(1, LONGEST + 1))], np.int64)
)


@kernel
def is_random(text, first, last, bits, counts):  # type: ignore[no-untyped-def]
    """Whether the entropy is `bits` (in 2^-16 bit) a byte or more; `counts` [256] is left as zeros."""
    size = last - first
    if size <= 0 or size > LONGEST:
        return False
    for position in range(first, last):
        counts[text[position]] += 1
    information = INFORMATION[size]
    for position in range(first, last):
        information -= INFORMATION[counts[text[position]]]
        counts[text[position]] = 0
    return information >= bits * size
