"""Reads tables of text: JSON lines, Parquet, and plain text files with one document each.

JSON lines are read in blocks and never held as a whole, whatever they are compressed with, and of a line only
the wanted values become objects. Of Parquet only the columns are read that become columns of `documents`, one
row at a time: one entry of a dictionary may be the value of every row, and nothing that a file says of itself
bounds what a batch of rows takes.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pyarrow as pa

from dspipe.extract.files import SourceFile, Stream, open_source, print_safely
from dspipe.extract.page import decode_text
from dspipe.extract.rows import LONGEST_LABEL, Rows
from dspipe.extract.streams import BrokenStream, read_blocks, split_lines
from dspipe.recipe import DspipeError

Reader = Callable[[pa.Scalar], object]
LABELS = {"source_id": "id", "url": "url", "date": "date", "license": "license", "language": "language"}
TIME = re.compile(r"(\d{4}-\d\d-\d\d)?T?(\d\d:\d\d:\d\d(\.\d+)?)?(Z|[+-]\d{4})?|-?\d+")
LARGEST_LINE = 64 << 20  # bytes of JSON
LARGEST_SAMPLE = 1 << 20  # bytes of a line whose keys are shown
LARGEST_LABEL = 12 * LONGEST_LABEL + 2  # bytes of JSON: a character takes up to two escapes of six
MOST_NAMES = 20  # columns in a message
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
                found = found or "text" in row
                lacking += not found
                if lacking == ENOUGH:
                    break
                add_value(file, offset, row.pop("text", None), rows, row)
                if rows.full:
                    yield rows.take()
        except BrokenStream as broken:
            stream.raise_failure()
            rows.drop(broken.reason)
        if lacking and not found:
            raise missing_column(file, find_names(file))
    yield rows.take()


def define_line(file: SourceFile) -> type[msgspec.Struct]:
    """A type with the fields that are wanted of a line, so that no others are built, and these not yet."""
    names = {"text": file.column} | {field: name for field, name in LABELS.items() if name != file.column}
    try:
        return msgspec.defstruct(
            "Line", [(field, msgspec.Raw, msgspec.UNSET) for field in names], rename=names
        )
    except ValueError:
        raise missing_column(file, find_names(file)) from None  # quotes and backslashes are not supported


def decode_line(decoder: msgspec.json.Decoder[Any], line: bytes, rows: Rows) -> dict[str, object] | None:
    """The fields of one line that are there, or None where it is blank, or dropped and counted."""
    if not line or line.isspace():
        return None
    try:
        fields = msgspec.structs.asdict(decoder.decode(line))
        return {name: decode_value(name, raw) for name, raw in fields.items() if raw is not msgspec.UNSET}
    except UnicodeDecodeError:
        rows.drop("bad-encoding")
    except (msgspec.DecodeError, RecursionError, ValueError):
        rows.drop("malformed" if is_utf8(line) else "bad-encoding")
    return None


def decode_value(name: str, raw: msgspec.Raw) -> object:
    """A string, a number, …; of a list or an object, which may be of a million empty ones, an empty list."""
    view = memoryview(raw)
    if view[0] in b"[{":
        return []
    if name != "text" and len(view) > LARGEST_LABEL:
        return None
    return msgspec.json.decode(raw)


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
    elif isinstance(text, memoryview):
        if len(text) > 4 * rows.max_characters:  # no UTF-8 character is longer than four bytes
            return rows.drop("too-large")
        try:
            rows.add(file, offset, str(text, "utf-8"), **labels)
        except UnicodeDecodeError:
            rows.drop("bad-encoding")
    else:
        rows.drop("empty" if text is None else "malformed")


def find_names(file: SourceFile) -> list[str]:
    """The keys of the first object in a file of JSON lines, or none where that is too large or too broken."""
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    with open_source(file) as stream:
        try:
            for _, line in split_lines(read_blocks(stream), LARGEST_SAMPLE):
                try:
                    return list(decoder.decode(line or b""))
                except (msgspec.DecodeError, RecursionError, ValueError):
                    continue
        except BrokenStream:
            stream.raise_failure()
    return []


def missing_column(file: SourceFile, names: list[str]) -> DspipeError:
    return refusal(
        file,
        f"{file.path} has no column {file.column}; {list_names(names)}; name the one that holds the text",
    )


def list_names(names: list[str]) -> str:
    more = ", …" if len(names) > MOST_NAMES else ""
    return "there are: " + (", ".join(name[:40] for name in names[:MOST_NAMES]) or "none") + more


def refusal(file: SourceFile, problem: str) -> DspipeError:
    """The error for a file whose text column the recipe does not name rightly."""
    return DspipeError(print_safely(f'extract.sources.{file.source}: {problem}: text = "…"'))


def read_parquet(file: SourceFile, rows: Rows) -> Iterator[pa.RecordBatch]:
    """The documents of a Parquet file; an offset is the number of a row."""
    with open_source(file) as stream:
        try:
            for row, values in enumerate(iterate_rows(file, stream)):
                add_value(file, row, values.pop("text"), rows, values)
                if rows.full:
                    yield rows.take()
        except BrokenStream as broken:
            stream.raise_failure()
            rows.drop(broken.reason)
    yield rows.take()


def iterate_rows(file: SourceFile, stream: Stream) -> Iterator[dict[str, object]]:
    """The rows of a Parquet file; raises `BrokenStream` where nothing more can be made of its bytes.

    Arrow meets what is wrong in a file with a dozen kinds of exceptions, Python's own among them.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(stream) as parquet:
            columns = choose_columns(file, parquet.schema_arrow)
            for batch in parquet.iter_batches(
                1, columns=[name for name, _ in columns.values()], use_threads=False
            ):
                yield {field: read(batch.column(name)[0]) for field, (name, read) in columns.items()}
    except DspipeError:
        raise
    except Exception as error:
        raise BrokenStream("malformed") from error


def choose_columns(file: SourceFile, schema: pa.Schema) -> dict[str, tuple[str, Reader]]:
    """For our columns those of the file, and how to read a value; the text must be among them."""
    names, count = schema.names, Counter(schema.names)
    if file.column not in count:
        raise missing_column(file, names)
    if count[file.column] > 1:
        raise refusal(
            file, f"{file.path} has {count[file.column]} columns {file.column}; rename one or name another"
        )
    kind = schema.field(file.column).type
    if not is_text(kind.value_type if pa.types.is_dictionary(kind) else kind):
        problem = f"column {file.column} of {file.path} holds {str(kind)[:80]}, no text"
        raise refusal(file, f"{problem}; {list_names(names)}; name the one that does")
    labels = {field: name for field, name in LABELS.items() if count[name] == 1 and name != file.column}
    readers = {field: (name, find_reader(schema.field(name).type)) for field, name in labels.items()}
    taken = {field: (name, read) for field, (name, read) in readers.items() if read}
    return {"text": (file.column, read_entry if pa.types.is_dictionary(kind) else read_bytes)} | taken


def find_reader(kind: pa.DataType) -> Reader | None:
    """What reads a label of a type; None for types that make no label."""
    types = pa.types
    if types.is_dictionary(kind):
        return read_entry if is_text(kind.value_type) else None
    if is_text(kind) or types.is_fixed_size_binary(kind):
        return read_bytes
    if types.is_temporal(kind):
        return read_time
    return read_number if types.is_integer(kind) or types.is_floating(kind) else None


def read_entry(value: pa.Scalar) -> memoryview | None:
    return read_bytes(value.value) if value.is_valid else None


def read_bytes(value: pa.Scalar) -> memoryview | None:
    """A string as bytes, not copied, because a writer may have put anything and any amount into it."""
    return memoryview(value.as_buffer()) if value.is_valid else None


def read_number(value: pa.Scalar) -> object:
    return value.as_py()


def read_time(value: pa.Scalar) -> str | None:
    """A date or time as ISO 8601, a duration as a number, written by Arrow: Python has no nanoseconds."""
    try:
        words = (value.cast(pa.string(), safe=False).as_py() or "").replace(" ", "T", 1)
    except (pa.ArrowException, ValueError):  # a time zone that nobody knows
        return None
    # what is out of range comes out as a remark, or as nonsense of figures
    return words if words and TIME.fullmatch(words) else None


def is_text(kind: pa.DataType) -> bool:
    types = pa.types
    views = types.is_string_view(kind) or types.is_binary_view(kind)
    return views or types.is_string(kind) or types.is_large_string(kind) or is_binary(kind)


def is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


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
