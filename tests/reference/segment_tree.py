"""Best-fit decreasing as Ding and others give it (2024, arXiv 2404.10830): slow twin of `pack.fitting`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class SegmentTree:
    """The rooms 0…L that some row has: the least that is enough is found from the root downwards.

    A leaf is its own room where a row has it, else 0; a node is the greatest below it.
    """

    def __init__(self, row_length: int) -> None:
        self.leaves = 1 << row_length.bit_length()  # more than L
        self.greatest = [0] * (2 * self.leaves)

    def set(self, room: int, there: bool) -> None:
        node = self.leaves + room
        self.greatest[node] = room if there else 0
        while node > 1:
            node //= 2
            self.greatest[node] = max(self.greatest[2 * node], self.greatest[2 * node + 1])

    def find(self, least: int) -> int | None:
        """The smallest room ≥ `least`."""
        if self.greatest[1] < least:
            return None
        node = 1
        while node < self.leaves:
            node = 2 * node if self.greatest[2 * node] >= least else 2 * node + 1
        return node - self.leaves


def fit(lengths: Sequence[int], row_length: int, most: int | None = None) -> tuple[list[int], int]:
    """The row of each chunk, and how many rows there are; at most `most` chunks to a row.

    Chunks go longest first, equal ones as they come; of rows with equal room the one that has had it longest.
    """
    tree = SegmentTree(row_length)
    waiting: dict[int, deque[int]] = {room: deque() for room in range(row_length + 1)}
    row = [-1] * len(lengths)
    held: list[int] = []  # chunks in each row
    for chunk in sorted(range(len(lengths)), key=lambda chunk: -lengths[chunk]):
        room = tree.find(lengths[chunk])
        if room is None:
            room, chosen = row_length, len(held)
            held.append(0)
        else:
            chosen = waiting[room].popleft()
            tree.set(room, bool(waiting[room]))
        row[chunk] = chosen
        held[chosen] += 1
        left = room - lengths[chunk]
        if left and (most is None or held[chosen] < most):
            waiting[left].append(chosen)
            tree.set(left, True)
    return row, len(held)
