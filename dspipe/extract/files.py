"""One file of a source: what is known of it, and how it is read.

Imports nothing heavy, fsspec only for addresses with "://".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from dspipe.recipe import DspipeError, Format


@dataclass(frozen=True)
class SourceFile:
    """One file of a source."""

    source: str
    address: str  # what opens it: a local path, or anything with "://"
    path: str  # relative to the source's fixed part; for a plain file, its name
    bytes: int | None  # None where a server does not say
    format: Format
    domain: str | None
    column: str  # that holds the text, in tables


class Stream:
    """A file that remembers whether reading it failed.

    Decoders report a lost connection and a damaged member by the same exceptions. The first must end the run,
    or the rest of the file would be lost in silence; the second costs one counted record.
    """

    def __init__(self, file: SourceFile, inner: BinaryIO) -> None:
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
        return self._inner.seekable()

    def close(self) -> None:
        """Nothing: whoever opened the file closes it, not a decoder."""

    def raise_failure(self) -> None:
        """To be called when a decoder gives up: raises if it was not the bytes' fault."""
        if self._failure is not None:
            raise unreadable(self.file, self._failure) from self._failure


@contextmanager
def open_source(file: SourceFile) -> Iterator[Stream]:
    """Open a file for reading.

    Raises:
        DspipeError: one sentence, when it cannot be opened. Later failures: see `Stream.raise_failure`.
    """
    try:
        inner = open_address(file.address)
    except Exception as error:
        raise unreadable(file, error) from error
    with inner:
        yield Stream(file, inner)


def unreadable(file: SourceFile, error: Exception) -> DspipeError:
    return DspipeError(
        print_safely(
            f"extract.sources.{file.source}: {file.address} cannot be read: {describe_error(error)}; "
            "mend or remove it and run the same command again"
        )
    )


def open_address(address: str) -> BinaryIO:
    if "://" not in address:
        return open(address, "rb")
    import fsspec

    return cast(BinaryIO, fsspec.open(address, "rb").open())


def describe_error(error: BaseException) -> str:
    """An error's own words on one line, cut to a length that a terminal can show."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(words.split())[:200] or type(error).__name__


def print_safely(sentence: str) -> str:
    """The sentence with escapes for what would steer a terminal: a file or a column may have any name."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in sentence)
