"""Turns the members of an archive file into its records, each with the offset at which it can be read again.

WARC and ARC differ in how a record begins; how records follow each other, what damage costs and how reading
is taken up in the middle of a file is the same, and is here. A record's offset is where its member begins.
When members hold several, the first has that offset and each of the others one more than the one before it.
In a file that is not compressed, it is the offset of the record's first byte.

A record is whole when it ends where the next begins. Otherwise its length is wrong or something is damaged:
it costs one record, and reading goes on at the next line with which a record begins, or the next member.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dspipe.extract.archives.compression import Damage
from dspipe.extract.archives.members import Members, open_members
from dspipe.extract.rows import Rows
from dspipe.extract.sources.file import SourceFile, open_source
from dspipe.extract.spans import Span

MOST_HEAD = 64 << 10  # bytes of a record's own headers
MOST_SAMPLE = 128 << 10  # bytes at the beginning of a record that is too large to be held
MOST_PADDING = 1 << 20

find_content = re.compile(rb"[^\r\n\0]").search

Fields = dict[bytes, bytes]  # by name in lower case


@dataclass(frozen=True)
class Dialect:
    """How the records of a format begin."""

    first: re.Pattern[bytes]  # the first line of a record
    longest: int  # bytes of that line
    cut: re.Pattern[bytes]  # what may be left of it at the end of a file
    gap: re.Pattern[bytes]  # what stands between a whole record and another, even if that is damaged
    find_end: Callable[[bytes, int], int]  # (content, record's start) → end of its headers, or -1
    parse: Callable[[bytes], Fields]  # headers → fields, `content-length` among them, in digits


class Record(NamedTuple):
    """A record as it stands in its file."""

    offset: int
    fields: Fields
    head: bytes
    block: bytes
    whole: bool = True  # False: too large, and `block` is its beginning
    reason: str | None = None  # why it cannot be used


def pass_padding(content: bytes, at: int) -> int:
    """Where the next byte is that is neither the end of a line nor zero, or the end of the content."""
    found = find_content(content, at)
    return found.start() if found else len(content)


class Archive:
    """The records of one file, in turn: `enter`, then `arrive` and `read`, or `skip`, until `done`.

    A member is not decompressed before `arrive`: whoever drives this can first note where it is, and, if that
    killed the process, `skip` it the next time.
    """

    def __init__(self, members: Members, dialect: Dialect, measure: Callable[[Fields], int]) -> None:
        self.offset = 0  # of the record that is read next
        self.done = False
        self._members = members
        self._dialect = dialect
        self._measure = measure  # how many bytes of a record are held at most
        self._line = re.compile(rb"(?<=\n)(?:%b)" % dialect.first.pattern)
        self._last = -1  # offset of the record that was read last
        self._waiting = False  # whether a member begins at `offset` that is not decompressed yet
        self._begin(0)

    def _begin(self, offset: int) -> None:
        """Read a member, or of an uncompressed file whatever follows, from its beginning."""
        self._members.enter(offset)
        self._content = b""  # uncompressed; the record that is read begins at `_start`
        self._start = 0
        self._base = offset  # place of the first byte of `_content`: its offset, where nothing is compressed
        self._end = offset  # place behind the last
        self._marks: list[tuple[int, int]] = []  # (place, offset) of members that begin in `_content`
        self._fence = -1  # place of the last member that begins as a record does
        self._open = False  # whether a member is being read
        self._over = False  # whether the file has ended
        self._damage: Damage | None = None

    def enter(self, span: Span) -> bool:
        """Go to the first record of a span; False if none begins in it."""
        if span.begin and not span.exact:
            return self._find(span.begin, span.end)
        direct = span.begin == 0 or self._members.plain or self._members.looks_right(span.begin)
        self._last = span.begin - 1 if direct else -1
        self._begin(span.begin if direct else 0)
        self._settle(0)
        while not self.done and self.offset < span.begin:  # a record in the middle of a member
            if self.arrive():
                self.read()
        return not self.done

    def _find(self, begin: int, end: int | None) -> bool:
        self._last = begin - 1
        if self._members.plain:
            self._begin(begin - 1)
            return self._search(1, end)
        offset = self._members.find(begin, end)
        if offset is None:
            return False
        self._begin(offset)
        self._settle(0)
        return True

    def arrive(self) -> bool:
        """Decompress what begins at `offset`; False where no record does; `offset` is then the next one's."""
        offset = self.offset
        if self._waiting:
            self._settle(0, lazily=False)
        return self.offset == offset and not self.done

    def skip(self) -> None:
        """Go on to the next record, or, without decompressing it, behind the member that begins here."""
        if not self._waiting:
            self.read()
            return
        self._last = self.offset
        self._damage = Damage("crashed", self.offset + 1)
        self._find_member()

    def read(self) -> Record:
        """The record at `offset`; goes on to the next."""
        offset = self._last = self.offset
        self._behind = 1  # how far behind `_start` another record may begin, if this is none
        try:
            return self._read(offset)
        except Damage as damage:
            self._search(self._behind)
            return Record(offset, {}, b"", b"", reason=damage.reason)

    def _read(self, offset: int) -> Record:
        size = self._read_head()
        head = self._content[self._start : self._start + size]
        fields = self._dialect.parse(head)
        self._behind = size
        length = int(fields[b"content-length"])
        if length > self._measure(fields):
            block = self._pass_block(size, length)
            return Record(offset, fields, head, block, whole=False)
        if not self._fill(size + length):
            raise self._explain()
        behind = self._check_end(size + length)
        block = self._content[self._start + size : self._start + size + length]
        self._settle(behind)
        return Record(offset, fields, head, block)

    def _read_head(self) -> int:
        """The bytes of the headers of the record at `_start`."""
        dialect = self._dialect
        while (end := dialect.find_end(self._content, self._start)) < 0:
            have = len(self._content) - self._start
            begun = dialect.first.match(self._content, self._start)
            if have > MOST_HEAD or (have > dialect.longest and not begun):
                raise Damage("malformed")
            if not self._fill(have + 1):
                cut = self._damage or begun or dialect.cut.match(self._content, self._start)
                raise self._explain() if cut else Damage("malformed")
        if end - self._start > MOST_HEAD or not dialect.first.match(self._content, self._start):
            raise Damage("malformed")
        if not self._fill(end - self._start):
            raise self._explain()
        return end - self._start

    def _pass_block(self, size: int, length: int) -> bytes:
        """Pass over a block that is too large to be held; give the beginning of it."""
        sample = size + min(length, MOST_SAMPLE)
        self._fill(sample)
        place = self._base + self._start + size
        if self._base + self._start < self._fence < place + length:
            raise self._explain()
        block = self._content[self._start + size : self._start + sample]
        try:
            self._pass(size + length)
            self._settle(self._check_end(0))
        except Damage:
            if self._members.plain and self._members.jumps:  # the length may be what is wrong
                self._begin(place - 1)
                self._behind = 1
            raise
        return block

    def _pass(self, size: int) -> None:
        """Forget `size` bytes of content from `_start` on."""
        place = self._base + self._start + size
        self._behind = 0
        if self._members.plain and self._members.jumps and place > self._end:
            self._begin(place - 1)
        while self._end < place:
            self._start = len(self._content)
            if not self._fill(1):
                raise self._explain()
            if self._fence == self._base:
                raise Damage("malformed")
        self._start = place - self._base

    def _explain(self) -> Damage:
        """Why a record ends too early."""
        if self._fence > self._base + self._start:
            return Damage("malformed")
        return Damage(self._damage.reason if self._damage else "truncated")

    def _check_end(self, size: int) -> int:
        """Where, seen from `_start`, something follows the record that is `size` bytes long.

        Raises:
            Damage: the record does not end here, or its member is damaged.
        """
        while True:
            at = self._start + size
            behind = pass_padding(self._content, at)
            if behind < len(self._content):
                break
            piece = self._pull(across=False) if behind - at < MOST_PADDING else b""
            if not piece:
                if self._damage:
                    raise Damage(self._damage.reason)
                return behind - self._start
            self._append(piece)
        closed = any(self._base + at <= place <= self._base + behind for place, _ in self._marks)
        if not closed and not self._dialect.gap.match(self._content, at):
            behind -= self._start
            self._fill(behind + self._dialect.longest)
            behind += self._start
            if not self._dialect.first.match(self._content, behind):
                raise Damage("malformed")
        return behind - self._start

    def _settle(self, size: int, lazily: bool = True) -> None:
        """Go on to where, `size` bytes behind `_start`, the next record begins, or lazily may begin."""
        at = self._start + size
        place = self._base + at
        while (behind := pass_padding(self._content, at)) == len(self._content):
            self._content, self._start, self._base, at = b"", 0, self._end, 0
            self._marks = self._marks[-1:]
            self._content = self._pull(across=False)
            self._waiting = lazily and not (self._content or self._open or self._damage) and self._at_member()
            if self._waiting:
                self.done, self.offset = False, max(self._members.offset, self._last + 1)
                return
            self._content = self._content or self._pull()
            if not self._content:
                break
        here = self._base + behind if self._content else self._base
        self._start = here - self._base
        begun = [mark for mark in self._marks if mark[0] <= here]
        self._marks = self._marks[len(begun) :]
        begin = begun[-1][1] if begun and begun[-1][0] >= place else 0
        self.done = not self._content and not self._damage
        if self._members.plain:
            self.offset = here
        else:
            self.offset = max(self._members.offset if self.done else begin, self._last + 1)

    def _at_member(self) -> bool:
        return not self._members.plain and self._members.looks_right(self._members.offset)

    def _search(self, size: int, end: int | None = None) -> bool:
        """Go to the first record that may begin `size` bytes behind `_start` or later, but before `end`."""
        at = self._start + size
        while (found := self._find_line(at)) < 0:
            if end is not None and self._end >= end:
                return False
            tail = max(at - 1, len(self._content) - self._dialect.longest, 0)
            line = self._content.find(b"\n", tail)
            self._marks = [mark for mark in self._marks if mark[0] >= self._base + tail]
            kept = [mark[0] - self._base for mark in self._marks[:1]] + ([line] if line >= 0 else [])
            self._start, at = min(kept, default=len(self._content)), 0
            piece = self._pull()
            if not piece:
                return self._find_member()
            self._append(piece)
        if end is not None and self._base + found >= end:
            return False
        self._start = found
        self._settle(0)
        return True

    def _find_line(self, at: int) -> int:
        """Where in the content a line or a member begins as records do, or -1."""
        line = self._line.search(self._content, at)
        for mark, _ in self._marks:
            begin = mark - self._base
            if begin >= at and self._dialect.first.match(self._content, pass_padding(self._content, begin)):
                return min(begin, line.start()) if line else begin
        return line.start() if line else -1

    def _find_member(self) -> bool:
        """Go to the next member with a record, or to the end of the file, where content has ended."""
        found = self._members.find(self._damage.resume, None) if self._damage else None
        if found is not None:
            self._begin(found)
        else:
            self._content, self._start, self._base = b"", 0, self._end
            self._damage, self._open = None, False
        self._settle(0)
        return found is not None

    def _fill(self, size: int) -> bool:
        """Have `size` bytes from `_start` on; False where content, or the record, ends before."""
        have = len(self._content) - self._start
        if self._fence > self._base + self._start:
            return self._base + self._start + size <= self._fence
        if have >= size or self._over or self._damage:
            return have >= size
        pieces = [self._content[self._start :]] if have else []
        while have < size and (piece := self._pull()):
            pieces.append(piece)
            have += len(piece)
            if len(pieces) > 1 and self._fence == self._end - len(piece):
                size = have + 1
                break
        self._base += self._start
        self._content, self._start = b"".join(pieces), 0
        return have >= size

    def _append(self, piece: bytes) -> None:
        self._content = self._content[self._start :] + piece
        self._base += self._start
        self._start = 0

    def _pull(self, across: bool = True) -> bytes:
        """The next piece of content; nothing at the end of the file or, if not `across`, of the member."""
        try:
            while self._damage is None:
                if self._open:
                    piece = self._members.read()
                    if piece:
                        if (
                            self._marks
                            and self._marks[-1][0] == self._end
                            and self._dialect.first.match(piece)
                        ):
                            self._fence = self._end
                        self._end += len(piece)
                        return piece
                    self._open = False
                if not across:
                    break
                offset = self._members.next()
                if offset is None:
                    self._over = True
                    break
                if self._marks and self._marks[-1][0] == self._end:
                    self._marks.pop()  # of an empty member
                self._marks.append((self._end, offset))
                self._open = True
        except Damage as damage:
            self._damage = damage
        return b""


def read_archive(
    file: SourceFile,
    span: Span,
    rows: Rows,
    dialect: Dialect,
    measure: Callable[[Fields], int],
    use: Callable[[Record], None],
) -> Iterator[int]:
    """Give every whole record that begins in a span to `use`; the protocol of all readers."""
    with open_source(file, span.end) as stream:
        archive = Archive(open_members(file, stream, dialect.first), dialect, measure)
        if not archive.enter(span):
            return
        yield archive.offset
        while not archive.done and (span.end is None or archive.offset < span.end):
            if archive.offset in rows.skipped:
                rows.drop("crashed", file, archive.offset)
                archive.skip()
            elif archive.arrive():
                record = archive.read()
                if record.reason:
                    rows.drop(record.reason, file, record.offset)
                else:
                    use(record)
            yield archive.offset
