"""Columns of Arrow arrays → rows of strings, numbers and bytes, by our columns.

A column holds whatever its writer put there, any amount of it: what is too long for a label never becomes an
object, and a text is a view of its bytes where there are many.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dspipe.extract.formats.columns import LARGEST_LABEL, choose_columns, decode_label, list_names, refusal
from dspipe.extract.sources.file import SourceFile

Reader = Callable[[pa.Array], list[Any]]
ROWS_AT_ONCE = 256
BYTES_AT_ONCE = 16 << 20  # of texts that are copied
TIME = re.compile(r"(\d{4}-\d\d-\d\d)?T?(\d\d:\d\d:\d\d(\.\d+)?)?(Z|[+-]\d{4})?|-?\d+")


def choose_readers(file: SourceFile, schema: pa.Schema) -> dict[str, tuple[int, Reader]]:
    """For our columns the numbers of those of a file, and what reads their values; the text is among them.

    Raises:
        DspipeError: one sentence, when there is no such column, or it holds something else.
    """
    columns = choose_columns(file, schema.names)
    text = schema.types[columns["text"]]
    if not is_text(text.value_type if pa.types.is_dictionary(text) else text):
        problem = f"column {file.columns.text} of {file.path} holds {str(text)[:80]}, no text"
        raise refusal(file, f"{problem}; {list_names(schema.names)}; name the one that does")
    readers = {field: (number, find_reader(schema.types[number])) for field, number in columns.items()}
    labels = {field: (number, read) for field, (number, read) in readers.items() if read}
    return labels | {"text": (columns["text"], read_texts)}


def read_rows(columns: dict[str, tuple[pa.Array, Reader]]) -> Iterator[list[dict[str, Any]]]:
    """The rows of some arrays of one length, a few at a time."""
    length = len(columns["text"][0])
    for start in range(0, length, ROWS_AT_ONCE):
        values = [read(column.slice(start, ROWS_AT_ONCE)) for column, read in columns.values()]
        yield [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def read_texts(column: pa.Array) -> list[bytes | memoryview | None]:
    """Strings as bytes, because nobody has made sure that they are UTF-8."""
    if isinstance(column, pa.DictionaryArray):
        return read_entries(column, read_texts)
    if not is_view(column.type) and (pc.sum(pc.binary_length(column)).as_py() or 0) <= BYTES_AT_ONCE:
        return list(as_bytes(column).to_pylist())
    return [memoryview(value.as_buffer()) if value.is_valid else None for value in column]


def read_entries(column: pa.DictionaryArray, read: Reader) -> list[Any]:
    """Values of a dictionary, of which every row may have the same large one."""
    numbers = column.indices.to_pylist()
    used = list(dict.fromkeys(number for number in numbers if number is not None))
    values = {number: read(column.dictionary.slice(number, 1))[0] for number in used}
    return [None if number is None else values[number] for number in numbers]


def find_reader(kind: pa.DataType) -> Reader | None:
    """What reads a label of a type; None for types that make no label."""
    types = pa.types
    if types.is_dictionary(kind):
        read = find_reader(kind.value_type)
        return (lambda column: read_entries(column, read)) if read else None
    if is_text(kind) or types.is_fixed_size_binary(kind):
        return read_labels
    if types.is_temporal(kind):
        return read_times
    return pa.Array.to_pylist if types.is_integer(kind) or types.is_floating(kind) else None


def read_labels(column: pa.Array) -> list[str | None]:
    if is_view(column.type):
        return [decode_label(memoryview(value.as_buffer())) if value.is_valid else None for value in column]
    fits = pc.less_equal(pc.binary_length(column), LARGEST_LABEL)
    if not pc.all(fits, min_count=0).as_py():
        column = pc.if_else(fits, column, pa.scalar(None, column.type))
    return [None if value is None else decode_label(value) for value in as_bytes(column).to_pylist()]


def as_bytes(column: pa.Array) -> pa.Array:
    """An array of strings as one of bytes, which anything may be."""
    types = pa.types
    if types.is_string(column.type):
        return column.view(pa.binary())
    return column.view(pa.large_binary()) if types.is_large_string(column.type) else column


def read_times(column: pa.Array) -> list[str | None]:
    """Dates and times as ISO 8601, durations as numbers, written by Arrow: Python has no nanoseconds."""
    try:
        words = column.cast(pa.string(), safe=False).to_pylist()
    except (pa.ArrowException, ValueError):  # a time zone that nobody knows
        return [None] * len(column)
    # what is out of range comes out as a remark, or as nonsense of figures
    times = [word and word.replace(" ", "T", 1) for word in words]
    return [time if time and TIME.fullmatch(time) else None for time in times]


def is_text(kind: pa.DataType) -> bool:
    types = pa.types
    strings = types.is_string(kind) or types.is_large_string(kind) or is_view(kind)
    return bool(strings or types.is_binary(kind) or types.is_large_binary(kind))


def is_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))
