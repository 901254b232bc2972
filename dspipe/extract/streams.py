"""Turns a file, compressed or not, into blocks of bytes and these into lines, in bounded memory.

What a file is compressed with is told from its first bytes, not from its name. All that comes before a break
in the stream is given before the break is reported.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa

from dspipe.extract.files import Stream

BLOCK = 1 << 20
SMALL_BLOCK = 64 << 10  # where a break loses the block that it is in


class BrokenStream(Exception):
    """The stream ends or goes wrong here; `reason` is one of `rows.REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Decompressor(Protocol):
    """What the standard library's decompressors of one member or stream have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


MEMBERS: dict[bytes, Callable[[], Decompressor]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
}
ARROW = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}


def read_blocks(stream: Stream) -> Iterator[bytes]:
    """The uncompressed bytes of a file.

    Raises:
        BrokenStream: after everything that could be read.
    """
    first = read_block(stream)
    for magic, start in MEMBERS.items():
        if first.startswith(magic):
            return inflate_members(stream, first, start)
    for magic, codec in ARROW.items():
        if first.startswith(magic):
            return inflate_with_arrow(Replay(stream, first), codec)
    return read_plain(stream, first)


def read_block(stream: Stream) -> bytes:
    try:
        return stream.read(BLOCK)
    except Exception as error:
        raise BrokenStream("malformed") from error


def read_plain(stream: Stream, block: bytes) -> Iterator[bytes]:
    while block:
        yield block
        block = read_block(stream)


def inflate_members(stream: Stream, block: bytes, start: Callable[[], Decompressor]) -> Iterator[bytes]:
    """One member after the other, a block of output at a time: a small file may hold petabytes."""
    member = start()
    while True:
        try:
            output = member.decompress(block, BLOCK)
        except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError) as error:
            raise BrokenStream("malformed") from error
        yield output
        if member.eof:
            block = (member.unused_data or read_block(stream)).lstrip(b"\0")  # tapes pad with zeros
            if not block:
                return
            member = start()
            continue
        # zlib hands back what it has not used yet, the others keep it
        block = getattr(member, "unconsumed_tail", b"")
        if not block and getattr(member, "needs_input", True):
            block = read_block(stream)
            if not block and len(output) < BLOCK:
                raise BrokenStream("truncated")


class Replay:
    """A stream whose first block was read already."""

    closed = False

    def __init__(self, stream: Stream, first: bytes) -> None:
        self._stream = stream
        self._first = first

    def read(self, size: int = -1) -> bytes:
        if self._first:
            head, self._first = self._first[:size], self._first[size:]
            return head
        return self._stream.read(size)

    def readable(self) -> bool:
        return True

    def close(self) -> None: ...


def inflate_with_arrow(stream: Replay, codec: str) -> Iterator[bytes]:
    try:
        with pa.CompressedInputStream(pa.PythonFile(stream, "r"), codec) as inflated:
            while block := inflated.read(SMALL_BLOCK):
                yield block
    except OSError as error:
        raise BrokenStream("truncated" if "Truncated" in str(error) else "malformed") from error


def split_lines(blocks: Iterator[bytes], limit: int) -> Iterator[tuple[int, bytes | None]]:
    """(offset, line without its line feed) of every line; None for one of more than `limit` bytes."""
    offset, rest, forgotten = 0, b"", 0
    for block in blocks:
        first, *more = block.split(b"\n")
        rest += first
        for piece in more:
            yield offset, None if forgotten or len(rest) > limit else rest
            offset += forgotten + len(rest) + 1
            rest, forgotten = piece, 0
        if len(rest) > limit:
            forgotten, rest = forgotten + len(rest), b""
    if rest or forgotten:
        yield offset, None if forgotten else rest
