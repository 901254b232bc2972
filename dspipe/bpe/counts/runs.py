"""Counted pieces in the order of a hash → files of them, and back by ranges of the hash, from all files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.counts.block import Block, Pieces
from dspipe.bpe.counts.table import Table
from dspipe.shards import open_array, write_array


@dataclass(frozen=True)
class Run:
    """A block that is one of several with the same pieces, and the hashes that it is in the order of."""

    block: Block

    @property
    def hashes(self) -> Path:
        return self.block.folder / f"{self.block.name}-hashes.npy"

    def write(self, pieces: Pieces, hashes: NDArray[np.uint64]) -> None:
        self.block.write(pieces)
        write_array(self.hashes, hashes)


def gather(runs: Sequence[Run], number: int, ranges: int) -> Pieces:
    """The pieces of one of `ranges` equal ranges of the hash, a power of two, with counts from all runs."""
    table = Table(1 << 62)
    width = (1 << 64) // ranges
    for run in runs:
        hashes = open_array(run.hashes)
        first = int(np.searchsorted(hashes, np.uint64(number * width)))
        last = hashes.size
        if number < ranges - 1:
            last = int(np.searchsorted(hashes, np.uint64((number + 1) * width)))
        if last > first:
            text, offsets, counts = run.block.open()
            table.add(
                text, int(offsets[first]), offsets[first + 1 : last + 1], refuse, weights=counts[first:last]
            )
    return table.take()[0]


def refuse() -> None:
    raise MemoryError  # a table without a bound has no reason to be emptied
