"""Turns stored bytes into uncompressed ones, one member of gzip, or one frame of zstd or lz4, at a time.

A member is given in pieces of bounded size, whatever it expands to, and afterwards it is known to the byte
where it ends. Frames of zstd and lz4 are decompressed by Arrow, which does not say that, so that their blocks
are walked over here.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol

import pyarrow as pa

from dspipe.extract.sources.file import Stream

BLOCK = 1 << 20
FIRST_BLOCK = 64 << 10  # after a jump, which may be for one record only
BEHIND = 192 << 10  # bytes before the place where damage is noticed in which it may have begun
FIRST_SLICE, SLICE = 8 << 10, 64 << 10  # zlib copies what it does not use of a slice
PIECE = 1 << 20
PROBE, PREFIX = 4 << 10, 16 << 10  # compressed and uncompressed bytes that tell a record
FRAME_PIECE = 64 << 10  # where damage loses the piece that it is in
LARGEST_BLOCK = 128 << 10  # of a zstd frame
GZIP, ZSTD, LZ4 = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"


class Damage(Exception):
    """The file ends or goes wrong here: `reason` is one of `REASONS`, `resume` where to look for a member."""

    def __init__(self, reason: str, resume: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resume = resume


class Window:
    """The stored bytes of a file around `offset`, where reading is."""

    def __init__(self, stream: Stream) -> None:
        self.offset = 0
        self._stream = stream
        self._data = memoryview(b"")
        self._begin = 0  # offset of the first byte of `_data`
        self._block = FIRST_BLOCK

    def peek(self, size: int) -> memoryview:
        """The next `size` bytes, fewer only at the file's end."""
        at = self.offset - self._begin
        if at + size > len(self._data):
            self._load(size)
            at = self.offset - self._begin
        return self._data[at : at + size]

    def _load(self, size: int) -> None:
        kept = self._data[max(0, self.offset - self._begin - BEHIND) :]
        self._begin += len(self._data) - len(kept)
        pieces, needed = [bytes(kept)], self.offset - self._begin + size - len(kept)
        while needed > 0 and (block := self._read(max(needed, self._block))):
            pieces.append(block)
            needed -= len(block)
            self._block = BLOCK
        self._data = memoryview(b"".join(pieces))

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except Exception:
            self._stream.raise_failure()
            raise

    def move(self, offset: int) -> None:
        """Go to any place of the file, to its end if it has ended before."""
        size = self._stream.file.bytes
        offset = offset if size is None else min(offset, size)
        if not self._begin <= offset <= self._begin + len(self._data):
            self._stream.seek(offset)
            self._data, self._begin, self._block = memoryview(b""), offset, FIRST_BLOCK
        self.offset = offset

    @property
    def jumps(self) -> bool:
        """Whether going far costs little, and never leads behind the end."""
        return self._stream.seekable() and self._stream.file.bytes is not None


class Codec(Protocol):
    """Reads one member after the other: `start` where the window is, then `read` until nothing comes."""

    magic: bytes  # with which each begins

    def probe(self) -> bytes:
        """Some bytes of what a member that may begin where the window is expands to, or none."""

    def start(self) -> None: ...

    def read(self) -> bytes:
        """The next piece of the member; nothing at its end, behind which the window then is.

        Raises:
            Damage: behind everything that could be read.
        """


class Gzip:
    """Members as `gzip` writes them."""

    magic = GZIP

    def __init__(self, window: Window) -> None:
        self._window = window

    def probe(self) -> bytes:
        try:
            return zlib.decompressobj(31).decompress(self._window.peek(PROBE), PREFIX)
        except zlib.error:
            return b""

    def start(self) -> None:
        self._begin = self._window.offset
        self._inflater = zlib.decompressobj(31)
        self._rest = b""
        self._slice = FIRST_SLICE

    def read(self) -> bytes:
        window, inflater = self._window, self._inflater
        while not inflater.eof:
            data = self._rest or window.peek(self._slice)
            if not data:
                raise locate("truncated", window, self._begin)
            try:
                piece = inflater.decompress(data, PIECE)
            except zlib.error:
                raise locate("malformed", window, self._begin) from None
            self._rest = b"" if inflater.eof else inflater.unconsumed_tail
            window.offset += len(data) - len(self._rest) - len(inflater.unused_data)
            self._slice = SLICE
            if piece:
                return piece
        return b""


def locate(reason: str, window: Window, begin: int) -> Damage:
    """Damage in a member that begins at `begin`, noticed where the window is.

    What is found afterwards must be a function of the bytes alone, and a stream cannot go back far.
    """
    return Damage(reason, max(begin + 1, window.offset - BEHIND))


Take = Callable[[int], bytes]


class Frames:
    """Frames of zstd or lz4."""

    def __init__(
        self, window: Window, magic: bytes, codec: str, walk: Callable[[Take], Iterator[bytes]]
    ) -> None:
        self.magic = magic
        self._window = window
        self._codec = codec
        self._walk = walk

    def probe(self) -> bytes:
        begin = self._window.offset
        try:
            for _ in islice(self._walk(self._take), 2):  # a stream of Arrow's costs far more than such a look
                pass
            self._window.move(begin)
            self.start()
            return self.read()
        except Damage:
            return b""

    def start(self) -> None:
        self._begin = self._window.offset
        self._source = FrameSource(self._walk(self._take))
        self._inflated = pa.CompressedInputStream(pa.PythonFile(self._source, "r"), self._codec)

    def walk_over(self) -> bool:
        """Go to the end of a frame; False if it is not whole."""
        try:
            for _ in self._walk(self._take):
                pass
        except Damage:
            return False
        return True

    def _take(self, size: int) -> bytes:
        data = bytes(self._window.peek(size))
        self._window.offset += len(data)
        if len(data) < size:
            raise Damage("truncated")
        return data

    def read(self) -> bytes:
        try:
            piece: bytes = self._inflated.read(FRAME_PIECE)
        except OSError:
            raise locate(self._source.reason or "malformed", self._window, self._begin) from None
        if not piece and not self._source.drain():
            raise locate(self._source.reason or "malformed", self._window, self._begin)
        return piece


class FrameSource:
    """The bytes of one frame as a file that Arrow reads; ends where the frame does, or goes wrong."""

    closed = False

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.reason: str | None = None
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            try:
                self._rest = next(self._blocks)
            except StopIteration:
                return b""
            except Damage as damage:
                self.reason = damage.reason
                return b""
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def drain(self) -> bool:
        """Whether all of the frame has been read, and is whole."""
        return not self.read(1) and self.reason is None

    def readable(self) -> bool:
        return True

    def close(self) -> None: ...


def walk_zstd(take: Take) -> Iterator[bytes]:
    """The bytes of a frame of zstd (RFC 8878), whether it needs a dictionary or not."""
    head = take(5)
    flags = head[4]
    single = bool(flags & 0x20)
    if head[:4] != ZSTD or flags & 0x08:  # a reserved bit
        raise Damage("malformed")
    yield head + take((not single) + (0, 1, 2, 4)[flags & 3] + (int(single), 2, 4, 8)[flags >> 6])
    last = False
    while not last:
        block = take(3)
        word = int.from_bytes(block, "little")
        last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
        if kind == 3 or size > LARGEST_BLOCK:
            raise Damage("malformed")
        yield block + take(1 if kind == 1 else size)
    if flags & 4:
        yield take(4)


def walk_lz4(take: Take) -> Iterator[bytes]:
    """The bytes of a frame of lz4 (frame format 1.6)."""
    head = take(6)
    flags, largest = head[4], 1 << (8 + 2 * (head[5] >> 4 & 7))
    if head[:4] != LZ4 or flags >> 6 != 1 or flags & 1 or largest < SLICE:
        raise Damage("malformed")
    yield head + take((8 if flags & 8 else 0) + 1)
    while (block := take(4)) != bytes(4):
        size = int.from_bytes(block, "little") & 0x7FFFFFFF
        if size > largest:
            raise Damage("malformed")
        yield block
        size += 4 if flags & 0x10 else 0
        while size:
            yield take(min(size, SLICE))
            size -= min(size, SLICE)
    yield block + take(4 if flags & 4 else 0)
