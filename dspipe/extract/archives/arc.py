"""Reads ARC files, the format that WARC replaced: a line of labels, and behind it what a server answered.

`URL IP-address date content-type length`, or with five more labels before the length; the first record of a
file, `filedesc://…`, says which. Both are told from the line itself, since a span has no first record, and
since addresses may have spaces in them. The labels are given the names that WARC has for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from dspipe.extract.archives.compression import Damage
from dspipe.extract.archives.records import Dialect, Fields, read_archive
from dspipe.extract.archives.warc import measure_block, use_record
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile
from dspipe.extract.spans import Span
from dspipe.recipe import Extract

LINE = re.compile(
    rb"(?>([A-Za-z][A-Za-z0-9+.-]{1,30}:[^\r\n]{1,8192}?) ([0-9A-Fa-f.:-]{1,45}) (\d{14}) )"
    rb"([^\r\n]{0,4096}? )?(\d{1,18})[ \t]*\r?\n"
)  # the first date counts: trying every one would take time that grows with the square of a line


def parse_line(line: bytes) -> Fields:
    """The labels of a record, named as in WARC.

    Raises:
        Damage: malformed.
    """
    match = LINE.fullmatch(line)
    if match is None:
        raise Damage("malformed")
    url, _, date, middle, length = match.groups()
    fields = {
        b"warc-type": b"filedesc" if url.startswith(b"filedesc:") else b"response",
        b"warc-target-uri": url,
        b"warc-date": b"%b-%b-%bT%b:%b:%bZ"
        % (date[:4], date[4:6], date[6:8], date[8:10], date[10:12], date[12:]),
        b"content-length": length,
    }
    labels = (middle or b"").split()
    if url[:4].lower() == b"http":
        fields[b"content-type"] = b"application/http"
    if len(labels) >= 6 and labels[-4] != b"-":
        fields[b"warc-payload-digest"] = labels[-4]
    return fields


def find_line_end(content: bytes, start: int) -> int:
    return content.find(b"\n", start) + 1 or -1


ARC = Dialect(
    first=LINE,
    longest=13 << 10,
    cut=re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{1,30}:[^\r\n]*\Z"),
    gap=re.compile(rb"\r?\n(?=[A-Za-z][A-Za-z0-9+.-]{1,30}:)"),
    find_end=find_line_end,
    parse=parse_line,
)


def read_arc(file: SourceFile, span: Span, rows: Rows, settings: Extract) -> Iterator[int]:
    """The documents of a span of an ARC file."""
    use = partial(use_record, file, rows, settings)
    return read_archive(file, span, rows, ARC, partial(measure_block, settings), use)
