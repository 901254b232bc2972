"""The stage: sources → files → spans → parts of `documents`, and beside them what gave no document.

Spans are read side by side. Searching for the first record in the middle of a file may be fooled; so what a
span found is held against where the one before it ended, and read again from there if need be.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from dspipe.extract.part import Task, extract_span, skip_record
from dspipe.extract.repeats import drop_repeats
from dspipe.extract.sources.find import find_all_files, note_addresses
from dspipe.extract.spans import correct, split_work
from dspipe.recipe import DspipeError, Extract
from dspipe.shards import Counts, Output, Piece, remove_leftovers, sum_counts
from dspipe.workers import Workers


def run(settings: Extract, documents: Output, workers: Workers) -> None:
    """Read all sources; a run in which not one document is found is an error, not an empty artifact."""
    folder = documents.folder if settings.same_url == "all" else workers.scratch / "every"
    artifact = os.path.relpath(folder, documents.folder.parent)
    tasks = [
        Task(number, files, span, settings, documents.folder.parent, artifact, workers.scratch)
        for number, (files, span) in enumerate(split_work(find_all_files(settings)))
    ]
    pieces = extract_spans(tasks, workers)
    if settings.same_url != "all":
        pieces = drop_repeats(settings.same_url, pieces, folder, documents.folder, workers)
    counts = sum_counts(piece.counts for piece in pieces)
    if counts.out == 0:
        raise DspipeError(f"extract: nothing was extracted ({explain_counts(counts)}); check extract.sources")
    rows: dict[str, int] = {}
    for task, piece in zip(tasks, pieces, strict=True):
        rows[task.files[0].source] = rows.get(task.files[0].source, 0) + piece.counts.out
    close(documents, pieces, counts, {"rows": rows, **note_addresses(settings)})


def extract_spans(tasks: list[Task], workers: Workers) -> list[Piece]:
    """What every task made, once each span begins where the one before it ended."""
    tasks = list(tasks)
    pieces = workers.map(extract_span, tasks, skip_record)
    while misfits := list(find_misfits(tasks, pieces)):
        for task in misfits:
            tasks[task.number] = task
        pieces = workers.map(extract_span, tasks, skip_record, again={task.number for task in misfits})
    return pieces


def find_misfits(tasks: list[Task], pieces: list[Piece]) -> Iterator[Task]:
    """Yield, of each file, the first span that has to be read again, as it is to be read."""
    for files, group in groupby(zip(tasks, pieces, strict=True), lambda pair: pair[0].files):
        reached = None
        for task, piece in group:
            start, stop = piece.facts["start"], piece.facts["stop"]
            if reached is not None and (span := correct(files[0], task.span, start, reached)):
                yield replace(task, span=span)
                break
            reached = reached if stop is None else stop


def close(documents: Output, pieces: list[Piece], counts: Counts, facts: dict[str, object]) -> None:
    """Delete what readings that did not count have left, and write the manifest."""
    written = {part.file: part for piece in pieces for parts in piece.parts.values() for part in parts}
    remove_leftovers(documents.folder)
    for path in documents.folder.glob("*.parquet"):
        if path.name not in written:
            path.unlink()
    parts = [part for name, part in written.items() if name.startswith("part-")]
    beside = [part for name, part in written.items() if name.startswith("unused-")]
    documents.close(parts, counts, beside, facts)


def explain_counts(counts: Counts) -> str:
    dropped = ", ".join(f"{number} {reason}" for reason, number in counts.dropped.items())
    return dropped or "the files are empty"
