"""Builds the crawls that these tests read: real files, with whatever is wrong with them put in by hand."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from dspipe.extract.readers import READERS
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile
from dspipe.extract.sources.find import find_files
from dspipe.extract.spans import Span, correct
from dspipe.recipe import Extract, Source
from dspipe.shards import Counts, Header, Journal, Manifest, Output
from dspipe.workers import Pool, Workers

PARAGRAPH = "The quick brown fox jumps over the lazy dog, and nobody asks it why it does so every day."


def make_page(text: str = PARAGRAPH) -> bytes:
    return f"<html><head><title>T</title></head><body><p>{text}</p></body></html>".encode()


def make_answer(
    body: bytes, kind: str = "text/html", status: str = "HTTP/1.1 200 OK", headers: str = ""
) -> bytes:
    return f"{status}\r\nContent-Type: {kind}\r\n{headers}\r\n".encode() + body


def make_record(
    block: bytes, kind: str = "response", number: int = 0, headers: str = "", length: int = -1
) -> bytes:
    content = "text/plain" if kind == "conversion" else f"application/http; msgtype={kind}"
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number:032x}>\r\n"
        f"WARC-Target-URI: https://example.org/{number}\r\nWARC-Date: 2024-01-02T03:04:05Z\r\n{headers}"
        f"Content-Type: {content}\r\nContent-Length: {len(block) if length < 0 else length}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def make_pages(count: int, first: int = 0) -> list[bytes]:
    """Compressed members of a WARC, each with a page of its own."""
    return [
        gzip.compress(make_record(make_answer(make_page(f"{PARAGRAPH} Page {number}.")), number=number))
        for number in range(first, first + count)
    ]


def open_file(path: Path | str, **source: Any) -> SourceFile:
    (file,) = find_files(Source(name="test", path=str(path), **source))
    return file


def read_span(
    file: SourceFile, span: Span, settings: Extract, skipped: frozenset[int] = frozenset()
) -> tuple[list[int], list[dict[str, Any]], list[dict[str, Any]], Counts]:
    """The boundaries, documents, dropped records and counts of one span."""
    rows = Rows(settings.max_characters, skipped)
    boundaries, documents, unused = [], [], []
    for boundary in READERS[file.format](file, span, rows, settings):
        boundaries.append(boundary)
        if rows.full:
            batch, rest = rows.take()
            documents += batch.to_pylist()
            unused += rest.to_pylist()
    batch, rest = rows.take()
    return boundaries, documents + batch.to_pylist(), unused + rest.to_pylist(), rows.counts


def read_spans(
    file: SourceFile, cuts: list[int], settings: Extract
) -> tuple[list[int], list[dict[str, Any]], list[dict[str, Any]]]:
    """The same for the whole file, read in spans: each must begin where the one before it ended."""
    reached, boundaries, documents, unused = None, [], [], []
    for begin, end in zip([0, *cuts], [*cuts, None], strict=True):
        found = read_span(file, Span(begin, end), settings)
        start = found[0][0] if found[0] else None
        correction = correct(file, Span(begin, end), start, reached) if reached is not None else None
        if correction is not None:
            found = ([], [], [], Counts(0, 0)) if correction.empty else read_span(file, correction, settings)
        boundaries += found[0]
        documents += found[1]
        unused += found[2]
        reached = found[0][-1] if found[0] else reached
    return sorted(set(boundaries)), documents, unused


def read_file(
    path: Path | str, max_characters: int = 10_000_000, **source: Any
) -> tuple[list[dict[str, Any]], Counts]:
    """All documents of one file, and its counts."""
    settings = Extract(max_characters=max_characters)
    boundaries, documents, unused, counts = read_span(open_file(path, **source), Span(), settings)
    assert len(documents) == counts.out
    assert len(unused) == counts.in_ - counts.out
    assert counts.reconcile()
    assert boundaries == sorted(set(boundaries))
    return documents, counts


def read_warc(tmp_path: Path, *records: bytes, name: str = "x.warc") -> tuple[list[dict[str, Any]], Counts]:
    """Write bytes as a file and read it."""
    (tmp_path / name).write_bytes(b"".join(records))
    return read_file(tmp_path / name)


def extract(folder: Path, sources: list[Source], workers: int = 1, **settings: Any) -> Manifest:
    """Run the stage as the runner does."""
    from dspipe.extract.stage import run

    header = Header("extract", 1, {}, "f", [])
    output, journal, pool = Output(folder / "documents", header), Journal(folder / ".progress"), Pool(workers)
    journal.begin(header)
    try:
        run(Extract(sources=sources, **settings), output, Workers(pool, journal))
    finally:
        pool.close()
    assert output.closed is not None
    return output.closed


def write_crawl(folder: Path, files: int = 3) -> str:
    """Write a crawl of a few small WARC files below a folder; return the glob that finds them."""
    for number in range(files):
        path = folder / f"deep/{number}.warc.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(make_pages(5, 5 * number)))
    return f"{folder}/**/*.warc.gz"
