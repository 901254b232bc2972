"""The headers of a Parquet file's pages → how many rows may be read at once in bounded memory.

What the file's footer says of sizes binds nobody: a reader believes the header that stands before each page.
So do we, and walk over these headers without touching the pages, but for dictionaries: any row may have their
largest entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from dspipe.extract.reasons import Unusable
from dspipe.extract.tables.thrift import read_struct

LARGEST_HEADER = 16 << 20  # bytes, as Arrow has it
LARGEST_PAGE = 512 << 20  # bytes: some writers put a thousand values into a page, whatever their size
BYTES_AT_ONCE = 32 << 20
ROWS_AT_ONCE = 1024
LARGEST_DICTIONARY = 16 << 20  # bytes: a larger one is not looked into
DICTIONARY = 2  # a kind of page
HEADERS = {0: 5, DICTIONARY: 7, 3: 8}  # for data in two versions, and for dictionaries: the field to look at
ENCODING = {0: 2, DICTIONARY: 2, 3: 4}  # and in there
DELTA_BYTE_ARRAY = 7  # an encoding: a value begins like the one before
CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}  # others are Parquet's own


class Readable(Protocol):
    """What pages are read from."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


@dataclass(frozen=True)
class Page:
    """What the header of a page says, of data or of a dictionary."""

    kind: int
    size: int  # uncompressed bytes
    values: int
    encoding: int
    start: int  # offset behind the header
    end: int


@dataclass(frozen=True)
class Chunk:
    """The pages of one column in a row group, up to the first that makes no sense."""

    pages: list[Page]
    longest: int  # bytes of the longest value that may stand where it is not written out

    @property
    def data(self) -> list[Page]:
        return [page for page in self.pages if page.kind != DICTIONARY]

    @property
    def values(self) -> int:
        return sum(page.values for page in self.data)


def read_chunk(stream: Readable, start: int, end: int, codec: int, length: int | None) -> Chunk:
    """Walk over the pages between two offsets of a file; `length`: bytes of a value, if all have as many."""
    pages = list(walk_pages(stream, start, end))
    if length is not None:
        return Chunk(pages, length)
    repeated = [page.size for page in pages if page.encoding == DELTA_BYTE_ARRAY]
    entries = [measure_entries(stream, page, codec) for page in pages if page.kind == DICTIONARY]
    return Chunk(pages, max([0, *repeated, *entries]))


def walk_pages(stream: Readable, start: int, end: int) -> Iterator[Page]:
    """The pages of data and dictionaries between two offsets; others are passed over, as Arrow does."""
    while start < end:
        page = make_page(*read_header(stream, start))
        if page is None:
            return
        if page.kind in HEADERS:
            yield page
        start = page.end


def read_header(stream: Readable, start: int) -> tuple[dict[int, Any], int]:
    """The fields of the header at an offset, and the offset behind it; none where there is no header."""
    size = 1 << 10
    while size <= LARGEST_HEADER:
        stream.seek(start)
        data = stream.read(size)
        try:
            fields, length = read_struct(data)
            return fields, start + length
        except ValueError:
            break
        except IndexError:
            if len(data) < size:
                break
            size *= 8  # it may hold a least and a largest value
    return {}, start


def make_page(fields: dict[int, Any], start: int) -> Page | None:
    """What is wanted of a header; None where it makes no sense."""
    kind: Any = fields.get(1)
    inner = fields.get(HEADERS.get(kind, 0), {})
    if not isinstance(inner, dict):
        return None
    numbers: list[Any] = [
        kind,
        fields.get(2),
        inner.get(1, 0),
        inner.get(ENCODING.get(kind, 0), 0),
        fields.get(3),
    ]
    if not all(isinstance(number, int) and 0 <= number < 1 << 31 for number in numbers):
        return None
    _, size, values, encoding, stored = numbers
    return Page(kind, size, values, encoding, start, start + stored)


def measure_entries(stream: Readable, page: Page, codec: int) -> int:
    """The bytes of the longest entry of a dictionary, or of all, where that is too much trouble."""
    if page.size > LARGEST_DICTIONARY or page.end - page.start > LARGEST_DICTIONARY:
        return page.size
    stream.seek(page.start)
    data = stream.read(page.end - page.start)
    try:
        if codec:
            data = pa.Codec(CODECS[codec]).decompress(data, page.size, asbytes=True)
    except (KeyError, pa.ArrowException, OSError, ValueError):  # a codec without a name, or damage
        return page.size
    longest = position = 0
    while position + 4 <= len(data):
        length = int.from_bytes(data[position : position + 4], "little")
        longest = max(longest, length)
        position += 4 + length
    return min(longest, page.size)


def choose_rows(chunks: list[Chunk]) -> int:
    """How many rows of some column chunks may be read at once.

    Raises:
        Unusable: a page is too large to be held.
    """
    if any(page.size > LARGEST_PAGE for chunk in chunks for page in chunk.pages):
        raise Unusable("too-large")
    rows = ROWS_AT_ONCE
    while rows > 1 and sum(estimate(chunk, rows) for chunk in chunks) > BYTES_AT_ONCE:
        rows //= 2
    return rows


def estimate(chunk: Chunk, rows: int) -> int:
    """The most bytes that so many rows of a chunk may take, one behind the other, wherever they begin.

    They are what stands in their pages, but each may be the longest entry of the dictionary, or repeat most
    of the one before it.
    """
    data = chunk.data
    if not data:
        return 0
    ends = np.cumsum([page.values for page in data])
    sizes = np.cumsum([0, *(page.size for page in data)])
    last = np.searchsorted(ends, ends + rows - 2, side="right").clip(max=len(data) - 1)
    return int((sizes[last + 1] - sizes[:-1]).max()) + rows * chunk.longest
