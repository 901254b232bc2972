"""One file of a source: what is known of it, and how it is read.

Imports nothing heavy, fsspec only for addresses with "://".
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from dspipe.extract.sources.blocks import RemoteFile
from dspipe.extract.sources.patience import Access, Lost, Patience, Wait
from dspipe.extract.sources.slots import take_slot
from dspipe.recipe import Columns, DspipeError, Format, RecipeError, Source

HIDDEN = "…"  # stands for what may be a secret
CHAINED = re.compile(r"::(?=[\w+.-]+:(?://|:))")
AGAIN = "run the same command again: finished parts are kept"


@dataclass(frozen=True)
class SourceFile:
    """One file of a source."""

    source: str
    address: str  # what opens it: a local path, or anything with "://"
    path: str  # relative to the source's fixed part; for a plain file, its name
    bytes: int | None  # None where a server does not say
    format: Format
    domain: str | None
    columns: Columns  # of tables, by what they hold
    access: Access = field(default_factory=Access)


class Inner(Protocol):
    """What a `Stream` reads from: a local file or a remote one."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def seekable(self) -> bool: ...


class Stream:
    """A file that remembers whether reading it failed.

    Decoders report a lost connection and a damaged member by the same exceptions. The first must end the run,
    or the rest of the file would be lost in silence; the second costs one counted record.
    """

    def __init__(self, file: SourceFile, inner: Inner) -> None:
        self.file = file
        self.closed = False
        self._inner = inner
        self._failure: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._inner.read(size)
        except Exception as error:
            self._failure = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        """Whether jumping is cheap. `seek` always works, but may have to read all that lies before."""
        return self._inner.seekable()

    def close(self) -> None:
        """Nothing: whoever opened the file closes it, not a decoder."""

    def raise_failure(self) -> None:
        """To be called when a decoder gives up: raises if it was not the bytes' fault."""
        if self._failure is not None:
            raise unreadable(self.file, self._failure) from self._failure


@contextmanager
def open_source(file: SourceFile, until: int | None = None, wait: Wait = time.sleep) -> Iterator[Stream]:
    """Open a file for reading.

    What lies behind `until` can be read, too, but is not fetched ahead. `wait` is called with the seconds to
    wait when a server has failed.

    Raises:
        DspipeError: one sentence, when it cannot be opened. Later failures: see `Stream.raise_failure`.
    """
    with take_slot(file.address, file.access.connections, file.access.slots):
        try:
            inner = open_remote(file, until, wait) if "://" in file.address else open_address(file.address)
        except Exception as error:
            raise unreadable(file, error) from error
        with inner:
            yield Stream(file, inner)


def open_address(address: str) -> BinaryIO:
    return open(address, "rb")


def open_remote(file: SourceFile, until: int | None, wait: Wait) -> RemoteFile:
    """A file elsewhere; nothing is asked of its server before it is read."""
    from dspipe.extract.sources.connect import connect, find_system

    system, path = find_system(file.address)
    transport = connect(system, path, file.bytes, file.access)
    return RemoteFile(transport, Patience(file.access.retries, wait), until)


def unreadable(file: SourceFile, error: Exception) -> DspipeError:
    mend = AGAIN if isinstance(error, Lost) else "mend or remove it and run the same command again"
    return DspipeError(
        print_safely(
            f"extract.sources.{file.source}: {hide_secrets(file.address)} cannot be read: "
            f"{describe_error(error)}; {mend}"
        )
    )


def refusal(source: Source, problem: str) -> RecipeError:
    return RecipeError(print_safely(f"extract.sources.{source.name}: {problem}"))


def hide_secrets(address: str) -> str:
    """An address with `HIDDEN` for what may be a secret: user and password, and the query."""
    if "://" not in address or address.startswith("cc://"):
        return address
    return "::".join(hide_in_link(link) for link in CHAINED.split(address))


def hide_in_link(link: str) -> str:
    """The same for one address of a chain such as `zip://*.jsonl::https://…`.

    A password may hold what ends it in a well-formed address, so the last `@` counts, wherever it stands:
    too much is hidden of some addresses, but never too little.
    """
    scheme, mark, rest = link.partition("://")
    first = rest.partition("/")[0]
    if "@" in rest and ("@" in first or ":" in first):
        secret, _, rest = rest.rpartition("@")
        rest = HIDDEN if "?" in secret else f"{HIDDEN}@{rest}"
    bare, query, _ = rest.partition("?")
    return f"{scheme}{mark}{bare}{query and query + HIDDEN}"


def describe_error(error: BaseException) -> str:
    """An error's own words on one line, cut to a length that a terminal can show."""
    if isinstance(error, Lost):
        asked = f" (asked {error.args[0]} times)" if error.args[0] > 1 else ""
        return describe_error(error.__cause__ or OSError("the server failed")) + asked
    if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        error = error.__cause__  # fsspec says so of a server that is not there, too
    status, message = getattr(error, "status", None), getattr(error, "message", None)
    if isinstance(status, int) and isinstance(message, str):  # aiohttp's words repeat the whole address
        return f"{status} {message}".strip()[:200]
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    words = re.sub(r"[\w+.-]+://\S+", lambda found: hide_secrets(found[0]), " ".join(words.split()))
    return words[:200] or type(error).__name__


def print_safely(sentence: str) -> str:
    """The sentence with escapes for what would steer a terminal: a file or a column may have any name."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in sentence)
