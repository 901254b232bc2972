"""Turns one part of `documents` and its signals into its part of `filtered`, and its piece of the rejected.

Both are read side by side, once, and nothing is measured: this is all that another threshold costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct
from numpy.typing import NDArray

from dspipe.filter.lists.blocklist import find_blocked, load_blocklist
from dspipe.filter.lists.licenses import find_unlicensed
from dspipe.filter.private.findings import COLUMNS, choose_kinds, replace_private
from dspipe.filter.report import Tally, Verdict
from dspipe.filter.rules import (
    FIRST_REASONS,
    LANGUAGE,
    LICENSE,
    Ruled,
    find_failures,
    find_unwanted,
    list_reasons,
    list_rules,
    read_values,
)
from dspipe.recipe import Filter
from dspipe.schema import DOCUMENTS, REJECTED, SIGNALS
from dspipe.shards import Counts, Piece, read_batches, writing_table

FOUND = ("language", "domain")  # columns of `documents` that the signals decide


class Judge(Struct, frozen=True):
    """One part of `documents`, its part of `signals`, and where the survivors and the rejected go."""

    part: Path
    signals: Path
    file: str
    filtered: Path
    rejected: Path
    settings: Filter


def judge_part(task: Judge) -> Piece:
    """Write the survivors and the rejected of one part; the facts are a report of all."""
    rules = list_rules(task.settings)
    report = Tally([*FIRST_REASONS, *(ruled.rule.reason for ruled in rules)])
    with (
        writing_table(task.filtered, task.file, DOCUMENTS) as filtered,
        writing_table(task.rejected, task.file, REJECTED) as rejected,
    ):
        filtered.begin()
        rejected.begin()
        for batch, signals in read_aligned(task.part, task.signals):
            verdict = judge(batch, signals, task.settings, rules)
            kept, rest = pa.array(verdict.kept), pa.array(~verdict.kept)
            finished, replaced = finish(batch.filter(kept), signals.filter(kept), task.settings)
            filtered.write(finished)
            reasons = list_reasons(verdict.failures, verdict.names)
            rejected.write(reject(batch, signals, reasons).filter(rest))
            report.add(signals, verdict, replaced)
    assert filtered.part is not None
    rows, kept_rows = report.rows, filtered.rows
    return Piece({"filtered": [filtered.part]}, Counts(rows, kept_rows, dropped=report.dropped), report.facts)


def read_aligned(part: Path, signals: Path) -> Iterator[tuple[Any, Any]]:
    """Yield batches of documents, each with the batch of signals of the same rows."""
    stream, held = read_batches(signals), pa.Table.from_batches([], SIGNALS)
    for batch in read_batches(part):
        while held.num_rows < batch.num_rows:
            held = pa.concat_tables([held, pa.Table.from_batches([next(stream)])])
        (mine,) = held.slice(0, batch.num_rows).combine_chunks().to_batches() or [empty_signals()]
        held = held.slice(batch.num_rows)
        yield batch, mine


def empty_signals() -> Any:
    return pa.RecordBatch.from_pylist([], SIGNALS)


def judge(batch: Any, signals: Any, settings: Filter, rules: list[Ruled]) -> Verdict:
    """The verdict of the recipe's rules on a batch of `DOCUMENTS` with its `SIGNALS`."""
    first = {name: np.zeros(len(batch), bool) for name in FIRST_REASONS}
    first[LANGUAGE] = find_unwanted(signals, settings.languages)
    if settings.blocklist is not None:
        first |= find_blocked(batch.column("url"), load_blocklist(settings.blocklist))
    first[LICENSE] = find_unlicensed(batch.column("license"), settings.licenses)
    failures = np.column_stack([*first.values(), find_failures(signals, settings, rules)])
    return Verdict(failures, [*first, *(ruled.rule.reason for ruled in rules)])


def finish(batch: Any, signals: Any, settings: Filter) -> tuple[Any, NDArray[np.int64]]:
    """(documents as they are kept, with what was found out and without what is private; replaced [kind])."""
    columns = {name: batch.column(name) for name in DOCUMENTS.names}
    columns |= {name: signals.column(name) for name in FOUND}
    wanted = choose_kinds(batch.column("source"), settings.private)
    found = {name: signals.column(name) for name in COLUMNS}
    columns["text"], replaced = replace_private(batch.column("text"), wanted, found)
    if settings.quality is not None:
        values = pa.array(read_values(signals, settings.quality), pa.float32(), from_pandas=True)
        columns["quality"] = pc.coalesce(columns["quality"], values)
    return pa.record_batch(list(columns.values()), DOCUMENTS), replaced


def reject(batch: Any, signals: Any, reasons: Any) -> Any:
    """Documents as they were, private data too, with language, domain and reasons."""
    columns = {name: batch.column(name) for name in DOCUMENTS.names}
    columns |= {name: signals.column(name) for name in FOUND}
    return pa.record_batch([*columns.values(), reasons], REJECTED)
