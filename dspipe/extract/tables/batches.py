"""Blocks of rows, as tables are stored in → rows, and the boundaries between them.

A block belongs to the span in which the offset of its first byte lies; boundaries are numbers of rows in the
whole file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from dspipe.extract.formats.columns import add_row
from dspipe.extract.formats.streams import BrokenStream
from dspipe.extract.reasons import Unusable
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile, Stream, open_source
from dspipe.extract.spans import Span
from dspipe.extract.tables.values import Reader, choose_readers, read_rows


@dataclass(frozen=True)
class Block:
    """Rows that are stored together."""

    position: int  # of its first byte in the file
    first: int  # number of its first row
    end: int  # of the row behind it
    read: Callable[
        [int], Iterator[pa.RecordBatch]
    ]  # the rows but the first few; raises BrokenStream, Unusable


class Table(Protocol):
    """An opened file."""

    schema: pa.Schema
    enterable: bool  # or else to be read from its beginning

    def blocks(self, columns: list[int]) -> Iterator[Block]:
        """All blocks, with the columns of these numbers."""


def read_table(
    file: SourceFile, span: Span, rows: Rows, open_table: Callable[[Stream], Table]
) -> Iterator[int]:
    """Take the rows of the blocks that begin in a span, and yield the boundaries.

    A file that cannot be opened is one block, which cannot be read. One that was being opened when a process
    was killed, or its first row read, which looks the same, is not opened again: it is one lost record.
    """
    if 0 in rows.skipped:
        if span.begin == 0:
            yield 0
            rows.drop("crashed", file, 0)
            yield max(1, file.bytes or 0)
        return
    with open_source(file) as stream:
        try:
            table = open_table(stream)
        except BrokenStream as broken:
            stream.raise_failure()
            if span.begin == 0:
                yield 0
                rows.drop(broken.reason, file, 0)
                yield max(1, file.bytes or 0)
            return
        if span.begin and not span.exact and not table.enterable:
            return
        readers = choose_readers(file, table.schema)
        columns = sorted({number for number, _ in readers.values()})
        begun = False
        for block in table.blocks(columns):
            if span.end is not None and block.position >= span.end:
                break
            row = max(block.first, span.begin if span.exact else 0)
            if row >= block.end or (block.position < span.begin and not span.exact):
                continue
            if not begun:
                yield row
            begun = True
            yield from take_block(file, row, block, read_windows(block, row, readers, columns), rows, stream)
        stream.raise_failure()  # what was lost may look like the file's end


def read_windows(
    block: Block, row: int, readers: dict[str, tuple[int, Reader]], columns: list[int]
) -> Iterator[list[dict[str, Any]]]:
    """The rows of a block from one on, a few at a time, by our columns.

    Raises:
        BrokenStream, Unusable: nothing more can be read of it.
    """
    for batch in block.read(row - block.first):
        arrays = {
            field: (batch.column(columns.index(number)), read) for field, (number, read) in readers.items()
        }
        try:
            yield from read_rows(arrays)
        except Exception as error:
            raise BrokenStream("malformed") from error


def take_block(
    file: SourceFile,
    row: int,
    block: Block,
    windows: Iterator[list[dict[str, Any]]],
    rows: Rows,
    stream: Stream,
) -> Iterator[int]:
    """Take the rows of a block from one on. Where it cannot be read, what is left of it counts as one record.

    So it does at a row that killed a process: reading the rows behind it may be what did.
    """
    reason = "malformed"
    try:
        while row < block.end and row not in rows.skipped:
            window = next(windows, None)
            if window is None:
                break
            for values in window:
                if row in rows.skipped:
                    rows.drop("crashed", file, row)
                else:
                    add_row(file, row, values, rows)
                row += 1
                yield row
    except BrokenStream as broken:
        reason = broken.reason
    except Unusable as unusable:
        reason = str(unusable)
    if row < block.end:
        stream.raise_failure()
        rows.drop("crashed" if row in rows.skipped else reason, file, row)
        yield block.end
