"""Reads WARC and WET files: responses become the text of their page, conversions are text already.

A document's offset is where its record's gzip member begins, so one record can be fetched again with one
range request. In a file that is one long member, records follow each other from there by one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pyarrow as pa
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from dspipe.extract.files import SourceFile, Stream, open_source
from dspipe.extract.page import HTML_TYPES, LARGEST_PAGE, Unusable, decode_body, extract_text
from dspipe.extract.rows import Rows
from dspipe.extract.streams import BLOCK, BrokenStream, read_block

GZIP = b"\x1f\x8b"


def read_warc(file: SourceFile, rows: Rows) -> Iterator[pa.RecordBatch]:
    """The documents of a WARC or WET file, in batches.

    Everything before a break in the file is kept; what follows is counted as one malformed or truncated
    record.
    """
    offset = -1
    with open_source(file) as stream:
        try:
            for record in iterate_records(stream):
                offset = max(record.stream_pos, offset + 1)
                add_record(record, file, offset, rows)
                if rows.full:
                    yield rows.take()
            if has_loose_end(stream, offset):
                rows.drop("truncated")
        except BrokenStream as broken:
            stream.raise_failure()
            rows.drop(broken.reason)
    yield rows.take()


def iterate_records(stream: Stream) -> Iterator[WarcRecord]:
    """The records of a file; raises `BrokenStream` where nothing more can be made of its bytes."""
    try:
        yield from ArchiveIterator(stream, parse_http=False)
    except Exception as error:
        raise BrokenStream("malformed") from error


def add_record(record: WarcRecord, file: SourceFile, offset: int, rows: Rows) -> None:
    """Take one record's text, or count why there is none."""
    try:
        text, language = (
            read_page(record) if file.format == "warc" else read_conversion(record, rows.max_characters)
        )
    except Unusable as reason:
        return rows.drop(str(reason))
    headers = record.headers
    rows.add(
        file,
        offset,
        text,
        source_id=headers.get("WARC-Record-ID"),
        url=headers.get("WARC-Target-URI"),
        date=headers.get("WARC-Date"),
        language=language,
    )


def read_page(record: WarcRecord) -> tuple[str, None]:
    """The text of a response record's page, and no language.

    Raises:
        Unusable: with the reason.
        BrokenStream: nothing behind this record can be read.
    """
    if record.record_type != WarcRecordType.response:
        raise Unusable("not-a-page")
    if record.content_length > LARGEST_PAGE:
        raise Unusable("too-large")
    parse_http(record)
    body = read_body(record)
    headers = record.http_headers
    body = decode_body(body, headers.get("Transfer-Encoding") or "", headers.get("Content-Encoding") or "")
    if not body.strip():
        raise Unusable("empty")
    try:
        return extract_text(body, record.http_charset), None
    except (Unusable, MemoryError):
        raise
    except BaseException as error:  # a panic of the native parser is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise Unusable("malformed") from error


def parse_http(record: WarcRecord) -> None:
    """Read the HTTP headers and refuse what is no web page."""
    try:
        record.parse_http()
        status = record.http_headers.status_code
        kind = record.headers.get("WARC-Identified-Payload-Type") or record.http_content_type or HTML_TYPES[0]
    except Exception as error:
        raise Unusable("malformed") from error
    if status is None:
        raise Unusable("malformed")
    if status != 200:
        raise Unusable("status")
    if kind.partition(";")[0].strip().lower() not in HTML_TYPES:
        raise Unusable("not-html")


def read_conversion(record: WarcRecord, max_characters: int) -> tuple[str, str | None]:
    """The text of a WET record, and the first language that its crawler found in it."""
    if record.record_type != WarcRecordType.conversion:
        raise Unusable("not-a-page")
    if record.content_length > 4 * max_characters:  # no UTF-8 character is longer than four bytes
        raise Unusable("too-large")
    languages = record.headers.get("WARC-Identified-Content-Language") or ""
    try:
        return read_body(record).decode("utf-8-sig"), languages.partition(",")[0].strip()
    except UnicodeDecodeError:
        raise Unusable("bad-encoding") from None


def read_body(record: WarcRecord) -> bytes:
    """The bytes behind a record's headers; when they are fewer than it says, the file has ended."""
    length = record.content_length
    try:
        body: bytes = record.reader.read(length)
    except Exception as error:
        raise BrokenStream("malformed") from error
    if len(body) < length:
        raise BrokenStream("truncated")
    return body


def has_loose_end(stream: Stream, offset: int) -> bool:
    """Whether the last record, at `offset`, is followed by bytes that gave none.

    fastwarc ends in silence at a member that is cut in its headers.

    Only for files with one gzip member a record, which is what crawls are; elsewhere the answer is no. An
    `offset` below zero says that there was no record.
    """
    if not stream.seekable():
        return False
    stream.seek(max(offset, 0))
    block = read_block(stream)
    if not block.startswith(GZIP):
        return False
    member = zlib.decompressobj(31)
    while block and not member.eof:
        try:
            member.decompress(block, BLOCK)
        except zlib.error:
            return True
        block = member.unused_data or member.unconsumed_tail or read_block(stream)
    return bool(block) if offset >= 0 else not member.eof
