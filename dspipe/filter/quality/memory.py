"""A hash table that many documents use in turn: whoever writes a slot puts his stamp on it.

A slot with another stamp is free, so nothing is cleared between documents; and two stamps must not be in use
at once. What is in it are 64-bit hashes,
so two different things count as one with a probability of 2^-64 a pair.
"""

from __future__ import annotations

import numpy as np

from dspipe.text.kernel import inlined, kernel

STAMPS = 64  # of a document: n for its n-grams, and one for its lines and paragraphs
OF_LINES = 63
COUNT = np.uint64(0xFFFFFFFF)
ONE = np.uint64(1)
WHOSE = np.uint64(32)


@inlined
def remember(value, stamp, mask, memory):  # type: ignore[no-untyped-def]
    """The slot of a value among those with a stamp, its count raised by one; there must be a free slot.

    Whether a value is new cannot be foreseen, so nothing branches on it: a branch is taken only where another
    value has the slot, which is rare.
    """
    owner = np.uint64(stamp)
    slot = np.int64(value & np.uint64(mask))
    entry = memory[slot, 1]
    while (entry >> WHOSE == owner) & (memory[slot, 0] != value):
        slot = (slot + 1) & mask
        entry = memory[slot, 1]
    met = np.uint64(entry >> WHOSE == owner) * (entry & COUNT)
    memory[slot, 0] = value
    memory[slot, 1] = (owner << WHOSE) | (met + ONE)
    return slot


@kernel
def make_mask(things):  # type: ignore[no-untyped-def]
    """The mask for slots as many as `count_slots` gives."""
    slots = 1
    while slots <= 2 * things + 8:
        slots *= 2
    return slots - 1


def count_slots(things: int) -> int:
    """Slots of a memory that is at most a third full; of lines there may be as many paragraphs besides."""
    return 1 << (2 * things + 8).bit_length()


@inlined
def count_of(slot, memory):  # type: ignore[no-untyped-def]
    """How often what is in a slot was met."""
    return np.int64(memory[slot, 1] & COUNT)
