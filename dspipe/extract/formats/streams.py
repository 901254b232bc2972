"""Turns a file, compressed or not, into blocks of bytes and these into lines, in bounded memory.

What a file is compressed with is told from its first bytes, not from its name. All that comes before a break
in the stream is given before the break is reported. A plain file can be entered anywhere, a compressed one
only at its beginning: there, offsets are of the uncompressed bytes.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import pyarrow as pa

from dspipe.extract.sources.file import Stream
from dspipe.extract.spans import Span

BLOCK = 1 << 20
SMALL_BLOCK = 64 << 10  # where a break loses the block that it is in
PIECE = 32 << 10  # of a block: what a member leaves of it is copied for the next one, which may be tiny


class BrokenStream(Exception):
    """The stream ends or goes wrong here; `reason` is one of `reasons.REASONS`."""

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
SKIPPABLE = {
    bytes([first]) + b"\x2a\x4d\x18": "zstd" for first in range(0x50, 0x60)
}  # as pzstd begins a file
ARROW = {b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"} | SKIPPABLE


def is_compressed(first: bytes) -> bool:
    """Whether a file that begins with these bytes, six at least, is one that `read_blocks` decompresses."""
    return any(first.startswith(magic) for magic in (*MEMBERS, *ARROW))


def read_blocks(stream: Stream, first: bytes | None = None) -> Iterator[bytes]:
    """The uncompressed bytes of a file, of which the `first` may have been read already.

    Raises:
        BrokenStream: after everything that could be read.
    """
    if first is None:
        first = read_block(stream)
    for magic, start in MEMBERS.items():
        if first.startswith(magic):
            return inflate_members(Pieces(stream, first), start)
    for magic, codec in ARROW.items():
        if first.startswith(magic):
            return inflate_with_arrow(Replay(stream, first), codec)
    return read_plain(stream, first)


def read_block(stream: Stream, size: int = BLOCK) -> bytes:
    try:
        return stream.read(size)
    except Exception as error:
        raise BrokenStream("malformed") from error


def read_plain(stream: Stream, block: bytes) -> Iterator[bytes]:
    while block:
        yield block
        block = read_block(stream)


class Pieces:
    """The bytes of a stream, of which the first were read already, in small pieces."""

    def __init__(self, stream: Stream, block: bytes) -> None:
        self._stream = stream
        self._block = block
        self._used = 0

    def take(self) -> bytes:
        """The next piece; empty at the end."""
        if self._used >= len(self._block):
            self._block, self._used = read_block(self._stream), 0
        piece = self._block[self._used : self._used + PIECE]
        self._used += PIECE
        return piece


def inflate_members(pieces: Pieces, start: Callable[[], Decompressor]) -> Iterator[bytes]:
    """One member after the other, a block of output at a time: a small file may hold petabytes."""
    member, piece = start(), pieces.take()
    while True:
        try:
            output = member.decompress(piece, BLOCK)
        except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError) as error:
            raise BrokenStream("malformed") from error
        if output:
            yield output
        if member.eof:
            piece = find_member(member.unused_data, pieces)
            if not piece:
                return
            member = start()
            continue
        # zlib hands back what it has not used yet, the others keep it
        piece = getattr(member, "unconsumed_tail", b"")
        if not piece and getattr(member, "needs_input", True):
            piece = pieces.take()
            if not piece and len(output) < BLOCK:
                raise BrokenStream("truncated")


def find_member(piece: bytes, pieces: Pieces) -> bytes:
    """The bytes from the next member on, or none: tapes, and who writes for them, pad with zeros."""
    piece = piece.lstrip(b"\0")
    while not piece and (more := pieces.take()):
        piece = more.lstrip(b"\0")
    return piece


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


class Blocks:
    """The uncompressed bytes of a file in blocks, where the next one begins, and where a span of it ends."""

    def __init__(self, blocks: Iterator[bytes], position: int = 0, end: int | None = None) -> None:
        self.position = position
        self.end = end  # None: where the file does
        self._blocks = blocks
        self._rest = b""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block, self._rest = self._rest or next(self._blocks), b""
        self.position += len(block)
        return block

    def is_behind(self, offset: int) -> bool:
        """Whether an offset lies behind the span."""
        return self.end is not None and offset >= self.end

    def skip_to(self, offset: int) -> None:
        """Pass over what lies before an offset."""
        while self.position < offset and (block := next(self, b"")):
            self.put_back(block[len(block) - max(0, self.position - offset) :])

    def skip_line(self) -> None:
        """Pass over what lies before the next line, and look for it no farther than the end of the span."""
        while not self.is_behind(self.position) and (block := next(self, b"")):
            if after := block.find(b"\n") + 1:
                return self.put_back(block[after:])

    def put_back(self, rest: bytes) -> None:
        """Have the end of what was taken again."""
        self._rest = rest + self._rest
        self.position -= len(rest)


def enter_lines(stream: Stream, span: Span) -> Blocks | None:
    """The bytes of a file from the first line of a span on, or None where the file has no way in there.

    A line begins where the byte before it is a line feed.

    Raises:
        BrokenStream: the file breaks before that line.
    """
    # A server tells only by its first answer whether it has ranges. All spans of a file must see the same.
    first = read_block(stream, BLOCK if span == Span() else 8)
    if is_compressed(first) or not stream.seekable():
        if span.begin and not span.exact:
            return None
        blocks = Blocks(read_blocks(stream, first))
        blocks.skip_to(span.begin)
        return blocks
    if span.begin == 0:
        return Blocks(read_plain(stream, first), 0, span.end)
    start = stream.seek(span.begin - (not span.exact))
    blocks = Blocks(read_plain(stream, read_block(stream)), start, span.end)
    if not span.exact:
        blocks.skip_line()
    return blocks


def split_lines(
    blocks: Iterator[bytes], limit: int, offset: int = 0
) -> Iterator[tuple[int, bytes | None, int]]:
    """(where it begins, line without its line feed, where the next one begins) of every line.

    A line of more than `limit` bytes is None, and never held.
    """
    pieces: list[bytes] = []  # of a line that began in an earlier block
    length = 0
    for block in blocks:
        first, *lines = block.split(b"\n")
        pieces.append(first)
        length += len(first)
        if lines:
            end = offset + length + 1
            yield offset, b"".join(pieces) if length <= limit else None, end
            offset, last = end, lines.pop()
            for line in lines:
                end = offset + len(line) + 1
                yield offset, line if len(line) <= limit else None, end
                offset = end
            pieces, length = [last], len(last)
        if length > limit:
            pieces = []
    if length:
        yield offset, b"".join(pieces) if length <= limit else None, offset + length
