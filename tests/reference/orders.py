"""The order of rows done slowly, in Python's whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from tests.reference.packing import scramble


def permute_slowly(keys: Sequence[int], count: int, position: int) -> int:
    """Two digits, each moved on by a keyed hash of the other, until the number is below `count`."""
    wide = isqrt(count - 1) + 1
    narrow = -(-count // wide)
    number = position
    while True:
        left, right = divmod(number, narrow)
        for one, other in zip(keys[::2], keys[1::2], strict=True):
            left = (left + ((scramble(right ^ one) >> 32) * wide >> 32)) % wide
            right = (right + ((scramble(left ^ other) >> 32) * narrow >> 32)) % narrow
        number = left * narrow + right
        if number < count:
            return number
