"""What is known of a part's documents, some at a time → arrays by row and sorted runs, on disk, in chunks.

A part may hold millions of short documents, so its files are written a chunk at a time: a folder for so many
documents as fit in memory. What reads them sees one array, and a run more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from dspipe.dedup.runs import Run, write_run
from dspipe.dedup.signatures.sign import make_bands
from dspipe.recipe import Dedup
from dspipe.shards import open_array, write_array

Columns = dict[str, npt.NDArray[Any]]

ROWS_IN_CHUNK = 1 << 15
KEY = np.dtype([("low", "u8"), ("row", "u4")])  # beside the high half of a 128-bit key
EXACT_RUN, URL_RUN, BAND_RUN, PLACE_RUN, ID_RUN = "exact", "urls", "bands", "places", "ids"
BY_ROW = (  # those that there are
    "ids", "counts", "needs", "groups", "keys", "minima", "removed", "jaccard", "containment",
)  # fmt: skip


class Signed(Struct, frozen=True):
    """A part that has been signed."""

    groups: list[list[str | None]]  # source, domain and language of each group of documents
    out: str  # the folder's name alone: a run may be resumed from another directory
    chunks: list[int]  # documents in each

    @property
    def rows(self) -> int:
        return sum(self.chunks)

    def list_runs(self, scratch: Path, name: str) -> list[Run]:
        return [Run(folder, name) for folder in self._list_folders(scratch)]

    def read(self, scratch: Path, name: str, rows: slice | None = None) -> npt.NDArray[Any]:
        """An array by row, or some rows of it."""
        wanted = rows or slice(0, self.rows)
        pieces, first = [], 0
        for folder, count in zip(self._list_folders(scratch), self.chunks, strict=True):
            if first < wanted.stop and first + count > wanted.start:
                array = open_array(folder / f"{name}.npy")
                pieces.append(array[max(wanted.start - first, 0) : wanted.stop - first])
            first += count
        return np.concatenate(pieces)

    def _list_folders(self, scratch: Path) -> Iterator[Path]:
        return (scratch / self.out / f"{number:05d}" for number in range(len(self.chunks)))


def write_chunks(out: Path, batches: Iterable[Columns], settings: Dedup) -> list[int]:
    """Write what is known of some documents after the others: the number of documents of each chunk.

    batches: arrays by row, named as in BY_ROW, and for the runs `places`, perhaps `urls`, and which documents
    are found by their `named` keys and are `comparable` by their signatures.
    """
    chunks: list[int] = []
    held: list[Columns] = []
    for columns in batches:
        held.append(columns)
        if sum(len(one["ids"]) for one in held) >= ROWS_IN_CHUNK:
            chunks.append(write_chunk(out, chunks, held, settings))
            held = []
    if any(len(one["ids"]) for one in held):
        chunks.append(write_chunk(out, chunks, held, settings))
    return chunks


def write_chunk(out: Path, before: list[int], held: list[Columns], settings: Dedup) -> int:
    """Write one chunk, behind others, and return how many documents it has."""
    folder = out / f"{len(before):05d}"
    columns = {name: np.concatenate([one.pop(name) for one in held]) for name in list(held[0])}
    for name in BY_ROW:
        if name in columns:
            write_array(folder / f"{name}.npy", columns[name])
    count = len(columns["ids"])
    rows = np.arange(sum(before), sum(before) + count, dtype=np.uint32)
    write_keys(Run(folder, EXACT_RUN), columns["keys"], rows, columns["named"])
    write_bands(Run(folder, BAND_RUN), columns["minima"], rows, columns["comparable"], settings)
    write_run(Run(folder, PLACE_RUN), columns["places"], rows)
    if "removed" in columns:
        write_keys(Run(folder, ID_RUN), columns["ids"], rows)
    if settings.urls:
        write_keys(Run(folder, URL_RUN), columns["urls"], rows, columns["urls"].any(axis=1))
    return count


def write_keys(
    run: Run, keys: npt.NDArray[np.uint64], rows: npt.NDArray[np.uint32], chosen: Any = slice(None)
) -> None:
    """A run of 128-bit keys, (n, 2), by their high halves."""
    values = np.empty(len(rows[chosen]), KEY)
    values["low"], values["row"] = keys[chosen, 1], rows[chosen]
    write_run(run, np.ascontiguousarray(keys[chosen, 0]), values)


def write_bands(
    run: Run, minima: npt.NDArray[np.uint32], rows: npt.NDArray[np.uint32], chosen: Any, settings: Dedup
) -> None:
    """A run of the hashes of all bands of some documents' signatures."""
    hashes = make_bands(minima[chosen], settings)
    write_run(run, hashes.reshape(-1), np.repeat(rows[chosen], hashes.shape[1]))
