"""The order of rows: turns a place in an epoch into the number of a row, and back, without any index.

A permutation of 0..count-1 for each (seed, epoch), computed for the places that are asked for and no others:
the order of 10^12 rows takes no memory, and any step of any epoch is found at once. It is a Feistel network
(Luby and Rackoff 1988): a number is written as two digits, and each is moved on in turn by a keyed hash of
the other, which can be undone whatever the hash. Digits count to about √count and not to powers of two, so
that hardly a result is beyond `count`; where one is, it is put through again until it is not (Black and
Rogaway 2002).
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from dspipe.text.hashing import Numbers, draw
from dspipe.text.kernel import inlined, kernel

Places = npt.NDArray[np.int64]

# Four bear cryptography's proofs for large counts, and eight leave room. It is small ones that need more:
# with digits of two or three values, each two rounds bring the orders nearer to equally likely by half. After
# 24 the distance from that, computed over all hashes, is 8e-8 for four rows and 4e-4 for six.
ROUNDS_OF_FEW, ROUNDS_OF_MANY, MANY = 24, 8, 1 << 16


def permute(seed: int, epoch: int, count: int, positions: Places) -> Places:
    """The rows at some positions, (n,) of 0..count-1, of an epoch; count is at most 2^62."""
    return walk_cycles(encipher, seed, epoch, count, positions)


def invert(seed: int, epoch: int, count: int, rows: Places) -> Places:
    """The positions of some rows, (n,) of 0..count-1: the inverse of `permute`."""
    return walk_cycles(decipher, seed, epoch, count, rows)


def walk_cycles(cipher: Any, seed: int, epoch: int, count: int, numbers: Places) -> Places:
    """Encipher until all numbers are below `count`."""
    side = isqrt(count - 1) + 1
    sides = np.array([side, -(-count // side)], np.uint64)  # their product is below count + side
    result = np.array(numbers, np.uint64).reshape(-1)
    cipher(result, make_keys(seed, epoch, count), sides, np.uint64(count))
    return result.astype(np.int64)


def make_keys(seed: int, epoch: int, count: int) -> Numbers:
    """A key for each round."""
    rounds = np.arange(ROUNDS_OF_MANY if count >= MANY else ROUNDS_OF_FEW, dtype=np.uint64)
    return draw(seed, "order of rows", np.stack([rounds, np.full_like(rounds, count)], 1), epoch)


@kernel
def encipher(numbers, keys, sides, count):  # type: ignore[no-untyped-def]
    """Each number below the product of both sides as another one, below `count`, in place."""
    wide, narrow = sides[0], sides[1]
    for place in range(numbers.size):
        number = count
        left, right = numbers[place] // narrow, numbers[place] % narrow
        while number >= count:
            for turn in range(0, keys.size, 2):
                left = wrap(left + mix(right, keys[turn], wide), wide)
                right = wrap(right + mix(left, keys[turn + 1], narrow), narrow)
            number = left * narrow + right
        numbers[place] = number


@kernel
def decipher(numbers, keys, sides, count):  # type: ignore[no-untyped-def]
    """The number that each was before `encipher`, in place."""
    wide, narrow = sides[0], sides[1]
    for place in range(numbers.size):
        number = count
        left, right = numbers[place] // narrow, numbers[place] % narrow
        while number >= count:
            for turn in range(keys.size - 1, 0, -2):
                right = wrap(right + narrow - mix(left, keys[turn], narrow), narrow)
                left = wrap(left + wide - mix(right, keys[turn - 1], wide), wide)
            number = left * narrow + right
        numbers[place] = number


@inlined
def mix(digit, key, side):  # type: ignore[no-untyped-def]
    """A keyed hash of a digit, below the other one's side, which is at most 2^31: SplitMix64's finalizer."""
    number = digit ^ key
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((number ^ (number >> np.uint64(31))) >> np.uint64(32)) * side >> np.uint64(32)


@inlined
def wrap(total, side):  # type: ignore[no-untyped-def]
    """A sum of two digits, reduced to one."""
    return total - side if total >= side else total
