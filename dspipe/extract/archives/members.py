"""Turns an archive file into its members: stretches of uncompressed bytes, with the offset where each begins.

Crawlers compress every record by itself, so that one range of bytes holds one record. What a file is
compressed with is told from its first bytes, not from its name; an uncompressed file is one member.
"""

from __future__ import annotations

import re
from typing import Protocol

from dspipe.extract.archives.compression import (
    BEHIND,
    BLOCK,
    LZ4,
    PIECE,
    PREFIX,
    SLICE,
    ZSTD,
    Codec,
    Frames,
    Gzip,
    Window,
    walk_lz4,
    walk_zstd,
)
from dspipe.extract.sources.file import SourceFile, Stream, hide_secrets, print_safely
from dspipe.recipe import DspipeError

SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
DICTIONARY = b"\x5d\x2a\x4d\x18"


class Members(Protocol):
    """The members of a file, from `enter` on: `next`, then `read` to the end, then `next` again."""

    plain: bool  # not compressed: an offset is that of any byte

    @property
    def offset(self) -> int:
        """Where in the file reading is."""

    @property
    def jumps(self) -> bool:
        """Whether going far costs little."""

    def enter(self, offset: int) -> None: ...

    def next(self) -> int | None:
        """The offset of the next member, or of what stands in its place; None at the file's end."""

    def read(self) -> bytes:
        """The next piece of the member; nothing at its end.

        Raises:
            Damage: behind everything that could be read.
        """

    def looks_right(self, offset: int) -> bool:
        """Whether the bytes there are those with which a member begins."""

    def find(self, begin: int, end: int | None) -> int | None:
        """The offset of the first member at or behind `begin` and before `end` that begins with a record."""


class Windowed:
    """What both kinds of files have in common: a window on the stored bytes."""

    def __init__(self, window: Window) -> None:
        self._window = window

    @property
    def offset(self) -> int:
        return self._window.offset

    @property
    def jumps(self) -> bool:
        return self._window.jumps

    def enter(self, offset: int) -> None:
        self._window.move(offset)


class Plain(Windowed):
    """An uncompressed file: one member."""

    plain = True

    def next(self) -> int | None:
        return self._window.offset if self._window.peek(1) else None

    def read(self) -> bytes:
        piece = bytes(self._window.peek(PIECE))
        self._window.offset += len(piece)
        return piece

    def looks_right(self, offset: int) -> bool:
        return True

    def find(self, begin: int, end: int | None) -> int | None:
        return None


class Compressed(Windowed):
    """A compressed file: members are looked for by the bytes with which they begin."""

    plain = False

    def __init__(self, window: Window, codec: Codec, first: re.Pattern[bytes]) -> None:
        super().__init__(window)
        self.read = codec.read
        self._codec = codec
        self._magic = codec.magic
        self._match = re.compile(rb"[\r\n]*(?:%b)" % first.pattern).match

    def next(self) -> int | None:
        if self._window.peek(len(self._magic)) != self._magic:
            pass_padding(self._window)
            if not self._window.peek(1):
                return None
        offset = self._window.offset
        self._codec.start()
        return offset

    def looks_right(self, offset: int) -> bool:
        self._window.move(offset)
        return self._window.peek(len(self._magic)) == self._magic

    def find(self, begin: int, end: int | None) -> int | None:
        while True:
            self._window.move(begin)
            block = bytes(self._window.peek(BEHIND))
            at = block.find(self._magic)
            while at >= 0:
                if end is not None and begin + at >= end:
                    return None
                self._window.move(begin + at)
                if self._match(self._codec.probe()):
                    return begin + at
                at = block.find(self._magic, at + 1)
            if len(block) < BEHIND or (end is not None and begin >= end):
                self._window.move(begin + len(block))
                return None
            begin += BEHIND - len(self._magic) + 1


def pass_padding(window: Window) -> None:
    """Go on to what is neither zeros, with which tapes pad, nor a frame that says it is to be skipped."""
    while True:
        head = bytes(window.peek(8))
        if SKIPPABLE.match(head) and len(head) == 8:
            window.move(window.offset + 8 + int.from_bytes(head[4:], "little"))
        elif head[:1] == b"\0":
            block = bytes(window.peek(SLICE))
            window.offset += len(block) - len(block.lstrip(b"\0"))
        else:
            return


def open_members(file: SourceFile, stream: Stream, first: re.Pattern[bytes]) -> Members:
    """The members of a file whose records begin with the line `first`.

    Raises:
        DspipeError: one sentence, where a dictionary is needed to decompress it.
    """
    window = Window(stream)
    zstd = Frames(window, ZSTD, "zstd", walk_zstd)
    codecs: list[Codec] = [Gzip(window), zstd, Frames(window, LZ4, "lz4", walk_lz4)]
    marked = window.peek(4) == DICTIONARY
    pass_padding(window)
    head = bytes(window.peek(PREFIX))
    if head.startswith(ZSTD) and (marked or (head[4:5] and head[4] & 3)) and zstd.walk_over():
        raise DspipeError(
            print_safely(
                f"extract.sources.{file.source}: {hide_secrets(file.address)} is compressed by zstd with a "
                "dictionary; decompress it with that, and leave it so or compress it again without one"
            )
        )
    for codec in codecs:
        if head.startswith(codec.magic):
            return Compressed(window, codec, first)
    if first.match(head.lstrip(b"\r\n")):
        return Plain(window)
    return guess_members(window, [Compressed(window, codec, first) for codec in codecs], first)


def guess_members(window: Window, kinds: list[Compressed], first: re.Pattern[bytes]) -> Members:
    """What a file whose first bytes are damaged is by the first record that can be found in its beginning."""
    window.move(0)
    line = re.search(rb"\n(?:%b)" % first.pattern, bytes(window.peek(BLOCK)))
    nearest, chosen = line.start() if line else BLOCK, None
    for kind in kinds:
        found = kind.find(0, nearest)
        if found is not None:
            nearest, chosen = found, kind
    return chosen or Plain(window)
