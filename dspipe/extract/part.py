"""One task → its parts of `documents`: drives a reader over a span, and can go on in the middle of it.

Documents go to `part-NNNNN.parquet`, what gave none to `unused-NNNNN.parquet`, each only if it has a row. A
part that has grown to `BYTES_IN_PART` of text is closed and remembered together with the record boundary it
reached: an interrupted task goes on from there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pyarrow.compute as pc

from dspipe.extract import readers
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile, hide_secrets, print_safely
from dspipe.extract.spans import Span
from dspipe.recipe import DspipeError, Extract
from dspipe.schema import DOCUMENTS, UNUSED
from dspipe.shards import Journal, Piece, TableWriter, record_file, sum_counts, writing_table
from dspipe.workers import NOWHERE, Place, mark

BYTES_IN_PART = 256 << 20  # of text


@dataclass(frozen=True)
class Task:
    """A span of one file, or several files read whole. A place in it: (number of the file, offset)."""

    number: int
    files: tuple[SourceFile, ...]
    span: Span
    settings: Extract
    run: Path
    artifact: str  # the folder below `run` that parts go to
    scratch: Path
    skipped: frozenset[Place] = frozenset()  # records that killed a worker process

    @property
    def journal(self) -> Journal:
        """Where finished parts of the unfinished task are remembered."""
        kind = "exact" if self.span.exact else "found"
        return Journal(self.scratch / f"cuts-{self.number:05d}-{self.span.begin}-{kind}", self.run)


class PartRows(Rows):
    """Rows that are counted, and listed, part by part."""

    def begin_part(self) -> None:
        super().__init__(self.max_characters, self.skipped)


def extract_span(task: Task) -> Piece:
    """Write the documents of one task; the facts are the boundaries at which its records begin and end."""
    pieces = [] if task.span.empty else load_cuts(task)
    reached = place_of(pieces[-1]) if pieces else NOWHERE
    rows = PartRows(task.settings.max_characters)
    whole = task.span.empty
    with closing(read_places(task, rows, reached)) as places:
        while not whole:
            piece, whole = write_part(task, len(pieces), places, rows, reached)
            pieces.append(piece)
            reached = place_of(piece)
            if not whole:
                task.journal.save(f"{len(pieces):05d}", piece)
    parts = [part for piece in pieces for part in piece.parts[task.artifact]]
    stops = [piece.facts["stop"] for piece in pieces if piece.facts["stop"] is not None]
    facts = {"start": pieces[0].facts["start"] if pieces else None, "stop": stops[-1] if stops else None}
    return Piece({task.artifact: parts}, sum_counts(piece.counts for piece in pieces), facts)


def place_of(piece: Piece) -> Place:
    """The boundary at which a closed part ends."""
    return piece.facts["file"], piece.facts["stop"]


def load_cuts(task: Task) -> list[Piece]:
    """The parts that an interrupted run closed, as far as they are what they were."""
    pieces: list[Piece] = []
    folder = task.run / task.artifact
    while piece := task.journal.load(f"{len(pieces) + 1:05d}", Piece):
        if any(record_file(folder, part.file, part.rows) != part for part in piece.parts[task.artifact]):
            break
        pieces.append(piece)
    return pieces


def read_places(task: Task, rows: Rows, reached: Place) -> Generator[Place, None, None]:
    """Yield the place of every record, before it is read, from the one reached on."""
    first, span = 0, task.span
    if reached != NOWHERE:
        first, span = reached[0], Span(reached[1], task.span.end, exact=True)
    for number, file in enumerate(task.files[first:], first):
        rows.skipped = frozenset(offset for other, offset in task.skipped if other == number)
        mark(number, span.begin)  # opening the file may kill the process, too
        for offset in readers.READERS[file.format](file, span, rows, task.settings):
            yield number, offset
        span = Span()


def write_part(
    task: Task, number: int, places: Iterator[Place], rows: PartRows, reached: Place
) -> tuple[Piece, bool]:
    """Write the next part; the second value tells whether the task is read to its end."""
    stem = f"{task.number:05d}" + (f"-{number:03d}" if number else "")
    folder = task.run / task.artifact
    start, whole, size = None, True, 0
    rows.begin_part()
    with (
        writing_table(folder, f"part-{stem}.parquet", DOCUMENTS) as documents,
        writing_table(folder, f"unused-{stem}.parquet", UNUSED) as unused,
    ):
        mark(*reached)
        for reached in places:
            start = reached[1] if start is None else start
            if rows.full:
                size += write_rows(rows, documents, unused)
                if size >= BYTES_IN_PART:
                    whole = False
                    break
            mark(*reached)
        write_rows(rows, documents, unused)
    parts = [part for part in (documents.part, unused.part) if part]
    facts = {"start": start, "stop": None if reached == NOWHERE else reached[1], "file": reached[0]}
    return Piece({task.artifact: parts}, rows.counts, facts), whole


def write_rows(rows: Rows, documents: TableWriter, unused: TableWriter) -> int:
    """Write what was gathered; return the bytes of text. A crash in here is no record's fault."""
    mark(*NOWHERE)
    batch, rest = rows.take()
    documents.write(batch)
    unused.write(rest)
    return cast(int, pc.sum(pc.binary_length(batch["text"])).as_py() or 0)


def skip_record(task: Task, place: Place) -> Task:
    """The task without the record that killed the process which read it.

    Raises:
        DspipeError: it was no record that did, or one that had been left out already.
    """
    if place == NOWHERE or place in task.skipped:
        file = task.files[max(place[0], 0)]
        where = "between two records" if place == NOWHERE else f"twice at the record at {place[1]}"
        raise DspipeError(
            print_safely(
                f"extract.sources.{file.source}: {hide_secrets(file.address)}: a worker process crashed "
                f"{where}; leave the file out and report it, or run the same command again: finished parts "
                "are kept"
            )
        )
    return replace(task, skipped=task.skipped | {place})
