"""Files → spans: what one worker reads at a time, and what becomes one part of `documents`.

A function of the files and their sizes alone, so that parts are the same for any number of workers. A span is
cut anywhere; the record that begins in it is its own, to the end, wherever that lies. Where records cannot be
found in the middle of a file, the first span reads all of it and the others find nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dspipe.extract.sources.file import SourceFile

BYTES_IN_SPAN = 64 << 20
BYTES_TOGETHER = 16 << 20  # of small files, which are read by one task


@dataclass(frozen=True)
class Span:
    """Where records begin that are to be read: at `begin` or behind it, before `end`.

    Offsets are of the file as it is stored, but in a compressed file of lines, which cannot be entered in the
    middle, they are of what it decompresses to.
    """

    begin: int = 0
    end: int | None = None  # None: to the end of the file
    exact: bool = False  # a record is known to begin at `begin`; there is nothing to search

    @property
    def empty(self) -> bool:
        return self.begin == self.end


def split_file(file: SourceFile) -> list[Span]:
    """The spans of one file, in order."""
    size = file.bytes or 0
    cuts = list(range(BYTES_IN_SPAN, size, BYTES_IN_SPAN))
    return [Span(begin, end) for begin, end in zip([0, *cuts], [*cuts, None], strict=True)]


def split_work(files: list[SourceFile]) -> Iterator[tuple[tuple[SourceFile, ...], Span]]:
    """What each task reads: a span of one file, or small files one after the other, each of them whole."""
    held: list[SourceFile] = []
    room = 0
    for file in files:
        size = BYTES_TOGETHER + 1 if file.bytes is None else file.bytes
        if held and (size > room or (file.source, file.format) != (held[-1].source, held[-1].format)):
            yield tuple(held), Span()
            held = []
        if size > BYTES_TOGETHER:
            yield from (((file,), span) for span in split_file(file))
            continue
        room = (room if held else BYTES_TOGETHER) - size
        held.append(file)
    if held:
        yield tuple(held), Span()


def correct(file: SourceFile, span: Span, start: int | None, reached: int) -> Span | None:
    """The span to be read instead of one that began at `start` when those before it have `reached` elsewhere.

    None where it fits. Searching may be fooled by what only looks like a record, inside of one; this makes up
    for it.
    """
    end = file.bytes if span.end is None else span.end
    assert end is not None  # a file of unknown size is one span, which has none before it
    behind = reached >= end
    if start == reached or span == Span(reached, span.end, exact=True):
        return None
    if start is None and (behind or file.format in ("parquet", "arrow")):
        return None
    return Span(end, end, exact=True) if behind else Span(reached, span.end, exact=True)
