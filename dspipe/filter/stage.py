"""The stage: `documents` → `signals`, and `filtered` with `rejected.parquet` beside it; one task a part."""

from __future__ import annotations

import pyarrow as pa

from dspipe.filter.part import Task, filter_part
from dspipe.filter.rules import in_declared_order
from dspipe.filter.verdicts import judge, sum_tallies
from dspipe.recipe import Filter
from dspipe.schema import DOCUMENTS, REJECTED
from dspipe.shards import Artifact, Counts, Output, concatenate, sum_counts
from dspipe.workers import Workers


def run(settings: Filter, documents: Artifact, signals: Output, filtered: Output, workers: Workers) -> None:
    """Measure every document and keep those that no rule rejects."""
    rejected_folder = workers.scratch / "rejected"
    tasks = [
        Task(part, f"part-{number:05d}.parquet", signals.folder, filtered.folder, rejected_folder, settings)
        for number, part in enumerate(documents.files)
    ]
    if workers.count > 1 and len(tasks) > 1:  # compile and unpack once, here, and not in each worker
        judge(pa.RecordBatch.from_pylist([{"id": "", "text": "a"}], DOCUMENTS), settings)
    pieces = workers.map(filter_part, tasks)
    files = [rejected_folder / task.file for task in tasks]
    rejected = concatenate(filtered.folder, "rejected.parquet", REJECTED, files)
    counts = in_declared_order(sum_counts(piece.counts for piece in pieces))
    signals.close(
        [piece.parts["signals"][0] for piece in pieces],
        Counts(counts.in_, counts.in_),
        facts=dict(sum_tallies(piece.facts["signals"] for piece in pieces)),
    )
    filtered.close(
        [piece.parts["filtered"][0] for piece in pieces],
        counts,
        beside=[rejected],
        facts=dict(sum_tallies(piece.facts["filtered"] for piece in pieces)),
    )
