"""The reader of every format: each turns a span of a file into rows, and yields its records' boundaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dspipe.extract.archives.arc import read_arc
from dspipe.extract.archives.warc import read_warc
from dspipe.extract.formats.lines import read_csv, read_jsonl
from dspipe.extract.formats.text import read_text
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile
from dspipe.extract.spans import Span
from dspipe.extract.tables.readers import read_arrow, read_parquet
from dspipe.recipe import Extract, Format

Reader = Callable[[SourceFile, Span, Rows, Extract], Iterator[int]]

READERS: dict[Format, Reader] = {
    "warc": read_warc,
    "wet": read_warc,
    "wat": read_warc,
    "arc": read_arc,
    "jsonl": read_jsonl,
    "csv": read_csv,
    "parquet": read_parquet,
    "arrow": read_arrow,
    "text": read_text,
}
