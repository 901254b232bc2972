"""Turns records of a WARC file into rows: answers and resources are pages, conversions are text already.

What a record is, it says itself: a file named as WET that holds pages, or the other way round, is read all
the same. The records of ARC files are used as what they are in WARC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from dspipe.extract.archives.compression import Damage
from dspipe.extract.archives.http import (
    HTML_TYPES,
    decode_body,
    find_head_end,
    parse_answer,
    parse_type,
    sniff_html,
)
from dspipe.extract.archives.records import Dialect, Fields, Record, read_archive
from dspipe.extract.pages.charset import decode_text
from dspipe.extract.pages.page import Page, extract_page
from dspipe.extract.reasons import Unusable
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile
from dspipe.extract.spans import Span
from dspipe.recipe import DspipeError, Extract

match_length = re.compile(rb"\d{1,18}").fullmatch
fold = re.compile(rb"\r?\n[ \t]+").sub


def parse_fields(head: bytes) -> Fields:
    """The header fields of a record, by name in lower case; of several with one name, the first.

    Raises:
        Damage: malformed: there is no length.
    """
    if b"\n " in head or b"\n\t" in head:  # long values used to go on in the next line
        head = fold(b" ", head)
    fields: Fields = {}
    for line in head.split(b"\n"):
        name, _, value = line.partition(b":")
        fields.setdefault(name.lower(), value.strip())
    if not match_length(fields.get(b"content-length", b"")):
        raise Damage("malformed")
    return fields


WARC = Dialect(
    first=re.compile(rb"WARC/\d\.\d+[ \t]*\r?\n"),
    longest=64,
    cut=re.compile(rb"W(?:A(?:R(?:C(?:/.*)?)?)?)?\Z"),
    gap=re.compile(rb"\r\n\r\n"),
    find_end=find_head_end,
    parse=parse_fields,
)


def measure_block(settings: Extract, fields: Fields) -> int:
    """How many bytes of a record are of use: no UTF-8 character is longer than four bytes."""
    if fields.get(b"warc-type", b"").lower() == b"conversion":
        return 4 * settings.max_characters
    return settings.max_page_bytes


def read_warc(file: SourceFile, span: Span, rows: Rows, settings: Extract) -> Iterator[int]:
    """The documents of a span of a WARC, WET or WAT file."""
    use = partial(use_record, file, rows, settings)
    return read_archive(file, span, rows, WARC, partial(measure_block, settings), use)


def use_record(file: SourceFile, rows: Rows, settings: Extract, record: Record) -> None:
    """Take one record's text, or count why there is none."""
    fields = record.fields
    url = read_label(fields, b"warc-target-uri")
    url = url and url.removeprefix("<").removesuffix(">")  # as WARC 1.0 was misread
    try:
        if file.format == "wat":
            raise Unusable("wat")
        page = read_page(record, settings)
    except Unusable as reason:
        return rows.drop(str(reason), file, record.offset, url)
    rows.add(
        file,
        record.offset,
        page.text,
        source_id=read_label(fields, b"warc-record-id"),
        url=url,
        title=page.title,
        date=read_label(fields, b"warc-date"),
        language=(read_label(fields, b"warc-identified-content-language") or "").partition(",")[0].strip(),
        digest=read_label(fields, b"warc-payload-digest"),
    )


def read_label(fields: Fields, name: bytes) -> str | None:
    value = fields.get(name)
    return value.decode("utf-8", "replace") if value is not None else None


def read_page(record: Record, settings: Extract) -> Page:
    """The title and text of a record.

    Raises:
        Unusable: with the reason.
    """
    kind = record.fields.get(b"warc-type", b"").lower()
    if kind == b"response":
        return read_answer(record, settings)
    if kind == b"resource":
        return read_resource(record, settings)
    if kind == b"conversion":
        return read_conversion(record)
    raise Unusable("revisit" if kind == b"revisit" else "not-a-page")


def read_answer(record: Record, settings: Extract) -> Page:
    """The page in an HTTP answer that a crawler was given."""
    block = record.block
    if not is_http(record):
        raise Unusable("not-a-page")  # of DNS, for instance
    answer = parse_answer(block)
    if answer.status != 200:
        raise Unusable(f"status-{answer.status // 100}xx")
    kind = find_payload_type(record.fields) or answer.kind
    if kind and kind.decode("latin-1") not in HTML_TYPES:
        raise Unusable("not-html")
    if not record.whole:
        raise Unusable("too-large" if kind or sniff_html(block[answer.begin :]) else "not-html")
    body = decode_body(block[answer.begin :], answer, settings.max_page_bytes)
    if not kind and body.strip() and not sniff_html(body):
        raise Unusable("not-html")
    return read_html(body, answer.charset, settings)


def is_http(record: Record) -> bool:
    declared = record.fields.get(b"content-type", b"").lower()
    return b"application/http" in declared or record.block.startswith(b"HTTP/")


def find_payload_type(fields: Fields) -> bytes:
    """The type that the crawler found in the bytes, which is more reliable than what a server says."""
    return parse_type(fields.get(b"warc-identified-payload-type", b""))[0]


def read_resource(record: Record, settings: Extract) -> Page:
    """The page or text of a record that came over something else than HTTP."""
    kind, charset = parse_type(record.fields.get(b"content-type", b""))
    kind = find_payload_type(record.fields) or kind or (HTML_TYPES[0].encode() * sniff_html(record.block))
    if kind != b"text/plain" and kind.decode("latin-1") not in HTML_TYPES:
        raise Unusable("not-html")
    if not record.whole:
        raise Unusable("too-large")
    if kind == b"text/plain":
        return Page(None, decode_text(record.block, charset))
    return read_html(record.block, charset, settings)


def read_conversion(record: Record) -> Page:
    """The text of a WET record."""
    if not record.whole:
        raise Unusable("too-large")
    try:
        return Page(None, record.block.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unusable("bad-encoding") from None


def read_html(body: bytes, charset: str | None, settings: Extract) -> Page:
    """Read a page, whatever its parsers do with it, short of dying."""
    if not body.strip():
        raise Unusable("empty")
    try:
        return extract_page(body, charset, settings)
    except (Unusable, DspipeError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the native parser is no Exception
        raise Unusable("malformed") from error
