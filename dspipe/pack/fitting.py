"""Lengths of documents → rows of L tokens, by best-fit decreasing (Ding et al. 2024, Fewer Truncations).

Only documents longer than L are cut, into pieces of L and a rest. Then each piece, longest first, goes to the
row with the least room that still holds it. Rows with equal room are taken in the order in which they came to
have it, so the result is a function of the lengths alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dspipe.text.kernel import kernel

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """What is packed: the document each piece is from, its first token in that document, its length."""

    document: Integers
    start: Integers
    length: Integers


def cut(lengths: Integers, row_length: int) -> Pieces:
    """Cut documents longer than a row into whole rows and a rest."""
    counts = -(-lengths // row_length)
    document = np.repeat(np.arange(len(lengths)), counts)
    start = (np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)) * row_length
    return Pieces(document, start, np.minimum(lengths[document] - start, row_length))


def fit(lengths: Integers, row_length: int) -> tuple[Integers, int]:
    """Assign pieces of 1…row_length tokens to rows.

    Returns:
        the row of each piece, (n,), rows numbered from 0 without gaps, and how many rows there are.
    """
    order = np.argsort(-lengths, kind="stable")
    row = np.empty(len(lengths), np.int64)
    first = np.full(row_length + 1, -1, np.int64)
    rows = best_fit_decreasing(
        lengths[order], row_length, first, first.copy(), np.full(len(lengths), -1, np.int64), row
    )
    assigned = np.empty_like(row)
    assigned[order] = row
    return assigned, int(rows)


@kernel
def best_fit_decreasing(lengths, row_length, first, last, following, row):  # type: ignore[no-untyped-def]
    """Place pieces in order; `first[r]`, `last[r]` queue the rows with room r, linked by `following`."""
    rows = 0
    for piece in range(lengths.size):
        need = lengths[piece]
        room = need
        while room <= row_length and first[room] < 0:
            room += 1
        if room > row_length:
            chosen = rows
            rows += 1
            room = row_length
        else:
            chosen = first[room]
            first[room] = following[chosen]
            if first[room] < 0:
                last[room] = -1
        row[piece] = chosen
        left = room - need
        if left > 0:
            following[chosen] = -1
            if last[left] < 0:
                first[left] = chosen
            else:
                following[last[left]] = chosen
            last[left] = chosen
    return rows
