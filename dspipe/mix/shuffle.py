"""Rows in the order of the input parts → rows in the order of the draws, through files on disk.

`spread_part` reads an input part and appends each drawn row to a file for the output part it belongs to;
`gather_part` reads an output part's files and puts them in order. Memory holds one row group, then one output
part.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec import Struct

from dspipe.schema import DISTINCT, MIXTURE
from dspipe.shards import Counts, Piece, read_batches, write_parquet

Integers = npt.NDArray[np.int64]

FILES_AT_ONCE = 256  # well under the usual limit of 1,024 open files
SPILLED = MIXTURE.append(pa.field("position", pa.int64()))


@dataclass(frozen=True)
class Spread:
    part: Path
    number: int
    first: int  # number of the part's first document
    rows: int
    draws: Path  # (3, m) document, epoch, output part of every row of the mixture, in its order
    spill: Path


class Spilled(Struct, frozen=True):
    rows: int


@dataclass(frozen=True)
class Gather:
    number: int
    inputs: int
    spill: Path
    folder: Path


def spread_part(task: Spread) -> Spilled:
    """Append each drawn row of an input part to its output part's file, `FILES_AT_ONCE` files in a pass."""
    document, epoch, part = np.load(task.draws, mmap_mode="r")
    mine = np.flatnonzero((document >= task.first) & (document < task.first + task.rows))
    mine = mine[np.argsort(document[mine], kind="stable")]
    for first in range(0, int(part.max(initial=-1)) + 1, FILES_AT_ONCE):
        window = mine[(part[mine] >= first) & (part[mine] < first + FILES_AT_ONCE)]
        if len(window):
            spread_window(task, window, document[window], epoch[window], part[window])
    return Spilled(len(mine))


def spread_window(task: Spread, rows: Integers, document: Integers, epoch: Integers, part: Integers) -> None:
    """One pass over the input part; the arrays tell of the draws of this pass, sorted by document."""
    with ExitStack() as stack:
        writers: dict[int, Any] = {}
        start = task.first
        for batch in read_batches(task.part, DISTINCT.names):
            low, high = np.searchsorted(document, [start, start + len(batch)])
            for number in np.unique(part[low:high]).tolist():
                chosen = low + np.flatnonzero(part[low:high] == number)
                if number not in writers:
                    path = spill_file(task.spill, number, task.number)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    writers[number] = stack.enter_context(pa.ipc.new_file(str(path), SPILLED))
                taken = batch.take(pa.array(document[chosen] - start))
                extra = [pa.array(epoch[chosen].astype(np.int32)), pa.array(rows[chosen])]
                writers[number].write_batch(
                    pa.RecordBatch.from_arrays([*taken.columns, *extra], schema=SPILLED)
                )
            start += len(batch)


def gather_part(task: Gather) -> Piece:
    files = [spill_file(task.spill, task.number, number) for number in range(task.inputs)]
    tables = []
    for file in filter(Path.exists, files):
        with pa.memory_map(str(file)) as mapped:
            tables.append(pa.ipc.open_file(mapped).read_all())
    table = pa.concat_tables(tables)
    ordered = table.take(pa.array(np.argsort(table["position"].to_numpy(), kind="stable"))).drop_columns(
        "position"
    )
    repeats = int(np.count_nonzero(ordered["draw"].to_numpy()))
    part = write_parquet(task.folder, f"part-{task.number:05d}.parquet", MIXTURE, ordered.to_batches(1024))
    return Piece({"mixture": [part]}, Counts(part.rows - repeats, part.rows, repeats))


def spill_file(spill: Path, output: int, source: int) -> Path:
    return spill / f"{output:05d}" / f"{source:05d}.arrow"
