"""Reads Parquet and Arrow files: a row is a document, and its offset the number of the row in the whole file.

Both consist of blocks of rows: row groups, record batches. A block belongs to the span in which the offset of
its first byte lies. A span that begins exactly, at a row that was reached before, has that row's number in
`begin`, and in `end` bytes as ever. A span without a block yields nothing, at the price of a look at what the
file says of its blocks.
"""

from __future__ import annotations

from collections.abc import Iterator

from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile
from dspipe.extract.spans import Span
from dspipe.extract.tables.arrow import ArrowFile
from dspipe.extract.tables.batches import read_table
from dspipe.extract.tables.parquet import ParquetFile
from dspipe.recipe import Extract


def read_parquet(file: SourceFile, span: Span, rows: Rows, settings: Extract) -> Iterator[int]:
    """The documents of a Parquet file, which can be entered at any row group.

    Raises:
        DspipeError: it has no column for the text.
    """
    return read_table(file, span, rows, ParquetFile)


def read_arrow(file: SourceFile, span: Span, rows: Rows, settings: Extract) -> Iterator[int]:
    """The documents of a file in Arrow's own format, with a footer (as Feather has) or as a stream.

    A local file can be entered at any record batch; others, and compressed ones, are read from the beginning.

    Raises:
        DspipeError: it has no column for the text.
    """
    return read_table(file, span, rows, ArrowFile)
