"""Distinct pieces and how often each occurs, as arrays, and as files that are mapped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.shards import open_array, write_array


class Pieces(NamedTuple):
    """n distinct pieces: piece i is text[offsets[i] : offsets[i + 1]], and occurs counts[i] times.

    text (b,) uint8, offsets (n + 1,) int64 from 0 on, counts (n,) int64.
    """

    text: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """Some distinct pieces of a mixture, on disk; those of a mixture's blocks are all, each in one block."""

    folder: Path
    name: str

    def open(self) -> Pieces:
        return Pieces(*(open_array(self._file(array)) for array in Pieces._fields))

    def write(self, pieces: Pieces) -> None:
        for name, array in pieces._asdict().items():
            write_array(self._file(name), array)

    def _file(self, array: str) -> Path:
        return self.folder / f"{self.name}-{array}.npy"
