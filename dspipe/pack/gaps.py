"""Rows that best fit has left with room → rows nearly all of which are full, with no document cut.

Best fit runs out of short chunks, and rows stay with a few tokens of room, the more the less the lengths
vary. But a row with room g that exchanges a chunk of a tokens for one of a + g is full, and its room is where
the other chunk was. So a share of the full rows is set aside as spare, and each row with room makes such an
exchange with a spare one, or else with another, which then looks for one of its own. In the end the spare
rows have all the room; they are taken apart and fitted once more, into fewer rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dspipe.pack.fitting import Lengths, fit, sort_by_key
from dspipe.text.kernel import inlined, kernel

Integers = npt.NDArray[np.int64]

ENOUGH = 1e-5  # of all tokens: padding that is left as it is
ROWS_PER_SPARE = 16  # full rows of several chunks
OTHERS, SPARE = range(2)


def fit_closely(lengths: Lengths, row_length: int, most: int | None = None) -> tuple[Lengths, int]:
    """As `fit`, in at most as many rows, nearly always in fewer."""
    row, rows = fit(lengths, row_length, most)
    tokens = int(lengths.sum(dtype=np.int64))
    if rows * row_length - tokens <= max(row_length - 1, ENOUGH * tokens):  # nothing, or little, to be won
        return row, rows
    room = row_length - np.bincount(row, lengths, rows).astype(np.int64)
    several = np.flatnonzero((room == 0) & (np.bincount(row, minlength=rows) > 1))
    spare = several[::ROWS_PER_SPARE]  # rows come in the order of their longest chunk: all lengths are there
    if not len(spare):
        return row, rows
    moved, stuck = exchange(lengths, row, room, spare)
    loose = np.zeros(rows, np.bool_)
    loose[stuck] = loose[spare] = True
    again = loose[moved]
    refitted, more = fit(lengths[again], row_length, most)
    kept = rows - int(loose.sum())
    numbered = (np.cumsum(~loose) - 1)[moved].astype(np.int32)
    numbered[again] = refitted + kept
    return (numbered, kept + more) if kept + more <= rows else (row, rows)


def exchange(lengths: Lengths, row: Lengths, room: Integers, spare: Integers) -> tuple[Lengths, Integers]:
    """Exchange chunks until the room is in spare rows; the row of each chunk, and rows that still have room.

    Rows take turns, those with room first; an exchange is with a spare row or one whose turn is still to
    come, so it comes to an end.
    """
    kind = np.where(room > 0, 0, 1)
    kind[spare] = 2
    rows = np.argsort(kind, kind="stable")  # by their turns
    turn = np.empty_like(rows)
    turn[rows] = np.arange(len(rows))
    turns_of_chunks = turn[row]
    chunks, bounds = np.empty(len(row), np.int64), np.zeros(len(room) + 1, np.int64)
    sort_by_key(turns_of_chunks, bounds, chunks)
    owner = turns_of_chunks[chunks]
    bounds = np.concatenate([[0], bounds[:-1]])
    left, turns = room[rows], len(room) - len(spare)
    stacks = np.full((2, int(lengths.max(initial=0)) + 1), -1, np.int64)
    links = np.empty(len(chunks), np.int64)
    move_room(bounds, owner, lengths[chunks].astype(np.int64), chunks, left, turns, stacks, links)
    moved = np.empty_like(row)
    moved[chunks] = rows[owner]
    return moved, rows[:turns][left[:turns] > 0]


@kernel
def move_room(bounds, owner, slots, chunks, room, turns, stacks, links):  # type: ignore[no-untyped-def]
    """Let the first `turns` rows exchange a chunk each, and so fill up.

    Row i has the slots bounds[i] … bounds[i + 1], owner[s] is the row of slot s, slots[s] the tokens of the
    chunk in it and chunks[s] its number. stacks[k, a] is a slot with a tokens of the spare rows or the
    others, links[s] the next one.
    """
    for slot in range(slots.size):
        push(SPARE if owner[slot] >= turns else OTHERS, slot, slots, stacks, links)
    for row in range(turns):
        for attempt in range(2 * (bounds[row + 1] - bounds[row])):
            if room[row] == 0:
                break
            kind = SPARE if attempt < bounds[row + 1] - bounds[row] else OTHERS
            slot = bounds[row] + attempt % (bounds[row + 1] - bounds[row])
            wanted = slots[slot] + room[row]
            other = pop(kind, wanted, row, owner, stacks, links)
            if other >= 0:
                slots[other], slots[slot] = slots[slot], wanted
                push(kind, other, slots, stacks, links)
                chunks[slot], chunks[other] = chunks[other], chunks[slot]
                room[owner[other]] += room[row]
                room[row] = 0


@inlined
def push(kind, slot, slots, stacks, links):  # type: ignore[no-untyped-def]
    links[slot] = stacks[kind, slots[slot]]
    stacks[kind, slots[slot]] = slot


@inlined
def pop(kind, wanted, row, owner, stacks, links):  # type: ignore[no-untyped-def]
    """A slot that holds so many tokens in a row behind `row`, or -1; rows before it are forgotten."""
    if wanted >= stacks.shape[1]:
        return -1
    other = stacks[kind, wanted]
    while other >= 0 and owner[other] <= row:
        other = links[other]
    stacks[kind, wanted] = links[other] if other >= 0 else -1
    return other
