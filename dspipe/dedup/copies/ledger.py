"""A few numbers for each document, in files that are mapped: what the steps of dedup tell each other.

Documents are counted through all parts, the parts of earlier runs first. A document's rank is its place in
the order in which survivors are chosen: 0 is the best. What is kept by rank is best made so, as every step
after the ranking asks in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dspipe.dedup.runs import Run
from dspipe.dedup.signatures.chunks import Signed
from dspipe.text.hashing import Numbers

Integers = npt.NDArray[np.int64]

KINDS = ("stays", "exact", "url", "near")  # what becomes of a document; the names of the evidence
STAYS, EXACT, URL, NEAR = range(len(KINDS))

BY_RANK = {
    "document": "i8",
    "kept": "i8",  # rank of the one that stays for it: its own if it stays itself
    "kind": "u1",
    "jaccard": "f8",  # of it and the one that stays
    "containment": "f8",
    "role": "u1",  # in pairs of candidates
}
BY_DOCUMENT = {
    "id_high": "u8",  # the halves of its id
    "id_low": "u8",
    "rank": "i8",
    "place": "i8",  # of its set of shingles in their file, counted in shingles
    "size": "i8",
}

NEEDED, CONTESTED = 1, 2  # roles: it is in a pair; a better one is in a pair with it
ROWS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Ledger:
    """Where the numbers are, and how documents are counted."""

    folder: Path
    signed: Sequence[Signed]  # the parts, in order
    starts: Sequence[int]  # the first document of each part, and the number of all
    earlier: int  # how many are of earlier runs: theirs are the first ranks, too

    @property
    def count(self) -> int:
        return self.starts[-1]

    def make(self, name: str, value: Any = 0) -> Any:
        """Make a column anew, filled with a value.

        It is written, not mapped from the start: in a mapped file that the disk has no room for, the first
        number would kill the process.
        """
        path, kind = self._find(name)
        if not self.count:
            return np.empty(0, kind)
        rows = np.full(min(self.count, ROWS_AT_ONCE), value, kind)
        header = np.lib.format.header_data_from_array_1_0(rows) | {"shape": (self.count,)}
        with open(path, "wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for piece in pieces(self.count):
                stream.write(rows[: self.count - piece.start].data)
        return self.open(name, write=True)

    def open(self, name: str, write: bool = False) -> Any:
        path, kind = self._find(name)
        if not self.count:
            return np.empty(0, kind)
        return np.load(path, mmap_mode="r+" if write else "r").view(np.ndarray)

    def list_runs(self, name: str) -> tuple[list[int], list[Run]]:
        """All runs of a name, and the part that each is of."""
        runs = [
            (part, run)
            for part, signed in enumerate(self.signed)
            for run in signed.list_runs(self.folder, name)
            if run.keys.exists()
        ]
        return [part for part, _ in runs], [run for _, run in runs]

    def ranks_of(self, part: int) -> Integers:
        """The ranks of a part's documents, in the order of its rows."""
        ranks: Integers = self.open("rank")[self.starts[part] : self.starts[part + 1]]
        return ranks

    def find_ids(self, ranks: Integers) -> Numbers:
        """(n, 2): the ids of documents."""
        documents = self.open("document")[ranks]
        return np.stack([self.open(half)[documents] for half in ("id_high", "id_low")], 1)

    def locate(self, document: int) -> tuple[int, int]:
        """(part, row) of a document."""
        part = int(np.searchsorted(np.asarray(self.starts), document, "right")) - 1
        return part, document - self.starts[part]

    def _find(self, name: str) -> tuple[Path, str]:
        return self.folder / f"ledger-{name}.npy", (BY_RANK | BY_DOCUMENT)[name]


def make_ledger(folder: Path, signed: Sequence[Signed], earlier: int) -> Ledger:
    """earlier: how many of the parts are of earlier runs."""
    starts = [0]
    for part in signed:
        starts.append(starts[-1] + part.rows)
    return Ledger(folder, signed, starts, starts[earlier])


def pieces(count: int) -> list[slice]:
    """All of an array, some rows at a time."""
    return [slice(first, min(first + ROWS_AT_ONCE, count)) for first in range(0, count, ROWS_AT_ONCE)]
