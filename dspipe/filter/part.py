"""Turns one part of `documents` into its part of `signals`, of `filtered`, and its piece of what is rejected.

The part is read three times, once for each file that comes of it, a batch at a time; what is kept between
is the verdicts, a few bytes for each document.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from msgspec import Struct

from dspipe.filter.rules import count_reasons
from dspipe.filter.verdicts import Verdict, judge, tally
from dspipe.recipe import Filter
from dspipe.schema import DOCUMENTS, REJECTED, SIGNALS
from dspipe.shards import Counts, Piece, read_batches, sum_counts, write_parquet


class Task(Struct, frozen=True):
    """One part of `documents`, and the folders that its three files go to."""

    part: Path
    file: str
    signals: Path
    filtered: Path
    rejected: Path
    settings: Filter


def filter_part(task: Task) -> Piece:
    """Write the signals, the survivors and the rejected of one part."""
    verdicts: list[Verdict] = []
    signals = write_parquet(task.signals, task.file, SIGNALS, measure(task, verdicts))
    batches = zip(read_batches(task.part), verdicts, strict=True)
    kept = write_parquet(
        task.filtered, task.file, DOCUMENTS, (verdict.keep(batch) for batch, verdict in batches)
    )
    batches = zip(read_batches(task.part), verdicts, strict=True)
    write_parquet(task.rejected, task.file, REJECTED, (verdict.reject(batch) for batch, verdict in batches))
    dropped = sum_counts(
        Counts(0, 0, dropped=count_reasons(verdict.failures)) for verdict in verdicts
    ).dropped
    of_all, of_kept = tally(verdicts)
    return Piece(
        {"signals": [signals], "filtered": [kept]},
        Counts(signals.rows, kept.rows, dropped=dropped),
        {"signals": of_all, "filtered": of_kept},
    )


def measure(task: Task, verdicts: list[Verdict]) -> Iterator[pa.RecordBatch]:
    """Yield the signals of each batch, and put the verdict on it aside."""
    for batch in read_batches(task.part):
        signals, verdict = judge(batch, task.settings)
        verdicts.append(verdict)
        yield signals
