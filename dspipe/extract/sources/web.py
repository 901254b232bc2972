"""One file on a web server → any of its bytes, by requests for ranges, or read through where there are none.

Uses the session and the settings of fsspec's HTTP file system, so what a user has configured there (headers,
proxies, certificates) counts here. Imports fsspec and aiohttp: to be imported when a web address is met.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import aiohttp
from fsspec.implementations.http import HTTPFileSystem

from dspipe.extract.sources.patience import Changed, ServerError

Answer = TypeVar("Answer")

BUFFER = 1 << 20  # bytes that may wait in the connection; aiohttp's own 64 KiB cost half the speed
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class Web:
    """A connection of its own to the server of one file, which `close` ends: no more than one at any time."""

    def __init__(self, system: HTTPFileSystem, url: str, size: int | None, silence: float) -> None:
        self.size = size
        self.ranges = True  # until the server shows that it sends nothing but whole files
        self._system = system
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=silence, sock_read=silence)
        self._session: Any = None
        self._response: Any = None
        self._position = 0  # of the next byte that the response will give

    def fetch(self, start: int, end: int) -> bytes:
        """Bytes from `start`, at most to `end`; fewer when the connection broke; none at the file's end."""
        return self._await(self._fetch(start, end))

    def find_size(self) -> int | None:
        """Ask for the size; None where the server does not say. Leaves what it sends unread."""
        self._await(self._ask(0, 1))
        self._drop()
        return self.size

    def close(self) -> None:
        """End the connection; a `fetch` that another thread waits for fails."""
        self._drop()
        if self._session is not None:
            self._await(self._session.close())

    def _await(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(coroutine, self._system.loop).result()

    def _drop(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            self._system.loop.call_soon_threadsafe(response.close)

    async def _fetch(self, start: int, end: int) -> bytes:
        if self._response is None or self._position != start:
            await self._ask(start, end)
        parts: list[bytes] = []
        try:
            while self._response is not None and self._position < end:
                part = await self._response.content.read(end - self._position)
                if not part:
                    self._leave_short_answer()
                    break
                parts.append(part)
                self._position += len(part)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is one
            self._drop()
            if not parts:
                raise broken(error) from None
        if self.ranges:
            self._drop()  # read to its end, it has gone back already: its connection is kept
        return b"".join(parts)

    def _leave_short_answer(self) -> None:
        """Ask again next time where an answer ended before the file did, which its length did not show."""
        if self.size is not None and self._position < self.size:
            self._drop()

    async def _ask(self, start: int, end: int) -> None:
        """Send a request, and go to `start` in whatever the server answers."""
        self._drop()
        if self._session is None:
            options = {"auto_decompress": False, "read_bufsize": BUFFER, **self._system.client_kwargs}
            self._session = await self._system.get_client(loop=self._system.loop, **options)
        headers = {"Accept-Encoding": "identity", **(self._system.kwargs.get("headers") or {})}
        options = {"timeout": self._timeout, **self._system.kwargs}
        options["headers"] = headers | {"Range": f"bytes={start}-{end - 1}"}
        try:
            response = await self._session.get(self._system.encode_url(self._url), **options)
        except aiohttp.TooManyRedirects:
            raise
        except (aiohttp.ClientResponseError, aiohttp.ServerDisconnectedError, TimeoutError) as error:
            raise broken(error) from None
        try:
            self._note(response.status, response.headers, start, end)
        except BaseException:
            response.close()
            raise
        if response.status == 416:
            response.close()
            return
        self._response, self._position = response, start if response.status == 206 else 0
        while self._position < start:
            passed = await response.content.read(min(BUFFER, start - self._position))
            if not passed:
                return self._leave_short_answer()
            self._position += len(passed)

    def _note(self, status: int, headers: Mapping[str, str], start: int, end: int) -> None:
        """Learn the size and whether there are ranges; raises where this is not what was asked for."""
        if status not in (200, 206, 416):
            raise ServerError(status, "", headers.get("Retry-After"))
        parts = CONTENT_RANGE.fullmatch(headers.get("Content-Range", "").strip())
        total = parts[2] if parts else headers.get("Content-Length") if status == 200 else None
        size = int(total) if total and total.isdecimal() else None
        if status == 206 and (parts is None or parts[1] != str(start)):
            raise ServerError(502, "answered with another part of the file")
        if status == 200 and (start > 0 or size is None or size > end):
            self.ranges = False
        if size is not None and self.size not in (None, size):
            raise Changed(f"it has {size} bytes now and had {self.size} when the run began")
        self.size = size if self.size is None else self.size


def broken(error: Exception) -> ConnectionError:
    """A failure on the way, without aiohttp's inner words: it calls an answer that was cut short "400"."""
    if isinstance(error, TimeoutError):
        return ConnectionError("the server fell silent")
    return ConnectionError(f"the connection broke ({type(error).__name__})")
