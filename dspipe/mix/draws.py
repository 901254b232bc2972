"""Grants + documents → which document is drawn how often, and where each draw stands in the mixture.

A cell gives whole epochs of all its documents, then the documents with the smallest hash(seed, id) up to its
budget: exact to one document, independent of order, and a larger share only adds rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dspipe.mix.solver import Grant
from dspipe.mix.survey import Survey
from dspipe.recipe import Mix
from dspipe.shards import Counts
from dspipe.text.hashing import Numbers, draw

Integers = npt.NDArray[np.int64]

LARGEST_PART = 64 << 20
SMALLEST_PART = 256 << 10
PARTS_OF_SMALL = (
    8  # a small mixture is divided all the same, so that the stages after it have work for all workers
)


@dataclass(frozen=True)
class Draws:
    """One entry for each row of the mixture, in its order: the document's number, its epoch, its part."""

    document: Integers
    epoch: Integers
    part: Integers

    @property
    def parts(self) -> int:
        return int(self.part[-1]) + 1 if len(self.part) else 0


def draw_documents(settings: Mix, survey: Survey, grants: list[Grant]) -> tuple[Draws, Counts]:
    granted = {grant.cell: number for number, grant in enumerate(grants)}
    cells = np.array([granted.get(cell, -1) for cell in survey.cells], np.int64)[survey.cell]
    seed = settings.seed or 0
    documents, epochs = choose(seed, grants, cells, survey.amounts, survey.ids)
    draws = arrange(seed, documents, epochs, survey.bytes, survey.ids)
    drawn = int(np.count_nonzero(epochs == 0))
    unasked = int(np.count_nonzero(cells < 0))
    dropped = {"not-in-mix": unasked, "over-budget": len(cells) - unasked - drawn}
    reasons = {reason: number for reason, number in dropped.items() if number}
    return draws, Counts(len(cells), len(documents), len(documents) - drawn, reasons)


def choose(
    seed: int, grants: list[Grant], cells: Integers, amounts: Integers, ids: Numbers
) -> tuple[Integers, Integers]:
    """Draw from each cell up to its budget.

    Args:
        cells: (n,) for each document the index of its grant, −1 where the recipe gives its cell no share.
        amounts: (n,) bytes or tokens. ids: (n, 2).

    Returns:
        document numbers and epochs, (m,) each, sorted by document, then epoch.
    """
    times = np.zeros(len(cells), np.int64)
    keys = draw(seed, "mix draw", ids)
    for number, grant in enumerate(grants):
        members = np.flatnonzero(cells == number)
        whole = int(grant.epochs + 1e-9)
        times[members] = whole
        ranked = members[np.lexsort((ids[members, 1], ids[members, 0], keys[members]))]
        rest = grant.asked - whole * grant.available
        times[ranked[np.cumsum(amounts[ranked]) <= rest + 0.5]] += 1
    documents = np.repeat(np.arange(len(cells)), times)
    first = np.repeat(np.cumsum(times) - times, times)
    return documents, np.arange(len(documents)) - first


def arrange(seed: int, documents: Integers, epochs: Integers, sizes: Integers, ids: Numbers) -> Draws:
    """Shuffle all draws by hash(seed, id, epoch) and cut the order into parts of similar size in bytes."""
    keys = draw(seed, "mix order", ids[documents], epochs)
    order = np.lexsort((epochs, ids[documents, 1], ids[documents, 0], keys))
    ends = np.cumsum(sizes[documents[order]])
    total = int(ends[-1]) if len(ends) else 0
    size = min(max(total // PARTS_OF_SMALL, SMALLEST_PART), LARGEST_PART)
    parts = np.maximum(ends - 1, 0) // size
    # a document larger than a part leaves numbers without rows: count only those that have some
    parts = np.cumsum(np.diff(parts, prepend=parts[:1]) > 0)
    return Draws(documents[order], epochs[order], parts.astype(np.int64))
