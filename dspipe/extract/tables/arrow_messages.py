"""Bytes of an Arrow stream → its messages, and what each takes when it is decompressed.

A message is metadata, a flatbuffer, and a body. Only what is needed to pass a message over, or to refuse it,
is read here; Arrow reads the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from dspipe.extract.formats.streams import Blocks, BrokenStream
from dspipe.extract.tables.flatbuffer import Table

CONTINUATION = b"\xff\xff\xff\xff"
SCHEMA, DICTIONARY, RECORDS = 1, 2, 3
LARGEST_METADATA = 64 << 20  # bytes
MOST_ROWS = 1 << 40


class Source(Protocol):
    """Bytes in order."""

    @property
    def position(self) -> int: ...
    @property
    def ended(self) -> bool:
        """Whether there is nothing more."""

    def take(self, size: int) -> pa.Buffer:
        """The next bytes; raises `BrokenStream` where there are not so many."""

    def skip_to(self, position: int) -> None:
        """Pass over what lies before an offset, as far as there is anything."""


class Mapped:
    """A local file in memory, without a copy."""

    def __init__(self, data: pa.Buffer, position: int) -> None:
        self.position = position
        self._data = data

    @property
    def ended(self) -> bool:
        return bool(self.position == self._data.size)

    def take(self, size: int) -> pa.Buffer:
        if size > self._data.size - self.position:
            raise BrokenStream("truncated")
        self.position += size
        return self._data.slice(self.position - size, size)

    def skip_to(self, position: int) -> None:
        self.position = min(position, self._data.size)


class Sequential:
    """Blocks of bytes, of which each is seen once."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks

    @property
    def position(self) -> int:
        return self._blocks.position

    @property
    def ended(self) -> bool:
        block = next(self._blocks, b"")
        self._blocks.put_back(block)
        return not block

    def take(self, size: int) -> pa.Buffer:
        data = bytearray()
        while len(data) < size and (block := next(self._blocks, b"")):
            data += block
        if len(data) < size:
            raise BrokenStream("truncated")
        self._blocks.put_back(bytes(data[size:]))
        del data[size:]
        return pa.py_buffer(data)

    def skip_to(self, position: int) -> None:
        self._blocks.skip_to(position)


@dataclass(frozen=True)
class Message:
    """One message, its body not read yet."""

    kind: int
    begin: int  # offset of its first byte
    metadata: pa.Buffer
    body: int  # bytes
    rows: int  # of a record batch
    buffers: tuple[tuple[int, ...], ...]  # of a batch: offset in the body, bytes
    compressed: bool
    variadic: tuple[int, ...]  # how many buffers its columns of views have beyond two

    @property
    def head(self) -> bytes:
        """The message without its body, as Arrow reads it."""
        metadata: bytes = self.metadata.to_pybytes()
        return CONTINUATION + struct.pack("<i", len(metadata)) + metadata


def walk_messages(source: Source) -> Iterator[Message | None]:
    """The messages of a stream, and None for its end, where that is told.

    After each the source stands at its body, and may be read as far as that goes.

    Raises:
        BrokenStream: a message has no end, or makes no sense.
    """
    while not source.ended:
        begin = source.position
        head = source.take(4).to_pybytes()
        if head == CONTINUATION:  # older writers left that out
            head = source.take(4).to_pybytes()
        size = int.from_bytes(head, "little")
        if size == 0:
            yield None
            return
        if size > LARGEST_METADATA:
            raise BrokenStream("malformed")
        message = parse_message(begin, source.take(size))
        end = source.position + message.body
        yield message
        with suppress(BrokenStream):
            source.skip_to(end)
        if source.position < end and not message.rows:
            raise BrokenStream("truncated")
        if source.position < end:  # who reads the rows is told
            yield None
            return


def parse_message(begin: int, metadata: pa.Buffer) -> Message:
    """What a flatbuffer says of a message."""
    try:
        table = Table(metadata, 0).follow(0)
        kind, inner, body = table.number(1, "B"), table.table(2), table.number(3, "q")
        batch = inner.table(1) if kind == DICTIONARY and inner else inner
        if kind not in (DICTIONARY, RECORDS) or batch is None:
            message = Message(kind, begin, metadata, body, 0, (), False, ())
        else:
            rows = batch.number(0, "q") if kind == RECORDS else 0
            compressed = batch.table(3) is not None
            buffers, variadic = batch.vector(2, "qq"), [count for (count,) in batch.vector(4, "q")]
            message = Message(kind, begin, metadata, body, rows, buffers, compressed, tuple(variadic))
    except (struct.error, ValueError) as error:
        raise BrokenStream("malformed") from error
    if body < 0 or not 0 <= message.rows <= MOST_ROWS:
        raise BrokenStream("malformed")
    return message


def measure(message: Message, body: pa.Buffer, numbers: list[int]) -> int:
    """The bytes that the buffers of these numbers in a batch take when they are decompressed."""
    size = 0
    for number in numbers:
        offset, length = message.buffers[number] if number < len(message.buffers) else (0, 0)
        if message.compressed and 0 <= offset <= body.size - 8 and length >= 8:
            size += max(0, struct.unpack_from("<q", body, offset)[0])
    return size


def number_buffers(schema: pa.Schema, columns: list[int], variadic: tuple[int, ...]) -> list[int]:
    """The numbers of the buffers that some columns of a batch have."""
    views = iter(variadic)
    numbers: list[int] = []
    first = 0
    for column, kind in enumerate(schema.types):
        count = count_buffers(kind, views)
        if column in columns:
            numbers.extend(range(first, first + count))
        first += count
    return numbers


def count_buffers(kind: pa.DataType, views: Iterator[int]) -> int:
    """How many buffers a column of a type has in a message."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return 2 + next(views, 0)
    if types.is_dictionary(kind):
        return 2
    own = next((count for count, test in BUFFERS if test(kind)), 2)
    return own + sum(count_buffers(kind.field(number).type, views) for number in range(kind.num_fields))


def is_long(kind: pa.DataType) -> bool:
    """Whether a type has a buffer of offsets and one of bytes."""
    types = pa.types
    strings = types.is_string(kind) or types.is_large_string(kind)
    return bool(strings or types.is_binary(kind) or types.is_large_binary(kind))


BUFFERS = (
    (0, pa.types.is_null),
    (0, pa.types.is_run_end_encoded),
    (1, pa.types.is_struct),
    (1, pa.types.is_fixed_size_list),
    (3, is_long),
    (3, lambda kind: pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)),
    (1, lambda kind: pa.types.is_union(kind) and kind.mode == "sparse"),
)
