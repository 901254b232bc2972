"""Lines of bytes → rows of fields, as RFC 4180 and Python's `csv` read them, without holding a whole file.

A field that begins with a quote goes on to the next single one, over line feeds; a quote anywhere else means
itself. Whether a row is at its end is found line by line, each byte looked at once or twice.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dspipe.extract.formats.columns import choose_columns, missing_column
from dspipe.extract.formats.streams import BLOCK, BrokenStream, read_blocks, split_lines
from dspipe.extract.sources.file import SourceFile, open_source

LARGEST_HEADER = 1 << 20  # bytes
DELIMITERS = (b",", b";", b"\t")

Line = tuple[
    int, bytes | None, int
]  # where it begins, itself unless it is too long, where the next one begins
Row = tuple[int, bytes | str, int]  # the same, with the reason where it is not whole


class Quoting:
    """Where the fields of a line begin and end, for some delimiters."""

    def __init__(self, *delimiters: bytes) -> None:
        other = b"[^" + b"".join(map(re.escape, delimiters)) + b"]*+"
        inner = rb'[^"]*+(?:""[^"]*+)*+'
        field = b'(?:"' + inner + b'"|(?!"))' + other
        more = b"(?:[" + b"".join(map(re.escape, delimiters)) + b"]" + field + b")*+"
        self._line = re.compile(field + more, re.DOTALL)
        self._rest = re.compile(inner + b'"' + other + more, re.DOTALL)
        self._field = re.compile(b'"(' + inner + b')"(' + other + b")|" + other, re.DOTALL)

    def opens(self, line: bytes) -> bool:
        """Whether a row that begins with this line goes on in the next."""
        return b'"' in line and not self._line.fullmatch(line)

    def stays_open(self, line: bytes) -> bool:
        """Whether a row that goes on in this line also does in the next."""
        return b'"' not in line or not self._rest.fullmatch(line)

    def split(self, row: bytes, most: int) -> list[bytes]:
        """The fields of a whole row, of which there may be more than wanted: one more tells that."""
        fields: list[bytes] = []
        position = -1
        while position < len(row) and len(fields) <= most:
            match = self._field.match(row, position + 1)
            assert match is not None  # it may be empty
            quoted, position = match[1], match.end()
            fields.append(match[0] if quoted is None else quoted.replace(b'""', b'"') + match[2])
        return fields


@dataclass(frozen=True)
class Header:
    """What the first row of a file says of the others."""

    columns: dict[str, int]  # for our columns the numbers of the file's
    width: int  # fields of a row
    delimiter: bytes
    quoting: Quoting
    end: int  # offset of the row behind it

    def split(self, row: bytes) -> list[bytes]:
        """The fields of a row; when there are too many, not all of them."""
        if b'"' in row:
            return self.quoting.split(row, self.width)
        return row.split(self.delimiter, self.width)

    def fits(self, row: bytes) -> bool:
        return len(self.split(row)) == self.width


def read_header(file: SourceFile) -> Header:
    """The header of a file, which tells the delimiter, too; one of no columns where the file ends before it.

    Raises:
        DspipeError: one sentence, when no column has the name of the text.
    """
    with open_source(file, LARGEST_HEADER) as stream:
        try:
            lines = strip_mark(split_lines(read_blocks(stream), LARGEST_HEADER))
            for _, row, end in split_rows(lines, Quoting(*DELIMITERS), LARGEST_HEADER):
                if isinstance(row, str):
                    raise missing_column(file, [])
                if row.strip():
                    return parse_header(file, row, end)
        except BrokenStream:
            stream.raise_failure()
    return Header({}, 0, DELIMITERS[0], Quoting(*DELIMITERS), 0)


def strip_mark(lines: Iterator[Line]) -> Iterator[Line]:
    """The lines without the byte order mark that some programs write at the beginning of a file."""
    for begin, line, end in lines:
        yield begin, line if begin or line is None else line.removeprefix(codecs.BOM_UTF8), end


def parse_header(file: SourceFile, row: bytes, end: int) -> Header:
    """The delimiter is the one that gives the text column, or the one that gives the most columns."""
    tables = []
    for delimiter in DELIMITERS:
        fields = Quoting(delimiter).split(row.removesuffix(b"\r"), LARGEST_HEADER)
        tables.append((delimiter, [field.decode("utf-8", "replace").strip() for field in fields]))
    delimiter, names = max(tables, key=lambda table: (file.columns.text in table[1], len(table[1])))
    return Header(choose_columns(file, names), len(names), delimiter, Quoting(delimiter), end)


def split_rows(
    lines: Iterator[Line], quoting: Quoting, limit: int, header: Header | None = None
) -> Iterator[Row]:
    """The rows of a file, without the line feed behind them; a blank line is an empty row.

    What a row is depends on nothing before it, so reading can begin at any.
    """
    rest = Lookahead(lines, quoting, limit, header)
    for begin, line, end in rest:
        if line is None:
            yield begin, "too-large", end
        elif quoting.opens(line):
            yield rest.join(begin, line, end)
        else:
            yield begin, line, end


class Lookahead:
    """The lines of a file, some of which were looked at for the end of a row that began before them.

    None of these closes quotes; so a later row that goes on through them is not looked for among them again,
    and no line is looked at twice, however many rows open quotes that nobody closes.
    """

    def __init__(self, lines: Iterator[Line], quoting: Quoting, limit: int, header: Header | None) -> None:
        self._lines, self._quoting, self._limit, self._header = lines, quoting, limit, header
        self._held = bytearray()  # lines that close no quotes, with their line feeds
        self._offset = 0  # of the first of them
        self._next: Line | None = None  # the one behind them
        self._counts: tuple[int, int] | None = None  # once the file ends behind them: see `count_rows`

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        if not self._held:
            following, self._next = self._next or next(self._lines), None
            return following
        size = self._held.find(b"\n") + 1 or len(self._held)
        begin, self._offset = self._offset, self._offset + size
        line = bytes(self._held[:size]).removesuffix(b"\n")
        del self._held[:size]
        if self._counts and self._header:
            rows, right = self._counts
            self._counts = rows - 1, right - self._header.fits(line)
        return begin, line, self._offset

    def join(self, begin: int, line: bytes, end: int) -> Row:
        """The row that begins with a line and goes on in the next.

        Where it does not end within the limit, nobody closed its quote: its first line is given up, and the
        lines behind are rows themselves.
        """
        if not self._held:
            self._offset = end
        while (following := self._look()) is not None:
            here, more, behind = following
            if more is None or len(line) + len(self._held) + len(more) > self._limit:
                return begin, "too-large", end
            self._next = None
            self._held += more
            if not self._quoting.stays_open(more):
                row = b"\n".join((line, self._held))
                self._held = bytearray()
                return begin, row, behind
            if here + len(more) < behind:
                self._held += b"\n"
        if self._looks_like_rows():
            return begin, "malformed", end
        after = self._offset + len(self._held)
        self._held = bytearray()
        return begin, "truncated", after

    def _look(self) -> Line | None:
        """The line behind those that are held; it is not taken."""
        self._next = self._next or next(self._lines, None)
        return self._next

    def _looks_like_rows(self) -> bool:
        """Whether a file ends inside quotes because one was opened by mistake, and not because it was cut."""
        if not self._header or self._header.width < 2:
            return False
        self._counts = self._counts or count_rows(self._held, self._header)
        rows, right = self._counts
        return 2 * right > rows


def count_rows(held: bytearray, header: Header) -> tuple[int, int]:
    """How many lines there are, and how many of them have as many fields as a row."""
    blocks = (bytes(held[i : i + BLOCK]) for i in range(0, len(held), BLOCK))
    rows = right = 0
    for _, line, _ in split_lines(blocks, len(held)):
        rows += 1
        right += line is not None and header.fits(line)
    return rows, right
