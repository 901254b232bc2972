"""Arrow files → their record batches, in bounded memory.

A file with a footer is the same as a stream with something before and behind it, and is read as one. Messages
are looked at one by one, and those that are wanted are handed to Arrow: so none is decompressed that is
passed over, or that would take too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from dspipe.extract.formats.streams import Blocks, BrokenStream, is_compressed, read_block, read_blocks
from dspipe.extract.reasons import Unusable
from dspipe.extract.sources.file import Stream
from dspipe.extract.tables.arrow_messages import (
    DICTIONARY,
    RECORDS,
    SCHEMA,
    Mapped,
    Message,
    Sequential,
    Source,
    measure,
    number_buffers,
    walk_messages,
)
from dspipe.extract.tables.batches import Block
from dspipe.extract.tables.values import as_bytes, is_text

MAGIC = b"ARROW1\0\0"
FOOTER = 10  # bytes behind a footer: its length, and the magic
LARGEST_BATCH = 512 << 20  # bytes of the wanted columns of a batch, decompressed


class Feed:
    """A file that holds the messages which Arrow is to read next."""

    closed = False

    def __init__(self, parts: list[pa.Buffer]) -> None:
        self._parts = list(parts)

    def put(self, *parts: pa.Buffer) -> None:
        self._parts += parts

    def read(self, size: int = -1) -> pa.Buffer:
        """The next bytes, as far as they lie in one part, which is how they are asked for."""
        while self._parts and not self._parts[0].size:
            self._parts.pop(0)
        if not self._parts:
            return pa.py_buffer(b"")
        part = self._parts[0]
        size = min(size, part.size)
        self._parts[0] = part.slice(size)
        return part.slice(0, size)

    def readable(self) -> bool:
        return True

    def close(self) -> None: ...


class ArrowFile:
    """An opened Arrow file: its schema, its record batches, and their rows."""

    def __init__(self, stream: Stream) -> None:
        """Read the schema.

        Raises:
            BrokenStream: there is none, or no sense in it.
        """
        first = read_block(stream, 8)
        self.enterable = "://" not in stream.file.address and not is_compressed(first)
        self._reader: pa.ipc.RecordBatchStreamReader | None = None
        try:
            if self.enterable:
                self._source, self._whole = map_file(stream.file.address)
            else:
                self._source, self._whole = read_in_order(Blocks(read_blocks(stream, first)))
            self._messages = walk_messages(self._source)
            message = next(self._messages)
            if message is None or message.kind != SCHEMA:
                raise BrokenStream("malformed")
            self._head = [pa.py_buffer(message.head)]  # the schema, and the dictionaries so far
            self.schema: pa.Schema = pa.ipc.read_schema(self._head[0])
            self._names: list[str] = self.schema.names  # raises for one that is not UTF-8
        except BrokenStream:
            raise
        except Exception as error:
            raise BrokenStream("malformed") from error

    def blocks(self, columns: list[int]) -> Iterator[Block]:
        """The record batches; they must be read as they come, with the columns of these numbers.

        A break in the file is the last of them.
        """
        position = row = 0
        try:
            for message in self._messages:
                if message is None:
                    if self._whole and not self._source.ended:
                        raise BrokenStream("malformed")
                    return
                position = message.begin if self.enterable else 0
                if message.kind == DICTIONARY:
                    self._take_dictionary(message)
                elif message.kind == RECORDS:
                    yield Block(position, row, row + message.rows, partial(self._read, message, columns))
                    row += message.rows
                else:  # no other is in a table
                    yield Block(position, row, row + 1, partial(fail, BrokenStream("malformed")))
                    row += 1
            if not self._whole:
                raise BrokenStream("truncated")
        except BrokenStream as broken:
            yield Block(position, row, row + 1, partial(fail, broken))

    def _take_dictionary(self, message: Message) -> None:
        """Hand a dictionary to Arrow; without one that is too large, the batches that need it are lost."""
        if message.body <= LARGEST_BATCH:
            body = self._source.take(message.body)
            if measure(message, body, list(range(len(message.buffers)))) <= LARGEST_BATCH:
                self._head += [pa.py_buffer(message.head), body]
                if self._reader is not None:
                    self._feed.put(*self._head[-2:])

    def _read(self, message: Message, columns: list[int], skip: int) -> Iterator[pa.RecordBatch]:
        if message.body > LARGEST_BATCH and not self.enterable:
            raise Unusable("too-large")
        body = self._source.take(message.body)
        if measure(message, body, number_buffers(self.schema, columns, message.variadic)) > LARGEST_BATCH:
            raise Unusable("too-large")
        try:
            if self._reader is None:
                self._feed = Feed(self._head)
                options = pa.ipc.IpcReadOptions(included_fields=columns, use_threads=False)
                self._reader = pa.ipc.open_stream(pa.PythonFile(self._feed, "r"), options=options)
            self._feed.put(pa.py_buffer(message.head), body)
            batch = self._reader.read_next_batch()
            check_batch(batch, message.rows)
        except Exception as error:
            self._reader = None  # which may be left in the middle of something
            raise BrokenStream("malformed") from error
        yield batch.slice(skip)


def map_file(path: str) -> tuple[Source, bool]:
    """The messages of a local file, and whether its end is there, as far as that can be told."""
    data = pa.memory_map(path).read_buffer()
    if data.slice(0, 6).to_pybytes() != MAGIC[:6]:
        return Mapped(data, 0), True
    end = data.slice(max(0, data.size - FOOTER)).to_pybytes()
    if len(end) < FOOTER or end[4:] != MAGIC[:6]:
        return Mapped(data, len(MAGIC)), False
    start = data.size - FOOTER - int.from_bytes(end[:4], "little")
    if start < len(MAGIC):
        raise BrokenStream("malformed")
    return Mapped(data.slice(0, start), len(MAGIC)), True


def read_in_order(blocks: Blocks) -> tuple[Source, bool]:
    """The same for a file that can only be read from its beginning on; its end is where it says so."""
    source = Sequential(blocks)
    head = source.take(len(MAGIC)).to_pybytes()
    if head[:6] == MAGIC[:6]:
        return source, False
    blocks.put_back(head)
    return source, True


def check_batch(batch: pa.RecordBatch, rows: int) -> None:
    """Raise where a batch refers to what lies outside of it: Arrow would read there."""
    if batch.num_rows != rows:
        raise ValueError("another number of rows")
    for column in batch.columns:
        if len(column) != rows:
            raise ValueError("another number of rows")
        column.validate()
        if isinstance(column, pa.DictionaryArray):
            check_range(column)
            column = column.dictionary
            column.validate()
        if is_text(column.type):
            as_bytes(column).validate(full=True)


def check_range(column: pa.DictionaryArray) -> None:
    """Raise where an entry of a dictionary is meant that is not there."""
    least, most = pc.min_max(column.indices).values()
    if least.is_valid and not 0 <= least.as_py() <= most.as_py() < len(column.dictionary):
        raise ValueError("no such entry")


def fail(broken: BrokenStream, skip: int) -> Iterator[pa.RecordBatch]:
    """What reading gives where nothing can be read."""
    raise broken
