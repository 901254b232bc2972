"""Reads a file of plain text or Markdown, compressed or not and in whatever charset: it is one document."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dspipe.extract.formats.streams import BrokenStream, read_blocks
from dspipe.extract.pages.charset import decode_text
from dspipe.extract.reasons import Unusable
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile, Stream, open_source
from dspipe.extract.spans import Span
from dspipe.recipe import Extract

MARKDOWN = re.compile(r"\.(md|markdown|mdown|mkd)(\.\w+)?\Z", re.IGNORECASE)
LONGEST_SEARCH = 64 << 10  # characters at the beginning of a file in which its heading may be
FENCE = re.compile(r" {0,3}(```+|~~~+)")
HEADING = re.compile(r" {0,3}#[ \t]+(.*?)[ \t]*(?:[ \t]#+[ \t]*)?")


def read_text(file: SourceFile, span: Span, rows: Rows, settings: Extract) -> Iterator[int]:
    """The one document of a file, at offset 0."""
    if span.begin:
        return
    yield 0
    if 0 in rows.skipped:
        rows.drop("crashed", file, 0)
    else:
        add_text(file, rows, settings)
    yield max(file.bytes or 0, 1)


def add_text(file: SourceFile, rows: Rows, settings: Extract) -> None:
    """Take the text of a file, or count why there is none."""
    with open_source(file) as stream:
        try:
            content = read_content(stream, 4 * settings.max_characters)  # UTF-8 has up to four bytes each
        except BrokenStream as broken:
            stream.raise_failure()
            return rows.drop(broken.reason, file, 0)
        except Unusable as reason:
            return rows.drop(str(reason), file, 0)
    text = decode_text(content)
    rows.add(file, 0, text, title=find_heading(text) if MARKDOWN.search(file.path) else None)


def read_content(stream: Stream, limit: int) -> bytes:
    """All of a file.

    Raises:
        Unusable: it has more than `limit` bytes.
        BrokenStream: it has fewer than it should.
    """
    content = bytearray()
    for block in read_blocks(stream):
        content += block
        if len(content) > limit:
            raise Unusable("too-large")
    return bytes(content)


def find_heading(text: str) -> str | None:
    """The first heading of the first level in Markdown, where a line that begins with # may also be code."""
    fence = ""
    for line in text[:LONGEST_SEARCH].splitlines():
        if mark := FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif not fence and (heading := HEADING.fullmatch(line)):
            return heading[1]
    return None
