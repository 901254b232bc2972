"""Reads tables of text: JSON lines, Parquet, and plain text files with one document each.

JSON lines are read in blocks and never held as a whole, whatever they are compressed with; of Parquet only
the columns are read that become columns of `documents`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from dspipe.extract.files import SourceFile, open_source
from dspipe.extract.page import decode_text
from dspipe.extract.rows import Rows
from dspipe.extract.streams import BrokenStream, read_blocks, split_lines
from dspipe.recipe import DspipeError

LABELS = {"source_id": "id", "url": "url", "date": "date", "license": "license", "language": "language"}
LARGEST_LINE = 64 << 20  # bytes of JSON
ENOUGH = 1000  # rows without the text column after which the recipe, not the row, is taken to be wrong


def read_jsonl(file: SourceFile, rows: Rows) -> Iterator[pa.RecordBatch]:
    """The documents of a file of JSON lines; an offset is that of the line's first byte, uncompressed."""
    decoder = msgspec.json.Decoder(define_line(file))
    lacking, found = 0, False
    with open_source(file) as stream:
        try:
            for offset, line in split_lines(read_blocks(stream), LARGEST_LINE):
                if line is None:
                    rows.drop("too-large")
                    continue
                row = decode_line(decoder, line if offset else line.removeprefix(codecs.BOM_UTF8), rows)
                if row is None:
                    continue
                found = found or row.text is not msgspec.UNSET
                lacking += not found
                if lacking == ENOUGH:
                    break
                add_value(file, offset, row.text, rows, {name: getattr(row, name, None) for name in LABELS})
                if rows.full:
                    yield rows.take()
        except BrokenStream as broken:
            stream.raise_failure()
            rows.drop(broken.reason)
        if lacking and not found:
            raise missing_column(file, find_names(file))
    yield rows.take()


def define_line(file: SourceFile) -> type[msgspec.Struct]:
    """A type with the fields that are wanted of a line, so that no others are built."""
    names = {"text": file.column} | {field: name for field, name in LABELS.items() if name != file.column}
    try:
        return msgspec.defstruct("Line", [(field, Any, msgspec.UNSET) for field in names], rename=names)
    except ValueError:
        raise missing_column(file, find_names(file)) from None  # quotes and backslashes are not supported


def decode_line(decoder: msgspec.json.Decoder[Any], line: bytes, rows: Rows) -> Any:
    """The fields of one line, or None where it is blank, or dropped and counted."""
    if not line or line.isspace():
        return None
    try:
        return decoder.decode(line)
    except UnicodeDecodeError:
        rows.drop("bad-encoding")
    except (msgspec.DecodeError, RecursionError, ValueError):
        rows.drop("malformed" if is_utf8(line) else "bad-encoding")
    return None


def is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def add_value(file: SourceFile, offset: int, text: object, rows: Rows, labels: dict[str, object]) -> None:
    """Take a row whose text may be anything that a table can hold."""
    if isinstance(text, str):
        rows.add(file, offset, text, **labels)
    elif isinstance(text, bytes):
        try:
            rows.add(file, offset, text.decode(), **labels)
        except UnicodeDecodeError:
            rows.drop("bad-encoding")
    else:
        rows.drop("empty" if text is None or text is msgspec.UNSET else "malformed")


def find_names(file: SourceFile) -> list[str]:
    """The keys of the first object in a file of JSON lines."""
    with open_source(file) as stream:
        for _, line in split_lines(read_blocks(stream), LARGEST_LINE):
            try:
                row = msgspec.json.decode(line or b"")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            if isinstance(row, dict):
                return [str(name) for name in row]
    return []


def missing_column(file: SourceFile, names: list[str]) -> DspipeError:
    there = ", ".join(name[:40] for name in names[:20]) or "none"
    return DspipeError(
        f"extract.sources.{file.source}: {file.path} has no column {file.column}; there are: {there}; "
        f'name the one that holds the text: text = "…"'
    )


def read_parquet(file: SourceFile, rows: Rows) -> Iterator[pa.RecordBatch]:
    """The documents of a Parquet file; an offset is the number of a row."""
    import pyarrow.parquet as pq

    row = 0
    with open_source(file) as stream:
        try:
            with pq.ParquetFile(stream) as parquet:
                columns = choose_columns(file, parquet.schema_arrow)
                for batch in parquet.iter_batches(256, columns=list(columns.values()), use_threads=False):
                    add_batch(file, row, batch, columns, rows)
                    row += batch.num_rows
                    if rows.full:
                        yield rows.take()
        except (pa.ArrowException, OSError, EOFError):
            stream.raise_failure()
            rows.drop("malformed")
    yield rows.take()


def choose_columns(file: SourceFile, schema: pa.Schema) -> dict[str, str]:
    """Our names of the columns that the file has, with the file's; the text must be among them."""
    if file.column not in schema.names:
        raise missing_column(file, schema.names)
    kind = schema.field(file.column).type
    if not (is_text(kind) or (pa.types.is_dictionary(kind) and is_text(kind.value_type))):
        raise DspipeError(
            f"extract.sources.{file.source}: column {file.column} of {file.path} holds {kind}, no text; "
            f'name the one that does: text = "…"; there are: {", ".join(schema.names[:20])}'
        )
    labels = {field: name for field, name in LABELS.items() if name in schema.names and name != file.column}
    return {"text": file.column} | labels


def is_text(kind: pa.DataType) -> bool:
    types = pa.types
    views = types.is_string_view(kind) or types.is_binary_view(kind)
    return views or types.is_string(kind) or types.is_large_string(kind) or is_binary(kind)


def is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def add_batch(
    file: SourceFile, first: int, batch: pa.RecordBatch, columns: dict[str, str], rows: Rows
) -> None:
    values = {field: list_values(batch.column(name)) for field, name in columns.items()}
    texts = values.pop("text")
    for index, text in enumerate(texts):
        add_value(file, first + index, text, rows, {field: column[index] for field, column in values.items()})


def list_values(column: pa.Array) -> list[Any]:
    """A column's values, strings as bytes, because a writer may have put anything into them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if is_text(column.type):
        column = column.cast(pa.large_binary())
    return list(column.to_pylist())


def read_text(file: SourceFile, rows: Rows) -> Iterator[pa.RecordBatch]:
    """The one document of a text file, in whatever charset."""
    limit = 4 * rows.max_characters  # no UTF-8 character is longer than four bytes
    content = bytearray()
    with open_source(file) as stream:
        try:
            for block in read_blocks(stream):
                content += block
                if len(content) > limit:
                    break
        except BrokenStream as broken:
            stream.raise_failure()
            rows.drop(broken.reason)
        else:
            if len(content) > limit:
                rows.drop("too-large")
            else:
                rows.add(file, 0, decode_text(bytes(content)))
    yield rows.take()
