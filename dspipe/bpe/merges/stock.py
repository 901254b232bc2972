"""Blocks of counted pieces → the same as tokens, on disk, brought up to date merge by merge, and surveyed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np

from dspipe.bpe.counts.block import Block
from dspipe.bpe.merges.cells import FINE, ROUGH, Bounds, Cells, add_pairs, allocate_cells
from dspipe.bpe.merges.pairs import PairTable, count_pairs
from dspipe.bpe.merges.replay import prepare_replay, replay_merges
from dspipe.bpe.merges.segments import Segments
from dspipe.bpe.merges.state import Places
from dspipe.bpe.merges.words import (
    Integers,
    Size,
    Words,
    measure_block,
    read_block,
    read_words,
    write_words,
)

SHARE_OF_CELLS, SHARE_OF_CHUNKS = 2, 8  # of the memory, one part in so many
BYTES_PER_TOKEN = 32  # of a chunk while merges are replayed in it
LEAST_CHUNK, LARGEST_CHUNK = 1 << 12, 1 << 20  # tokens
REFINED = 0.75  # of how often the most frequent pair occurs: rarer ones are left out of the second pass
ALL = -1  # pairs occur more often than that
BYTES_PER_PAIR = 64  # of the pairs that are counted, with their table being doubled
MOST_SHARES = 1 << 12  # of the pairs: then they are counted whatever room it takes

Found = TypeVar("Found")


class Stock:
    """All pieces of several tokens: as bytes from the blocks, or, once there are merges, from files.

    lengths: in bytes, of each token; longest: what a pair must be shorter than, see `is_admitted`.

    Attributes:
        tokens: how many the pieces have together.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        byte_ids: Places,
        lengths: Integers,
        longest: int,
        memory: int,
        folder: Path,
        threads: int,
    ) -> None:
        self._blocks, self._byte_ids = blocks, byte_ids
        self._lengths, self._longest = lengths, longest
        self._memory, self._folder, self._threads = memory, folder, threads
        self._chunk = clip(
            memory // (SHARE_OF_CHUNKS * threads * BYTES_PER_TOKEN), LEAST_CHUNK, LARGEST_CHUNK
        )
        self._updated = False
        self._sizes = list(self._each(lambda number: measure_block(blocks[number])))

    @property
    def tokens(self) -> int:
        return sum(size.tokens for size in self._sizes)

    def update(self, left: Places, right: Places, first: int) -> None:
        """Do merges in every piece, which make the ids from `first` on."""
        merges = prepare_replay(left, right, first)

        def replay(number: int) -> Size:
            return write_words(
                self._file(number), (replay_merges(words, merges) for words in self._read(number))
            )

        self._sizes = list(self._each(replay))
        self._updated = True

    def load(self) -> Words:
        """All pieces."""
        loaded = Words.allocate(self.tokens, sum(size.pieces for size in self._sizes))
        before = np.cumsum([Size(0, 0), *self._sizes], axis=0)

        def fill(number: int) -> None:
            tokens, pieces = map(int, before[number])
            for words in self._read(number):
                loaded.tokens[tokens : tokens + words.tokens.size] = words.tokens
                loaded.offsets[pieces + 1 : pieces + 1 + words.counts.size] = words.offsets[1:] + tokens
                loaded.counts[pieces : pieces + words.counts.size] = words.counts
                tokens, pieces = tokens + words.tokens.size, pieces + words.counts.size

        for _ in self._each(fill):
            pass
        return loaded

    def cut(self, tokens: int, above: int, most: int, refine: bool) -> Segments | None:
        """Segments of all pieces that have `tokens` tokens at most; None if not even a few pairs' fit.

        above: pairs that occur at most so often are cut; most: no pair occurs more often; refine: make a
        second pass for better bounds on how often pairs occur.
        """
        memory = self._memory // SHARE_OF_CELLS // (1 + refine)
        rough = allocate_cells(most, memory, ROUGH)
        self._add_pairs(rough, rough, ALL)
        bounds = Bounds(rough, rough, above)
        if refine:
            bounds = Bounds(rough, allocate_cells(most, memory, FINE), max(above, int(most * REFINED)))
            self._add_pairs(bounds.fine, rough, bounds.above)
        segments = Segments(tokens, bounds, self._lengths, self._longest, most)
        for number in range(len(self._blocks)):
            for words in self._read(number):
                if not segments.add(words):
                    return None
        return segments

    def _add_pairs(self, cells: Cells, rough: Cells, above: int) -> None:
        """Several threads read, one at a time adds up."""
        lock = Lock()

        def add(number: int) -> None:
            for words in self._read(number):
                with lock:
                    add_pairs(words, self._lengths, self._longest, cells, rough, above)

        for _ in self._each(add):
            pass

    def find_best(self) -> tuple[Places, Places, Integers] | None:
        """(left, right, count) of the pair to be merged next, (1,) each; in as many passes as memory asks."""
        shares = 1
        while True:
            best: list[tuple[Places, Places, Integers]] = []
            for share in range(shares):
                table = self._count_pairs(share, shares)
                if table is None:
                    break
                if table.used:
                    best.append(table.first(int(table.values.max())))
            else:
                return min(best, key=lambda pair: (-pair[2][0], pair[0][0], pair[1][0]), default=None)
            shares *= 2

    def _count_pairs(self, share: int, shares: int) -> PairTable | None:
        """How often each pair occurs, of one of some equal parts of them; None if they are too many."""
        table = PairTable(1 << 12)
        for number in range(len(self._blocks)):
            for words in self._read(number):
                count_pairs(words, self._lengths, self._longest, share, shares, table)
                if table.used * BYTES_PER_PAIR > self._memory and shares < MOST_SHARES:
                    return None
        return table

    def _each(self, work: Callable[[int], Found]) -> Iterator[Found]:
        """What is found in each block, in order; as many at once as there are threads."""
        with ThreadPoolExecutor(self._threads) as pool:
            yield from pool.map(work, range(len(self._blocks)))

    def _read(self, number: int) -> Iterator[Words]:
        if not self._updated:
            return read_block(self._blocks[number], self._byte_ids, self._chunk)
        return read_words(self._file(number), self._sizes[number], self._chunk)

    def _file(self, number: int) -> Path:
        return self._folder / f"words-{number:05d}"


def clip(number: int, least: int, most: int) -> int:
    return min(max(number, least), most)
