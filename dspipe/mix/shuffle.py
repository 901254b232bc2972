"""Rows in the order of the input → rows in the order of a seeded shuffle, through files on disk.

Every draw has a place in the order, hash(seed, id, epoch), whose upper bits name its part. `spread_part`
reads an input part and writes all its draws to one file, in runs that have a record batch for every part;
`gather_part` reads its batch out of every run of every file, and puts the rows in order. Memory holds one
run, then one part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct

from dspipe.mix.draws import DOCUMENT, Bounds, Integers, count_all, repeat_documents
from dspipe.mix.survey import Survey
from dspipe.schema import DISTINCT, MIXTURE
from dspipe.shards import Artifact, Counts, Part, Piece, read_batches, replacing, write_parquet
from dspipe.text.hashing import Numbers, draw, parse_ids
from dspipe.workers import Workers

PURPOSE = "mix order"
LARGEST_PART = 64 << 20  # bytes of rows in memory, about
SMALLEST_PART = 256 << 10
PARTS_OF_SMALL = 8  # a small mixture is divided, too, so that the stages after it have work for all workers
BYTES_IN_RUN = 32 << 20
BYTES_OF_DRAW = 24
ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Spread:
    part: Path
    numbers: Path
    bounds: Bounds  # of the part's groups
    seed: int
    parts: int
    spill: Path


class Spilled(Struct, frozen=True):
    rows: int


@dataclass(frozen=True)
class Gather:
    number: int
    parts: int
    seed: int
    spill: Path
    inputs: int
    folder: Path


def shuffle(
    seed: int, size: float, survey: Survey, bounds: Bounds, distinct: Artifact, folder: Path, workers: Workers
) -> list[Part]:
    """Write all draws within the bounds, which are so many bytes, as parts of the mixture."""
    parts, spill = count_parts(size), workers.scratch / "spill"
    spreads = [
        Spread(file, own.file, bounds[own.groups], seed, parts, name_spill(spill, number))
        for number, (file, own) in enumerate(zip(distinct.files, survey.parts, strict=True))
    ]
    workers.map(spread_part, spreads)
    gathers = [Gather(number, parts, seed, spill, len(spreads), folder) for number in range(parts)]
    return [part for piece in workers.map(gather_part, gathers) for part in piece.parts["mixture"]]


def count_parts(size: float) -> int:
    """Into how many parts a mixture of so many bytes is divided."""
    largest = min(max(size / PARTS_OF_SMALL, SMALLEST_PART), LARGEST_PART)
    return max(1, int(-(-size // largest)))


def spread_part(task: Spread) -> Spilled:
    """Write every draw of an input part to its spill."""
    rows = 0
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with (
        replacing(task.spill) as temporary,
        pa.ipc.new_file(str(temporary), MIXTURE, options=options) as writer,
    ):
        for documents, drawn, draws in hold_runs(task):
            rows += len(drawn)
            write_run(task, documents, drawn, draws, writer)
    return Spilled(rows)


def hold_runs(task: Spread) -> Iterator[tuple[pa.RecordBatch, Integers, Integers]]:
    """Yield documents that are drawn, and of every draw the number of the document here and of the draw."""
    held: list[tuple[pa.RecordBatch, Integers]] = []
    size = 0
    with open(task.numbers, "rb") as numbers:
        for batch in read_batches(task.part, DISTINCT.names):
            counts = count_all(np.fromfile(numbers, DOCUMENT, len(batch)), task.bounds)
            drawn = np.flatnonzero(counts)
            if len(drawn):
                held.append((batch.take(pa.array(drawn)), counts[drawn]))
                size += held[-1][0].nbytes + BYTES_OF_DRAW * int(counts.sum())
            if size >= BYTES_IN_RUN:
                yield join_run(held)
                held, size = [], 0
    if held:
        yield join_run(held)


def join_run(held: list[tuple[pa.RecordBatch, Integers]]) -> tuple[pa.RecordBatch, Integers, Integers]:
    documents = join_batches([batch for batch, _ in held])
    return documents, *repeat_documents(np.concatenate([counts for _, counts in held]))


def write_run(task: Spread, documents: pa.RecordBatch, drawn: Integers, draws: Integers, writer: Any) -> None:
    """Write one record batch for each part, an empty one where the part gets nothing."""
    places = draw(task.seed, PURPOSE, parse_ids(documents["id"])[drawn], draws)
    part = find_parts(places, task.parts)
    order = np.argsort(part, kind="stable")
    ends = np.searchsorted(part[order], np.arange(task.parts + 1))
    for first, last in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        rows = order[first:last]
        taken = documents.take(pa.array(drawn[rows]))
        epochs = pa.array(draws[rows].astype(np.int32))
        writer.write_batch(pa.RecordBatch.from_arrays([*taken.columns, epochs], schema=MIXTURE))


def find_parts(places: Numbers, parts: int) -> Integers:
    """Divide the places into equal spans: the upper 32 bits, times parts, without their lower 32 bits."""
    return ((places >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.int64)


def gather_part(task: Gather) -> Piece:
    """Write the rows of one part in their order; a part without rows is none."""
    batches = [batch for number in range(task.inputs) for batch in read_spill(number, task)]
    if not batches:
        return Piece({"mixture": []}, Counts(0, 0))
    rows = join_batches(batches)
    del batches
    ids, draws = parse_ids(rows["id"]), rows["draw"].to_numpy().astype(np.int64)
    order = np.lexsort((draws, ids[:, 1], ids[:, 0], draw(task.seed, PURPOSE, ids, draws)))
    slices = (order[first : first + ROWS_AT_ONCE] for first in range(0, len(order), ROWS_AT_ONCE))
    ordered = (rows.take(pa.array(chosen)) for chosen in slices)
    part = write_parquet(task.folder, f"part-{task.number:05d}.parquet", MIXTURE, ordered)
    repeats = int(np.count_nonzero(draws))
    return Piece({"mixture": [part]}, Counts(part.rows - repeats, part.rows, repeats))


def join_batches(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    [joined] = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def name_spill(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.arrow"


def read_spill(number: int, task: Gather) -> Iterator[pa.RecordBatch]:
    """The rows of a part in one file; not mapped into memory, where batches would hold thousands open."""
    with pa.OSFile(str(name_spill(task.spill, number))) as file:
        reader = pa.ipc.open_file(file)
        for run in range(task.number, reader.num_record_batches, task.parts):
            batch = reader.get_batch(run)
            if batch.num_rows:
                yield batch
