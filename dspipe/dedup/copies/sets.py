"""Documents that are in pairs → their sets of shingles, in one file that is mapped to compare them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from dspipe.dedup.copies.ledger import NEEDED, Integers, Ledger
from dspipe.dedup.signatures.earlier import read_earlier_texts
from dspipe.dedup.signatures.sign import make_sets
from dspipe.recipe import Dedup
from dspipe.shards import read_rows, write_array

SETS = "sets.bin"
BYTES_OF_SHINGLE = 8


@dataclass(frozen=True)
class Setting:
    number: int  # of the part
    part: Path
    index: Path | None  # of a part of an earlier run
    first: int  # where the part's sets begin in the file, in shingles
    settings: Dedup
    ledger: Ledger


class Set(Struct, frozen=True):
    sets: int


def lay_out(ledger: Ledger) -> list[int]:
    """Where each part's sets begin in the file, by the most that they can have; the file is made so long."""
    role, first = ledger.open("role"), [0]
    for number, signed in enumerate(ledger.signed):
        most = 0
        if signed.rows:
            needed = role[ledger.ranks_of(number)] & NEEDED
            most = int(signed.read(ledger.folder, "counts")[needed != 0].sum())
        first.append(first[-1] + most)
    with open(ledger.folder / SETS, "ab") as file:
        file.truncate(max(first[-1], 1) * BYTES_OF_SHINGLE)
    return first


def set_part(task: Setting) -> Set:
    """Write the sets of a part's documents into their file, and where each lies into one of the part."""
    ledger = task.ledger
    needed = ledger.open("role")[ledger.ranks_of(task.number)] != 0
    needs = ledger.signed[task.number].read(ledger.folder, "needs")
    place, size = np.zeros((2, len(needed)), np.int64)
    written = task.first
    with open(ledger.folder / SETS, "r+b") as file:
        file.seek(written * BYTES_OF_SHINGLE)
        for rows, texts in read_texts(task, np.flatnonzero(needed)):
            sets = make_sets(texts, task.settings, needs[rows])
            file.write(sets.shingles.data)
            size[rows] = sets.sizes
            place[rows] = written + np.cumsum(sets.sizes) - sets.sizes
            written += len(sets.shingles)
        file.flush()
        os.fsync(file.fileno())
    write_array(name_places(ledger, task.number), np.stack([place, size]))
    return Set(int(needed.sum()))


def name_places(ledger: Ledger, part: int) -> Path:
    return ledger.folder / ledger.signed[part].out / "places.npy"


def note_places(ledger: Ledger, parts: Sequence[int]) -> None:
    """Bring together where the sets of all these parts lie."""
    place, size = ledger.make("place"), ledger.make("size")
    for part in parts:
        rows = slice(ledger.starts[part], ledger.starts[part + 1])
        place[rows], size[rows] = np.load(name_places(ledger, part))


def read_texts(task: Setting, rows: Integers) -> Iterator[tuple[Integers, Any]]:
    """Yield (some of the rows, their texts)."""
    if task.index is not None:
        return read_earlier_texts(task.part, task.index, rows)
    return read_rows(task.part, "text", rows)


def map_sets(ledger: Ledger) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.memmap(ledger.folder / SETS, np.uint64, "r").view(np.ndarray)
