"""Reads one record again from its place, as it stands in its file: what a text was, or was not, made from.

Nothing here extracts a page. A record that killed a worker is looked at without decoding what is in it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dspipe.extract.archives.arc import ARC
from dspipe.extract.archives.http import HTML_TYPES, decode_body, list_encodings, parse_answer, parse_type
from dspipe.extract.archives.members import open_members
from dspipe.extract.archives.records import Archive, Record
from dspipe.extract.archives.warc import WARC, is_http, measure_block, read_label
from dspipe.extract.original_rows import (
    AHEAD,
    MOST_BYTES,
    cut,
    read_beginning,
    read_fields,
    read_line,
    read_separated,
)
from dspipe.extract.pages.charset import decode_text
from dspipe.extract.readers import READERS
from dspipe.extract.reasons import Unusable
from dspipe.extract.rows import Rows, clean_label, clean_text
from dspipe.extract.sources.file import SourceFile, open_source
from dspipe.extract.spans import Span
from dspipe.recipe import Extract

MOST_OF_DAMAGED = 64 << 10  # bytes of what is no record
ARCHIVES = {"warc": WARC, "wet": WARC, "wat": WARC, "arc": ARC}
NO_TEXT = ("image/", "audio/", "video/", "font/", "application/")
DEADLY = "(not read again: a worker process died of it)"
TEXT_ALL_THE_SAME = ("xml", "json", "javascript", "ecmascript", "x-www-form-urlencoded")


@dataclass(frozen=True)
class Original:
    """A record: what stands before the page, the page, and what tells it from any other record.

    `row` has some of the columns of `DOCUMENTS` as a reader fills them, the text only where it is no page, or
    those of `UNUSED`.
    """

    heads: dict[str, Any] = field(default_factory=dict)  # headers as they are written; a row's other fields
    page: str = ""
    row: dict[str, Any] = field(default_factory=dict)


def read_original(file: SourceFile, offset: int, settings: Extract, deadly: bool = False) -> Original | None:
    """The record at a place; None where none begins. What is `deadly` is not decoded.

    Raises:
        DspipeError: the file cannot be read.
    """
    if file.format in ARCHIVES:
        return read_archived(file, offset, settings, deadly)
    if deadly:
        return Original({}, DEADLY if file.format in ("parquet", "arrow") else read_line(file, offset))
    row = read_again(file, offset, settings)
    if row is None:
        return None
    if file.format == "jsonl":
        return Original({}, read_line(file, offset), row)
    if file.format == "text":
        return Original({}, decode_text(read_beginning(file, 0, MOST_BYTES)), row)
    fields = read_separated(file, offset, settings) if file.format == "csv" else read_fields(file, offset)
    text = fields.pop(file.columns.text, None)
    if not fields and file.format == "csv":
        text = read_line(file, offset)
    heads = {name: cut(value) for name, value in fields.items()}
    return Original({"row": heads} if heads else {}, text or "", row)


def read_again(file: SourceFile, offset: int, settings: Extract) -> dict[str, Any] | None:
    """What the reader of a format makes of one record."""
    rows = Rows(settings.max_characters)
    with closing(READERS[file.format](file, Span(offset, None, exact=True), rows, settings)) as places:  # type: ignore[type-var]
        if next(places, None) != offset:
            return None
        next(places, None)
    documents, unused = rows.take()
    taken: list[dict[str, Any]] = documents.to_pylist() + unused.to_pylist()
    return taken[0] if taken else None


def read_archived(file: SourceFile, offset: int, settings: Extract, deadly: bool) -> Original | None:
    """A record of a WARC or ARC file; of a damaged one, whatever bytes are there."""
    record = find_record(file, offset, settings)
    if record is None:
        return None
    if record.reason:
        data = read_beginning(file, offset, MOST_OF_DAMAGED)
        return Original({}, data.decode("utf-8", "replace"), {"reason": record.reason})
    url = clean_label(read_label(record.fields, b"warc-target-uri"))
    row = {
        "source_id": clean_label(read_label(record.fields, b"warc-record-id")),
        "url": url and clean_label(url.removeprefix("<").removesuffix(">")),
        "digest": clean_label(read_label(record.fields, b"warc-payload-digest")),
    }
    heads = {"arc" if file.format == "arc" else "warc": record.head.decode("utf-8", "replace")}
    if record.fields.get(b"warc-type") == b"conversion":
        text = record.block.decode("utf-8", "replace")
        return Original(heads, text[:MOST_BYTES], row | ({"text": clean_text(text)} if record.whole else {}))
    if not is_http(record):
        kind, charset = parse_type(record.fields.get(b"content-type", b""))
        return Original(heads, show_body(record.block, kind, charset, deadly), row)
    head, page = read_http(record, settings, deadly)
    return Original(heads | {"http": head}, page, row)


def find_record(file: SourceFile, offset: int, settings: Extract) -> Record | None:
    dialect = ARCHIVES[file.format]
    with open_source(file, offset + AHEAD) as stream:
        archive = Archive(
            open_members(file, stream, dialect.first), dialect, partial(measure_block, settings)
        )
        entered = archive.enter(Span(offset, None, exact=True)) and archive.offset == offset
        return archive.read() if entered and archive.arrive() else None


def read_http(record: Record, settings: Extract, deadly: bool) -> tuple[str, str]:
    """The headers of an answer, and its page, as far as it can be decoded."""
    try:
        answer = parse_answer(record.block)
    except Unusable:
        return "", show_body(record.block, b"", None, deadly)
    head, body = record.block[: answer.begin], record.block[answer.begin :]
    encodings = list_encodings(answer)
    if deadly and encodings:
        return head.decode("utf-8", "replace"), count_bytes(body, b", ".join(encodings))
    try:
        body = decode_body(body, answer, settings.max_page_bytes) if record.whole else body
    except Unusable as reason:
        return head.decode("utf-8", "replace"), f"({reason}: {len(body):,} bytes as stored)"
    return head.decode("utf-8", "replace"), show_body(body, answer.kind, answer.charset, deadly)


def show_body(body: bytes, kind: bytes, charset: str | None, deadly: bool) -> str:
    """A page as text; of what is no text, how much there is."""
    name = kind.decode("latin-1")
    texts = (*HTML_TYPES, *TEXT_ALL_THE_SAME)
    if (name.startswith(NO_TEXT) and not name.endswith(texts)) or (not kind and b"\0" in body[:1024]):
        return count_bytes(body, kind)
    body = body[:MOST_BYTES]
    return body.decode("utf-8", "replace") if deadly else decode_text(body, charset)


def count_bytes(body: bytes, kind: bytes) -> str:
    return f"({len(body):,} bytes of {kind.decode('latin-1') or 'unknown type'})"
