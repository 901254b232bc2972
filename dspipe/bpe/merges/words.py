"""Counted pieces on disk → some of them at a time, as tokens; and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.counts.block import Block
from dspipe.bpe.merges.state import Places
from dspipe.text.arrow import read_only
from dspipe.text.kernel import kernel

Integers = NDArray[np.int64]


class Words(NamedTuple):
    """Piece i is tokens[offsets[i] : offsets[i + 1]], and occurs counts[i] times."""

    tokens: Places
    offsets: Integers
    counts: Integers

    @staticmethod
    def allocate(tokens: int, pieces: int) -> Words:
        words = Words(np.empty(tokens, np.int32), np.empty(pieces + 1, np.int64), np.empty(pieces, np.int64))
        words.offsets[0] = 0
        return words

    def first(self, pieces: int) -> Words:
        return Words(self.tokens[: self.offsets[pieces]], self.offsets[: pieces + 1], self.counts[:pieces])


class Size(NamedTuple):
    """Of the pieces of several tokens."""

    tokens: int
    pieces: int


def measure_block(block: Block) -> Size:
    """Each byte is a token."""
    pieces = block.open()
    several, size = 0, 0
    for begin, end in divide(pieces.offsets, 1 << 20):
        lengths = np.diff(pieces.offsets[begin : end + 1])
        several += int(np.count_nonzero(lengths > 1))
        size += int(lengths[lengths > 1].sum())
    return Size(size, several)


def read_block(block: Block, byte_ids: Places, most: int) -> Iterator[Words]:
    """The pieces of two bytes or more, with `most` tokens at once, or with one piece."""
    text, offsets, counts = block.open()
    for begin, end in divide(offsets, most):
        words = Words.allocate(int(offsets[end] - offsets[begin]), end - begin)
        kept = spell(text, offsets, counts, begin, end, byte_ids, *words)
        yield words.first(int(kept))


def read_words(path: Path, size: Size, most: int) -> Iterator[Words]:
    """What was written to a file and those beside it."""
    if not size.pieces:
        return
    offsets = np.memmap(f"{path}-offsets", np.int64, "r", shape=(size.pieces + 1,))
    for begin, end in divide(offsets, most):
        first = int(offsets[begin])
        yield Words(
            read_numbers(f"{path}-tokens", np.int32, first, int(offsets[end]) - first),
            offsets[begin : end + 1] - first,
            read_numbers(f"{path}-counts", np.int64, begin, end - begin),
        )


def write_words(path: Path, parts: Iterable[Words]) -> Size:
    """Three files of numbers, which take the place of those that are there, all pieces together."""
    tokens, pieces = 0, 0
    names = [Path(f"{path}-{name}") for name in Words._fields]
    new = [name.with_name(name.name + ".new") for name in names]
    with (
        open(new[0], "wb") as token_file,
        open(new[1], "wb") as offset_file,
        open(new[2], "wb") as count_file,
    ):
        offset_file.write(np.zeros(1, np.int64).data)
        for words in parts:
            token_file.write(words.tokens.data)
            offset_file.write((words.offsets[1:] + tokens).data)
            count_file.write(words.counts.data)
            tokens += words.tokens.size
            pieces += words.counts.size
    for source, name in zip(new, names, strict=True):
        source.replace(name)
    return Size(tokens, pieces)


def read_numbers(path: str, kind: type[Any], first: int, count: int) -> NDArray[Any]:
    return np.fromfile(path, kind, count, offset=first * np.dtype(kind).itemsize)


def divide(offsets: Integers, most: int) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of pieces that have `most` tokens together at most, or are one."""
    begin, last = 0, offsets.size - 1
    while begin < last:
        end = int(np.searchsorted(offsets, offsets[begin] + most, "right")) - 1
        end = min(max(end, begin + 1), last)
        yield begin, end
        begin = end


def spell(
    text: NDArray[np.uint8], offsets: Integers, counts: Integers, begin: int, end: int, *rest: NDArray[Any]
) -> int:
    return int(spell_pieces(text, read_only(offsets), read_only(counts), begin, end, *rest))


@kernel
def spell_pieces(  # type: ignore[no-untyped-def]
    text, offsets, counts, begin, end, byte_ids, tokens, token_offsets, token_counts
):
    """A token for each byte, without the pieces of one; returns how many pieces there are."""
    kept, used = 0, token_offsets[0]
    for piece in range(begin, end):
        if offsets[piece + 1] - offsets[piece] > 1:
            for place in range(offsets[piece], offsets[piece + 1]):
                tokens[used] = byte_ids[text[place]]
                used += 1
            token_counts[kept] = counts[piece]
            kept += 1
            token_offsets[kept] = used
    return kept
