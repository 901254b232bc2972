"""The order of rows: turns a place in an epoch into the number of a row, and back, without any index.

A permutation of 0..count-1 for each (seed, epoch), computed for the places that are asked for and no others:
the order of 10^12 rows takes no memory, and any step of any epoch is found at once. It is a Feistel network
(Luby and Rackoff 1988): a number is written as two digits, and each is moved on in turn by a keyed hash of
the other, which can be undone whatever the hash. Digits count to about √count and not to powers of two, so
that hardly a result is beyond `count`; where one is, it is put through again until it is not (Black and
Rogaway 2002).
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

import numpy as np
import numpy.typing as npt

from dspipe.text.hashing import Numbers, draw, scramble

Places = npt.NDArray[np.int64]
Cipher = Callable[[Numbers, Numbers, tuple[np.uint64, np.uint64]], Numbers]

# Four bear cryptography's proofs for large counts, and eight leave room. It is small ones that need more:
# with digits of two or three values, each two rounds bring the orders nearer to equally likely by half. After
# 24 the distance from that, computed over all hashes, is 8e-8 for four rows and 4e-4 for six.
ROUNDS_OF_FEW, ROUNDS_OF_MANY, MANY = 24, 8, 1 << 16
HALF = np.uint64(32)


def permute(seed: int, epoch: int, count: int, positions: Places) -> Places:
    """The rows at some positions, (n,) of 0..count-1, of an epoch; count is at most 2^62."""
    return walk_cycles(encipher, seed, epoch, count, positions)


def invert(seed: int, epoch: int, count: int, rows: Places) -> Places:
    """The positions of some rows, (n,) of 0..count-1: the inverse of `permute`."""
    return walk_cycles(decipher, seed, epoch, count, rows)


def walk_cycles(cipher: Cipher, seed: int, epoch: int, count: int, numbers: Places) -> Places:
    """Encipher until all numbers are below `count`."""
    side = isqrt(count - 1) + 1
    sides = np.uint64(side), np.uint64(-(-count // side))  # their product is below count + side
    keys = make_keys(seed, epoch, count)
    result = np.array(numbers, np.uint64).reshape(-1)
    outside = np.arange(len(result))
    while len(outside):
        result[outside] = cipher(result[outside], keys, sides)
        outside = outside[result[outside] >= np.uint64(count)]
    return result.astype(np.int64)


def make_keys(seed: int, epoch: int, count: int) -> Numbers:
    """A key for each round."""
    rounds = np.arange(ROUNDS_OF_MANY if count >= MANY else ROUNDS_OF_FEW, dtype=np.uint64)
    return draw(seed, "order of rows", np.stack([rounds, np.full_like(rounds, count)], 1), epoch)


def encipher(numbers: Numbers, keys: Numbers, sides: tuple[np.uint64, np.uint64]) -> Numbers:
    """Each number below the product of both sides as another one."""
    (wide, narrow), (left, right) = sides, np.divmod(numbers, sides[1])
    for one, other in zip(keys[::2], keys[1::2], strict=True):
        left = wrap(left + mix(right, one, wide), wide)
        right = wrap(right + mix(left, other, narrow), narrow)
    return left * narrow + right


def decipher(numbers: Numbers, keys: Numbers, sides: tuple[np.uint64, np.uint64]) -> Numbers:
    (wide, narrow), (left, right) = sides, np.divmod(numbers, sides[1])
    for one, other in zip(keys[::-2], keys[-2::-2], strict=True):
        right = wrap(right + narrow - mix(left, one, narrow), narrow)
        left = wrap(left + wide - mix(right, other, wide), wide)
    return left * narrow + right


def mix(digit: Numbers, key: np.uint64, side: np.uint64) -> Numbers:
    """A keyed hash of a digit, below the other one's side, which is at most 2^31."""
    return (scramble(digit ^ key) >> HALF) * side >> HALF


def wrap(sums: Numbers, side: np.uint64) -> Numbers:
    """Sums of two digits, reduced to one: without a division, which takes five times as long."""
    return sums - side * (sums >= side)
