"""The stage `extract`: every file of every source becomes one part of `documents`.

Simple so far: one file is one task. A large file is not split, so a run with fewer files than
workers leaves some idle; gzip of one member, as JSON lines have, could not be split at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from dspipe.extract.files import SourceFile
from dspipe.extract.rows import Rows
from dspipe.extract.sources import find_all_files
from dspipe.extract.tables import read_jsonl, read_parquet, read_text
from dspipe.extract.tasks import Task, group_files
from dspipe.extract.warc import read_warc
from dspipe.recipe import DspipeError, Extract, Format
from dspipe.schema import DOCUMENTS
from dspipe.shards import Counts, Output, Piece, sum_counts, write_parquet
from dspipe.workers import Workers

READERS: dict[Format, Callable[[SourceFile, Rows], Iterator[pa.RecordBatch]]] = {
    "warc": read_warc,
    "wet": read_warc,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "text": read_text,
}


def run(settings: Extract, documents: Output, workers: Workers) -> None:
    """Read all sources; a run in which not one document is found is an error, not an empty artifact."""
    groups = group_files(find_all_files(settings))
    tasks = [
        Task(str(documents.folder), f"part-{number:05d}.parquet", files, settings.max_characters)
        for number, files in enumerate(groups)
    ]
    pieces = workers.map(extract_part, tasks)
    counts = sum_counts(piece.counts for piece in pieces)
    if counts.out == 0:
        raise DspipeError(f"extract: nothing was extracted ({explain_counts(counts)}); check extract.sources")
    rows: dict[str, int] = {}
    for task, piece in zip(tasks, pieces, strict=True):
        rows[task.files[0].source] = rows.get(task.files[0].source, 0) + piece.counts.out
    documents.close(
        [part for piece in pieces for part in piece.parts["documents"]], counts, facts={"rows": rows}
    )


def extract_part(task: Task) -> Piece:
    """Read the files of one task and write their documents."""
    rows = Rows(task.max_characters)
    batches = gather(task, rows)
    part = write_parquet(Path(task.folder), task.part, DOCUMENTS, batches)
    return Piece({"documents": [part]}, rows.counts)


def gather(task: Task, rows: Rows) -> Iterator[pa.RecordBatch]:
    for file in task.files:
        yield from READERS[file.format](file, rows)


def explain_counts(counts: Counts) -> str:
    return (
        ", ".join(f"{number} {reason}" for reason, number in counts.dropped.items()) or "the files are empty"
    )
