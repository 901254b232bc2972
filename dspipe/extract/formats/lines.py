"""Reads JSON lines and tables of separated values: a line or a row is a document.

Files are read in blocks and never held as a whole, whatever they are compressed with; of a line only the
wanted values become objects. Plain JSON lines are entered at any line; a table of separated values is not,
because nothing in its middle tells whether a line feed is quoted.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from dspipe.extract.formats.columns import add_row, decode_label, missing_column, name_columns
from dspipe.extract.formats.separated import Header, Row, read_header, split_rows
from dspipe.extract.formats.streams import Blocks, BrokenStream, enter_lines, read_blocks, split_lines
from dspipe.extract.reasons import Unusable
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile, open_source
from dspipe.extract.spans import Span
from dspipe.recipe import Extract

# Of every line: where it begins, itself or the reason why it cannot be used, where the next one begins.
Split = Callable[[Blocks], Iterator[tuple[int, bytes | str | None, int]]]
Taker = Callable[[int, bytes], None]

LARGEST_SAMPLE = 1 << 20  # bytes of a line whose keys are shown
VALUE = str | int | float | bool | None | msgspec.UnsetType
ENOUGH = 1000  # rows without the text column after which the recipe, not the row, is taken to be wrong


def read_jsonl(file: SourceFile, span: Span, rows: Rows, settings: Extract) -> Iterator[int]:
    """The documents of a file of JSON lines; an offset is that of the line's first byte, uncompressed.

    Raises:
        DspipeError: no line has the text column. Only who begins with the file's first line finds that out:
        whether a later one lacks it must not depend on where a span begins, or where a run was taken up.
    """
    # an escape of a character takes up to six bytes, and the page itself may be in another column
    limit = 6 * settings.max_characters + settings.max_page_bytes
    lines = JsonLines(file, rows, may_lack=span.begin > 0)

    def split(blocks: Blocks) -> Iterator[tuple[int, bytes | None, int]]:
        return split_lines(blocks, limit, blocks.position)

    yield from read_lines(file, span, rows, split, lines.take)
    if lines.lacking:
        raise missing_column(file, find_names(file))


def read_csv(file: SourceFile, span: Span, rows: Rows, settings: Extract) -> Iterator[int]:
    """The documents of a table of separated values with a header; an offset is that of a row's first byte.

    Raises:
        DspipeError: the header does not name the text column.
    """
    if span.begin and not span.exact:
        return
    header = read_header(file)
    limit = 4 * settings.max_characters + settings.max_page_bytes

    def split(blocks: Blocks) -> Iterator[Row]:
        return split_rows(split_lines(blocks, limit, blocks.position), header.quoting, limit, header)

    rest = Span(max(span.begin, header.end), None, exact=True)
    yield from read_lines(file, rest, rows, split, Separated(file, rows, header).take)


def read_lines(file: SourceFile, span: Span, rows: Rows, split: Split, take: Taker) -> Iterator[int]:
    """Give every line of a span to `take`, and yield its boundaries.

    A break in a compressed file costs one record. The boundary behind it lies behind all bytes that could be
    read, so that who begins there does not count the break again.
    """
    with open_source(file, span.end if span.begin else None) as stream:
        try:
            blocks = enter_lines(stream, span)
        except BrokenStream:
            stream.raise_failure()
            yield span.begin  # behind the break, which was counted
            return
        if blocks is None:
            return
        known, boundary = span.begin == 0 or span.exact, max(span.begin, blocks.position)
        if known:
            yield boundary
        try:
            for begin, line, boundary in split(blocks):
                if not known and blocks.is_behind(begin):
                    return
                if not known:
                    yield begin
                known = True
                take_line(file, begin, line, rows, take)
                yield boundary
                if blocks.is_behind(boundary):
                    return
        except BrokenStream as broken:
            stream.raise_failure()
            rows.drop(broken.reason, file, boundary)
            boundary = blocks.position + 1
            yield max(boundary, file.bytes or 0)
            return
        if known and blocks.end is None and boundary < (file.bytes or 0):
            yield file.bytes or 0


def take_line(file: SourceFile, offset: int, line: bytes | str | None, rows: Rows, take: Taker) -> None:
    if offset in rows.skipped:
        rows.drop("crashed", file, offset)
    elif isinstance(line, bytes):
        take(offset, line)
    else:
        rows.drop(line or "too-large", file, offset)


class JsonLines:
    """Takes the lines of a file: each an object with our columns, and whatever else, which is not built."""

    def __init__(self, file: SourceFile, rows: Rows, may_lack: bool) -> None:
        self.lacking = 0  # lines without the text, as long as none has it
        self._file, self._rows, self._found = file, rows, may_lack
        columns = name_columns(file)
        names = list(dict.fromkeys(columns.values()))
        self._fields = [(field, names.index(name)) for field, name in columns.items()]
        self._decoder = define_line(file, names, VALUE)
        self._raw_decoder = define_line(file, names, msgspec.Raw)

    def take(self, offset: int, line: bytes) -> None:
        """Take one line, or drop it; a blank one is none.

        Raises:
            DspipeError: so many lines have no text that the recipe must be wrong.
        """
        if not line or line.isspace():
            return
        try:
            values = self._decode(line if offset else line.removeprefix(codecs.BOM_UTF8))
        except Unusable as reason:
            return self._rows.drop(str(reason), self._file, offset)
        if not self._found:
            self._found = "text" in values
            self.lacking = 0 if self._found else self.lacking + 1
            if self.lacking == ENOUGH:
                raise missing_column(self._file, find_names(self._file))
        add_row(self._file, offset, values, self._rows)

    def _decode(self, line: bytes) -> dict[str, object]:
        """The values of our columns; without the text, if it is not there."""
        try:
            try:
                values = msgspec.structs.astuple(self._decoder.decode(line))
            except (msgspec.DecodeError, ValueError):  # a list, an object, too large a number, no UTF-8
                text, *labels = msgspec.structs.astuple(self._raw_decoder.decode(line))
                values = (decode_value(text), *map(decode_json_label, labels))
        except UnicodeDecodeError:
            raise Unusable("bad-encoding") from None
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise Unusable("malformed" if is_utf8(line) else "bad-encoding") from None
        row = {field: values[number] for field, number in self._fields}
        if row["text"] is msgspec.UNSET:
            del row["text"]
        return row


def define_line(file: SourceFile, names: Iterable[str], kind: Any) -> msgspec.json.Decoder[Any]:
    """A decoder of lines which builds only the values with these names, if they are of some kind."""
    fields = [(f"key{number}", kind, msgspec.UNSET) for number, _ in enumerate(names)]
    rename = {f"key{number}": name for number, name in enumerate(names)}
    try:
        return msgspec.json.Decoder(msgspec.defstruct("Line", fields, rename=rename))
    except ValueError:
        raise missing_column(file, find_names(file)) from None  # quotes and backslashes are not supported


def decode_value(raw: msgspec.Raw | msgspec.UnsetType) -> object:
    """A string, a number, …; of a list or an object, which may be of a million empty ones, an empty list."""
    if isinstance(raw, msgspec.UnsetType):
        return raw
    return [] if memoryview(raw)[0] in b"[{" else msgspec.json.decode(raw)


def decode_json_label(raw: msgspec.Raw | msgspec.UnsetType) -> object:
    """The same for a label, without which a document can be; None for one that cannot be read."""
    try:
        return decode_value(raw)
    except (msgspec.DecodeError, ValueError):
        return None


def is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def find_names(file: SourceFile) -> list[str]:
    """The keys of the first object in a file of JSON lines, or none where that is too large or too broken."""
    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    with open_source(file, LARGEST_SAMPLE) as stream:
        try:
            for _, line, _ in split_lines(read_blocks(stream), LARGEST_SAMPLE):
                try:
                    return list(decoder.decode(line or b""))
                except (msgspec.DecodeError, RecursionError, ValueError):
                    continue
        except BrokenStream:
            stream.raise_failure()
    return []


class Separated:
    """Takes the rows of a table of separated values."""

    def __init__(self, file: SourceFile, rows: Rows, header: Header) -> None:
        self._file, self._rows, self._header = file, rows, header

    def take(self, offset: int, row: bytes) -> None:
        """Take one row, or drop it; a blank one is none."""
        row = row.removesuffix(b"\r")
        if not row:
            return
        fields = self._header.split(row)
        if len(fields) != self._header.width:
            return self._rows.drop("malformed", self._file, offset)
        columns = self._header.columns
        values: dict[str, object] = {field: decode_label(fields[number]) for field, number in columns.items()}
        values["text"] = fields[columns["text"]]
        add_row(self._file, offset, values, self._rows)
