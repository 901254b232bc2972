"""A remote file → its bytes in order, fetched in blocks ahead of the reader, taken up where a server failed.

Never more than three blocks are in memory, nothing is on disk. After a jump the blocks are small, so that a
look at a few bytes stays cheap; they grow while reading goes on in order.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

from dspipe.extract.sources.patience import Patience

SMALLEST = 64 << 10
LARGEST = 8 << 20
WORTH_A_THREAD = 1 << 20  # smaller blocks are not fetched ahead


class Transport(Protocol):
    """What gets bytes of one file; used by one thread at a time."""

    size: int | None
    ranges: bool

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes from `start`, at most to `end`; none only where the file ends."""

    def close(self) -> None: ...


class Opened:
    """A file that any of fsspec's drivers opens; opened again after a failure."""

    def __init__(self, system: Any, path: str, size: int | None) -> None:
        self.size = size
        self.ranges = True
        self._system = system
        self._path = path
        self._file: Any = None

    def fetch(self, start: int, end: int) -> bytes:
        try:
            if self._file is None:
                self._file = self._system.open(self._path, "rb", cache_type="none")
            self._go_to(start)
            return bytes(self._file.read(end - start))
        except Exception:
            self.close()
            raise

    def _go_to(self, start: int) -> None:
        if self._file.tell() == start:
            return
        self.ranges = bool(self._file.seekable())
        if self.ranges:
            self._file.seek(start)
            return
        if self._file.tell() > start:
            self.close()
            self._file = self._system.open(self._path, "rb", cache_type="none")
        while self._file.tell() < start and self._file.read(min(WORTH_A_THREAD, start - self._file.tell())):
            pass

    def close(self) -> None:
        file, self._file = self._file, None
        with suppress(Exception):  # a connection that has failed may fail to close
            if file is not None:
                file.close()


class RemoteFile:
    """A file behind a transport, as a reader wants it: `read`, `seek`, `tell`.

    `until` is where the reader will probably stop: nothing behind it is fetched before it is asked for.
    """

    def __init__(self, transport: Transport, patience: Patience, until: int | None = None) -> None:
        self._transport = transport
        self._patience = patience
        self._until = until
        self._position = 0
        self._begin, self._block = 0, b""  # what is at hand
        self._ahead = SMALLEST
        self._thread: ThreadPoolExecutor | None = None
        self._coming: tuple[int, Future[bytes]] | None = None  # what is being fetched, and from where

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        left = size if size >= 0 else 1 << 62
        while left > 0:
            offset = self._position - self._begin
            part = self._block[offset : offset + left] if offset >= 0 else b""
            if not part:
                if not self._advance(left):
                    break
                continue
            parts.append(part)
            left -= len(part)
            self._position += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2 and self._transport.size is None:
            raise OSError("its size is not known")
        start = (0, self._position, self._transport.size or 0)[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        """Whether jumping is cheap: a server without ranges would send all that lies before."""
        return self._transport.size is not None and self._transport.ranges

    def close(self) -> None:
        self._transport.close()
        self._block = b""
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> RemoteFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _advance(self, wanted: int) -> bool:
        """Put the block that begins at the position at hand; false at the end of the file."""
        start = self._position
        if start != self._begin + len(self._block):
            self._ahead = SMALLEST
        while True:
            try:
                block = self._receive(start, self._choose_end(start, wanted))
                size = self._transport.size
                if not block and size is not None and start < size:
                    raise EOFError(f"it ended after {start} of {size} bytes")
                break
            except Exception as error:
                # where every answer is cut short, a smaller one may get through
                wanted = self._ahead = max(SMALLEST, self._ahead // 4)
                self._patience.endure(error)
        if block:
            self._patience.reward()
        self._begin, self._block = start, block
        self._ahead = min(4 * self._ahead, LARGEST)
        self._fetch_ahead(start + len(block))
        return bool(block)

    def _choose_end(self, start: int, wanted: int) -> int:
        """Where a block from `start` ends: what is wanted at least, as far as one block may hold it."""
        end = start + min(max(self._ahead, wanted), LARGEST)
        if self._until is not None and end > self._until:
            end = max(self._until, start + min(max(wanted, SMALLEST), LARGEST))
        return end if self._transport.size is None else min(end, self._transport.size)

    def _receive(self, start: int, end: int) -> bytes:
        """The block that is on its way, if it is the right one, or a new one."""
        coming, self._coming = self._coming, None
        if coming is not None:
            first, future = coming
            block = future.result() if first == start else b""
            if block:
                return block
            with suppress(Exception):  # it is not wanted any more; the transport has to be free
                future.result()
        return self._transport.fetch(start, end) if start < end else b""

    def _fetch_ahead(self, start: int) -> None:
        """Begin to fetch the next block, while reading goes on in order; it fails when it is wanted."""
        end = start + self._ahead
        for limit in (self._transport.size, self._until):
            end = end if limit is None else min(end, limit)
        if self._block and self._ahead >= WORTH_A_THREAD and start < end:
            self._thread = self._thread or ThreadPoolExecutor(1, "dspipe-ahead")
            self._coming = start, self._thread.submit(self._transport.fetch, start, end)
