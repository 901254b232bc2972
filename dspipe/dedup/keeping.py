"""A part and the fates of its documents → its rows of `distinct`, of the evidence, and of the index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dspipe.dedup.copies.ledger import KINDS, STAYS, Integers, Ledger
from dspipe.dedup.pieces import count_pieces, cut_batch, describe_cuts
from dspipe.dedup.strings.removal import CUT, Cuts
from dspipe.schema import DISTINCT, INDEX, REMOVED
from dspipe.shards import Counts, Piece, read_batches, write_parquet
from dspipe.text.hashing import format_ids

NOTHING_LEFT = "nothing-left"


@dataclass(frozen=True)
class Keeping:
    number: int  # of the file
    part: int  # of the ledger
    file: Path
    ledger: Ledger
    cuts: Path | None  # what repeats in the part's texts elsewhere
    folder: Path  # of `distinct`

    @property
    def evidence(self) -> Path:
        return self.ledger.folder / "removed" / f"{self.number:05d}.parquet"


@dataclass(frozen=True)
class Fates:
    """Of a part's documents, by row."""

    rank: Integers
    kept: Integers
    kind: npt.NDArray[np.uint8]
    jaccard: npt.NDArray[np.float64]
    containment: npt.NDArray[np.float64]

    @property
    def stays(self) -> npt.NDArray[np.bool_]:
        stays: npt.NDArray[np.bool_] = self.kind == STAYS
        return stays


def read_fates(ledger: Ledger, part: int) -> Fates:
    ranks = np.array(ledger.ranks_of(part))
    return Fates(ranks, *(ledger.open(name)[ranks] for name in ("kept", "kind", "jaccard", "containment")))


def keep_part(task: Keeping) -> Piece:
    """Write what stays of a part, why the rest went, and what later runs are to know of both."""
    signed, fates = task.ledger.signed[task.part], read_fates(task.ledger, task.part)
    cuts = np.load(task.cuts) if task.cuts else np.empty(0, CUT)
    present = fates.stays.copy()
    file = f"part-{task.number:05d}.parquet"
    part = write_parquet(task.folder, file, DISTINCT, write_distinct(task, fates, cuts, present))
    index = write_parquet(
        task.folder, f"index-{task.number:05d}.parquet", INDEX, write_index(task, fates, cuts, present)
    )
    evidence = [describe_copies(task.ledger, task.part, fates), describe_cuts(task.ledger, task.part, cuts)]
    write_parquet(task.evidence.parent, task.evidence.name, REMOVED, evidence)
    dropped = {f"{name}-copy": int((fates.kind == kind).sum()) for kind, name in enumerate(KINDS) if kind}
    dropped[NOTHING_LEFT] = int((fates.stays & ~present).sum())
    counts = Counts(signed.rows, part.rows, 0, {name: count for name, count in dropped.items() if count})
    return Piece({"distinct": [part, index]}, counts, count_pieces(cuts))


def write_distinct(
    task: Keeping, fates: Fates, cuts: Cuts, present: npt.NDArray[np.bool_]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows that stay, each with its own id as its cluster's name; `present` learns what is left."""
    first = 0
    for batch in read_batches(task.file):
        rows = slice(first, first + len(batch))
        first += len(batch)
        batch, emptied = cut_batch(batch, cuts, rows.start)
        present[rows] &= ~emptied
        left = batch.filter(pa.array(present[rows]))
        yield pa.RecordBatch.from_arrays([*left.columns, left["id"]], schema=DISTINCT)


def write_index(
    task: Keeping, fates: Fates, cuts: Cuts, present: npt.NDArray[np.bool_]
) -> Iterator[pa.RecordBatch]:
    """Yield what a later run is to know of each document, those that went included."""
    ledger, signed = task.ledger, task.ledger.signed[task.part]
    is_cut = np.zeros(signed.rows, bool)
    is_cut[cuts["row"]] = True
    first = 0
    for batch in read_batches(task.file, ["id", "text"]):
        rows = slice(first, first + len(batch))
        first += len(batch)
        gone = ~fates.stays[rows]
        keys, counts, needs, minima = (
            signed.read(ledger.folder, name, rows) for name in ("keys", "counts", "needs", "minima")
        )
        columns = [
            batch["id"],
            pa.array(fates.rank[rows] - ledger.earlier),
            view_binary(keys),
            pa.array(counts),
            pa.array(needs),
            blank_out(view_binary(minima).cast(pa.binary()), gone),
            blank_out(format_ids(ledger.find_ids(fates.kept[rows])), ~gone),
            pa.array(fates.jaccard[rows]),
            pa.array(fates.containment[rows]),
            pa.array(present[rows]),
            blank_out(batch["text"], ~is_cut[rows]),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=INDEX)


def view_binary(rows: npt.NDArray[Any]) -> pa.Array:
    """(n, k) numbers as n values of bytes."""
    rows = np.ascontiguousarray(rows)
    width = rows.shape[1] * rows.itemsize
    return pa.Array.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows)])


def blank_out(values: pa.Array, mask: npt.NDArray[np.bool_]) -> pa.Array:
    """Null where the mask says so."""
    return pc.if_else(pa.array(mask), pa.scalar(None, values.type), values)


def describe_copies(ledger: Ledger, part: int, fates: Fates) -> pa.RecordBatch:
    """The evidence: one row for each document that went, in the order of the input."""
    gone = np.flatnonzero(~fates.stays)
    own = fates.rank[gone]
    columns = [
        format_ids(ledger.find_ids(own)),
        format_ids(ledger.find_ids(fates.kept[gone])),
        pa.array(KINDS).take(pa.array(fates.kind[gone])),
        pa.array(fates.jaccard[gone]),
        pa.array(fates.containment[gone]),
        pa.nulls(len(gone), pa.int64()),
        pa.nulls(len(gone), pa.int64()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=REMOVED)
