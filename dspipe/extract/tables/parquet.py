"""Parquet files → their row groups, and of each batches of rows, in bounded memory.

A row group stands where its first page does; it belongs to the span in which that offset lies. Offsets of
rows are their numbers in the whole file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dspipe.extract.formats.streams import BLOCK, BrokenStream
from dspipe.extract.reasons import Unusable
from dspipe.extract.sources.file import Stream
from dspipe.extract.tables.batches import Block
from dspipe.extract.tables.parquet_pages import choose_rows, read_chunk
from dspipe.extract.tables.thrift import read_struct

LARGEST_FOOTER = 64 << 20  # bytes
LARGEST_HOLD = 64 << 20  # bytes of a row group that are fetched at once
MOST_ROWS = 1 << 40
ROW_GROUPS = 4  # the field of a footer


class Held:
    """A stream of which parts are in memory: what is read piecemeal, here and there, is fetched at once."""

    closed = False

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._position = 0
        self._parts: list[tuple[int, bytes]] = []

    def hold(self, ranges: list[tuple[int, int]]) -> None:
        """Fetch these ranges of bytes instead of others, the small ones first, as far as there is room."""
        self._parts = []
        room = LARGEST_HOLD
        for start, end in sorted(ranges, key=lambda pair: pair[1] - pair[0]):
            room -= end - start
            if room < 0:
                return
            self._stream.seek(start)
            self._parts.append((start, self._stream.read(end - start)))

    def read(self, size: int = -1) -> bytes:
        data = self._find(size)
        if data is None:
            self._stream.seek(self._position)
            data = self._stream.read(size)
        self._position += len(data)
        return data

    def _find(self, size: int) -> bytes | None:
        for start, part in self._parts:
            if start <= self._position < start + len(part):
                return part[self._position - start :][:size]
        return None

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = (
            self._stream.seek(offset, whence) if whence == 2 else offset + whence * self._position
        )
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None: ...


class ParquetFile:
    """An opened Parquet file: its schema, its row groups, and their rows.

    A row group stands where the first page of its first column does.

    What the footer says of columns is read here, and not by Arrow, which may abort the process when that has
    no sense.

    Arrow meets what is wrong in a file with a dozen kinds of exceptions, Python's own among them.
    """

    enterable = True

    def __init__(self, stream: Stream) -> None:
        """Read the footer.

        Raises:
            BrokenStream: there is none, or no sense in it.
        """
        self._held = Held(stream)
        self._remote = "://" in stream.file.address
        try:
            size = self._held.seek(0, 2)
            self.groups = read_groups(self._held, size)
            self._places = list(find_places(self.groups, size))
            self._file = pq.ParquetFile(
                self._held, buffer_size=BLOCK, pre_buffer=False, page_checksum_verification=True
            )
            self.schema: pa.Schema = self._file.schema_arrow
            self._names: list[str] = self.schema.names  # raises for one that is not UTF-8
        except Exception as error:
            raise BrokenStream("malformed") from error

    def blocks(self, columns: list[int]) -> Iterator[Block]:
        """The row groups, with the columns of these numbers, none of which is nested."""
        names = [self._names[number] for number in columns]
        for number, (position, first, end) in enumerate(self._places):
            yield Block(position, first, end, partial(self._read, number, end - first, names))

    def _read(self, group: int, rows: int, names: list[str], skip: int) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._read_group(group, rows, names):
                if skip < batch.num_rows:
                    yield batch.slice(skip).select(names)
                skip = max(0, skip - batch.num_rows)
        except (Unusable, BrokenStream):
            raise
        except Exception as error:
            raise BrokenStream("malformed") from error

    def _read_group(self, group: int, rows: int, names: list[str]) -> Iterator[pa.RecordBatch]:
        leaves = [
            (number, leaf)
            for number, leaf in enumerate(self._file.schema)
            if leaf.path in names or leaf.path.startswith(tuple(f"{name}." for name in names))
        ]
        stored = [self.groups[group].chunks[number] for number, _ in leaves]
        if self._remote:
            self._held.hold([(start, end) for start, end, _ in stored])
        chunks = [
            read_chunk(self._held, *place, find_length(leaf))
            for place, (_, leaf) in zip(stored, leaves, strict=True)
        ]
        window = choose_rows(chunks)
        known = min(chunk.values for chunk in chunks)
        batches = self._file.iter_batches(window, [group], names, use_threads=False)
        for row in range(0, rows, window):
            # a page whose header makes no sense to us may hold anything, should Arrow find one in it
            if min(row + window, rows) > known:
                raise BrokenStream("malformed")
            yield next(batches)


@dataclass(frozen=True)
class Group:
    """A row group."""

    rows: int
    chunks: list[tuple[int, int, int]]  # of its columns: where they begin and end, and their codec


def read_groups(held: Held, size: int) -> list[Group]:
    """The row groups of a file of so many bytes; raises `ValueError` for a footer that is too large."""
    held.seek(max(0, size - 8))
    length = int.from_bytes(held.read(8)[:4], "little")
    if length > min(size - 8, LARGEST_FOOTER):
        raise ValueError("no footer")
    held.seek(size - 8 - length)
    fields, _ = read_struct(held.read(length), converters={ROW_GROUPS: parse_group})
    return list(fields.get(ROW_GROUPS, []))


def find_places(groups: list[Group], size: int) -> Iterator[tuple[int, int, int]]:
    """Where each row group of a file of so many bytes stands, its first row, and the one behind its last.

    They stand one behind the other, whatever the footer says, so that spans in order are rows in order.
    """
    position = first = 0
    for group in groups:
        if not 0 <= group.rows <= MOST_ROWS or first > MOST_ROWS:
            raise ValueError("no number of rows")
        if group.chunks:
            position = max(position, min(group.chunks[0][0], size - 1))
        yield position, first, first + group.rows
        first += group.rows


def parse_group(fields: dict[int, Any]) -> Group:
    """What is wanted of a row group."""
    chunks = [chunk.get(3, {}) for chunk in fields.get(1, [])]
    return Group(fields.get(3, 0), [locate(chunk) for chunk in chunks])


def locate(chunk: dict[int, Any]) -> tuple[int, int, int]:
    """Where the pages of a column chunk begin and end, and their codec."""
    start = min((offset for offset in (chunk.get(9, 0), chunk.get(11, 0)) if offset > 0), default=0)
    return start, start + chunk.get(7, 0), chunk.get(4, 0)


def find_length(leaf: pq.ColumnSchema) -> int | None:
    """The bytes of a value; None where they differ."""
    if leaf.physical_type == "BYTE_ARRAY":
        return None
    return int(leaf.length) if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY" else 12
