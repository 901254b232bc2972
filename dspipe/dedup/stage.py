"""distinct = `filtered` without exact and verified near copies; removed.parquet says what went for which.

Simple so far: candidates are grouped by sorting one band after the other in memory, a few numbers for each
document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from dspipe.dedup.copies import EXACT, NEAR, describe_removed, find_copies
from dspipe.dedup.signatures import Signing, make_permutations, sign_part
from dspipe.recipe import Dedup, DspipeError
from dspipe.schema import DISTINCT, REMOVED
from dspipe.shards import (
    Artifact,
    Counts,
    Output,
    Piece,
    read_batches,
    sum_counts,
    write_array,
    write_parquet,
)
from dspipe.workers import Workers


@dataclass(frozen=True)
class Keeping:
    number: int
    part: Path
    kinds: Path  # one byte for each document of the part
    folder: Path


def run(settings: Dedup, filtered: Artifact, distinct: Output, workers: Workers) -> None:
    """Sign all documents, decide about them together, write those that stay."""
    if not filtered.rows:
        raise DspipeError("dedup: filter kept no document; `dspipe inspect` its artifact for the reasons")
    scratch, permutations = workers.scratch, make_permutations(settings.bands * settings.rows)
    signing = [
        Signing(file, settings.shingle, settings.bands, permutations, scratch / f"signed-{number:05d}")
        for number, file in enumerate(filtered.files)
    ]
    copies = find_copies(settings, workers.map(sign_part, signing), scratch)
    tasks = []
    for number, file in enumerate(filtered.files):
        kinds = scratch / f"kinds-{number:05d}.npy"
        write_array(kinds, copies.kind[copies.starts[number] : copies.starts[number + 1]])
        tasks.append(Keeping(number, file, kinds, distinct.folder))
    pieces = workers.map(keep_part, tasks)
    removed = write_parquet(distinct.folder, "removed.parquet", REMOVED, [describe_removed(copies)])
    parts = [part for piece in pieces for part in piece.parts["distinct"]]
    largest = int(np.bincount(copies.kept).max(initial=0)) if len(copies.kept) else 0
    facts = {"largest_cluster": largest, "line": [f"largest cluster {largest:,}"]}
    distinct.close(parts, sum_counts(piece.counts for piece in pieces), [removed], facts)


def keep_part(task: Keeping) -> Piece:
    """Write the rows of one part that stay, each with its own id as its cluster's name."""
    kinds = np.load(task.kinds)

    def kept_rows() -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in read_batches(task.part):
            stays = pa.array(kinds[first : first + len(batch)] == 0)
            first += len(batch)
            left = batch.filter(stays)
            yield pa.RecordBatch.from_arrays([*left.columns, left["id"]], schema=DISTINCT)

    part = write_parquet(task.folder, f"part-{task.number:05d}.parquet", DISTINCT, kept_rows())
    dropped = {"exact-copy": int((kinds == EXACT).sum()), "near-copy": int((kinds == NEAR).sum())}
    return Piece(
        {"distinct": [part]}, Counts(len(kinds), part.rows, 0, {k: n for k, n in dropped.items() if n})
    )
