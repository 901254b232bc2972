"""WARC files to measure on: what a glob names, or the sample made larger by seeded edits.

A copy of a page has other words than the page: each word may be replaced by another word of the same page, so
that it compresses about as the page does and no two pages are equal. Tags, entities and scripts stay as they
are.
"""

from __future__ import annotations

import glob
import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from dspipe.recipe import RecipeError

SAMPLE = "shards/sample/web*.warc.gz"
FILES = 8  # of the scaled sample, so that several workers have something to do
REPLACED = 0.3  # share of the words
PIECES = re.compile(
    rb"((?:<script\b.*?</script>|<style\b.*?</style>|<[^>]*>|&\w+;|[^\w<&\x80-\xff]+)+)", re.S
)
HTML = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class Crawl:
    """Files, and the bytes and number of the HTML pages in them."""

    pattern: str
    files: tuple[str, ...]
    bytes: int
    pages: int


@dataclass(frozen=True)
class Record:
    """A record as it is in a WARC file: its header lines but for its length, and its block."""

    head: bytes
    block: bytes


def find_crawl(pattern: str) -> Crawl:
    """What is in the files that a glob names."""
    files = sorted(glob.glob(pattern, recursive=True))
    if not files:
        raise RecipeError(f"no file matches {pattern}; check --data")
    sizes = [len(record.reader.read()) for file in files for record in iterate_pages(file)]
    if not sizes:
        raise RecipeError(f"{pattern}: no HTML page is in these files; give WARC files with --data")
    return Crawl(pattern, tuple(files), sum(sizes), len(sizes))


def iterate_pages(file: str) -> Iterator[WarcRecord]:
    """The records with HTML pages that a server has given, HTTP headers read."""
    with open(file, "rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
            answer = record.http_headers
            if answer and answer.status_code == 200 and record.http_content_type in HTML:
                yield record


def scale_sample(folder: Path, size: int, pattern: str = SAMPLE) -> Crawl:
    """Write about `size` bytes of HTML to WARC files in a folder, from the pages of the sample's."""
    files = sorted(glob.glob(pattern))
    if not files:
        raise RecipeError(f"{pattern} is not there; run this in a checkout of dspipe, or give --data GLOB")
    pages = find_crawl(pattern)
    folder.mkdir(exist_ok=True)
    records = [record for file in files for record in read_records(file)]
    copies = max(1, round(size / pages.bytes))
    for number in range(min(FILES, copies)):
        with (folder / f"scaled-{number:05d}.warc.gz").open("wb") as target:
            for copy in range(number, copies, FILES):
                for place, record in enumerate(records):
                    target.write(compress(edit_record(record, random.Random(f"{copy} {place}"), copy)))
    return find_crawl(str(folder / "*.warc.gz"))


def read_records(file: str) -> Iterator[Record]:
    with open(file, "rb") as stream:
        for record in ArchiveIterator(stream, parse_http=False):
            kept = [f"{name}: {value}\r\n" for name, value in record.headers.items() if not is_of_bytes(name)]
            yield Record("".join(["WARC/1.0\r\n", *kept]).encode(), record.reader.read())


def is_of_bytes(header: str) -> bool:
    """Whether a header would no longer hold when the block is edited."""
    return header.lower() in ("content-length", "warc-block-digest", "warc-payload-digest")


def edit_record(record: Record, chance: random.Random, copy: int) -> bytes:
    """A whole record with another URL and, where it is a page in plain UTF-8, other words."""
    head = re.sub(rb"(WARC-Target-URI: \S+)", b"\\1?copy=%d" % copy, record.head)
    lines, gap, body = record.block.partition(b"\r\n\r\n")
    block = record.block
    if b"text/html; charset=utf-8" in lines and b"-Encoding:" not in lines:
        body = edit_words(body, chance)
        block = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), lines) + gap + body
    return b"%sContent-Length: %d\r\n\r\n%s\r\n\r\n" % (head, len(block), block)


def edit_words(page: bytes, chance: random.Random) -> bytes:
    """The page with a share of its words replaced by others of its words."""
    pieces = PIECES.split(page)  # words at even places, what is between them at odd ones
    places = range(0, len(pieces), 2)
    for place in chance.sample(places, int(REPLACED * len(places))):
        if pieces[place]:
            pieces[place] = pieces[chance.choice(places)] or pieces[place]
    return b"".join(pieces)


def compress(data: bytes) -> bytes:
    """One gzip member."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, 31)
    return squeeze.compress(data) + squeeze.flush()
