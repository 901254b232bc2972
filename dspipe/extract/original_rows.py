"""Reads the fields of one row, or the bytes of one line, again from its place, broken or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from dspipe.extract.formats.separated import Header, read_header, split_rows, strip_mark
from dspipe.extract.formats.streams import BrokenStream, enter_lines, read_blocks, split_lines
from dspipe.extract.reasons import Unusable
from dspipe.extract.rows import LONGEST_LABEL
from dspipe.extract.sources.file import SourceFile, open_source
from dspipe.extract.spans import Span
from dspipe.extract.tables.arrow import ArrowFile
from dspipe.extract.tables.parquet import ParquetFile
from dspipe.extract.tables.values import find_reader, is_text, read_texts
from dspipe.recipe import Extract

MOST_BYTES = 4 << 20  # of a page or a line; of what is longer, the beginning
AHEAD = 1 << 20  # bytes of a remote file that a record probably takes


def read_line(file: SourceFile, offset: int) -> str:
    """A line of a file, without its end; offsets are those that `enter_lines` knows."""
    with open_source(file, offset + AHEAD) as stream:
        try:
            blocks = enter_lines(stream, Span(offset, None, exact=True))
            return gather(blocks or iter(()), MOST_BYTES, b"\n").decode("utf-8", "replace")
        except BrokenStream:
            stream.raise_failure()
            return ""


def read_beginning(file: SourceFile, offset: int, most: int) -> bytes:
    """What a file holds at a place, decompressed if a compressed stretch begins there."""
    with open_source(file, offset + AHEAD) as stream:
        stream.seek(offset)
        data = gather(read_blocks(stream), most)
        stream.raise_failure()
        return data


def gather(blocks: Iterator[bytes], most: int, end: bytes | None = None) -> bytes:
    """The first bytes, up to a number, an end, or where the stream breaks."""
    data = bytearray()
    try:
        for block in blocks:
            data += block
            if len(data) >= most or (end is not None and end in block):
                break
    except BrokenStream:
        pass
    return bytes(data[:most] if end is None else data[:most].partition(end)[0])


def read_separated(file: SourceFile, offset: int, settings: Extract) -> dict[str, str]:
    """The fields of a row of separated values, by the names in the file's header; none of a broken one."""
    header = read_header(file)
    limit = 4 * settings.max_characters + settings.max_page_bytes
    names = [name.strip() for name in split_at(file, 0, header, limit, skip_blank=True)]
    fields = split_at(file, offset, header, limit)
    return dict(zip(names, fields, strict=False)) if len(fields) == len(names) else {}


def split_at(
    file: SourceFile, offset: int, header: Header, limit: int, skip_blank: bool = False
) -> list[str]:
    with open_source(file, offset + AHEAD) as stream:
        try:
            blocks = enter_lines(stream, Span(offset, None, exact=True))
            assert blocks is not None  # an exact place can always be entered
            lines = strip_mark(split_lines(blocks, limit, blocks.position))
            for _, row, _ in split_rows(lines, header.quoting, limit, header if offset else None):
                if isinstance(row, str):
                    return []
                if row.strip() or not skip_blank:
                    fields = header.split(row.removesuffix(b"\r"))
                    return [field.decode("utf-8", "replace") for field in fields]
        except BrokenStream:
            stream.raise_failure()
    return []


def read_fields(file: SourceFile, offset: int) -> dict[str, str | None]:
    """The fields of a row of a Parquet or Arrow file, but nested ones; none where they cannot be read."""
    try:
        with open_source(file) as stream:
            table = ParquetFile(stream) if file.format == "parquet" else ArrowFile(stream)
            readers = choose_all_readers(table.schema)
            for block in table.blocks(sorted(readers)):
                if block.first <= offset < block.end:
                    (batch,) = islice(block.read(offset - block.first), 1)
                    return {
                        table.schema.names[number]: show_field(readers[number](column.slice(0, 1))[0])
                        for number, column in zip(sorted(readers), batch.columns, strict=True)
                    }
    except (BrokenStream, Unusable, ValueError):
        pass  # the row says the same, as the reason for which it was dropped
    return {}


def choose_all_readers(schema: pa.Schema) -> dict[int, Callable[[pa.Array], list[Any]]]:
    """What reads the columns of a table, by their numbers: texts whole, everything else as labels."""
    readers = {}
    for number, kind in enumerate(schema.types):
        value = kind.value_type if pa.types.is_dictionary(kind) else kind
        reader = read_texts if is_text(value) else find_reader(kind)
        if reader is not None:
            readers[number] = reader
    return readers


def show_field(value: object) -> str | None:
    if isinstance(value, bytes | memoryview):
        return str(value[:MOST_BYTES], "utf-8", "replace")
    return None if value is None else str(value)


def cut(value: str | None) -> str | None:
    return value if value is None or len(value) <= LONGEST_LABEL else value[:LONGEST_LABEL] + "…"
