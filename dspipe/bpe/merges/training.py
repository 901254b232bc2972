"""Counted pieces on disk → the merges of a vocabulary: those of `tokenizers`, with counts of 64 bits.

The rule: the pair that occurs most often becomes a token, of several the one with the smallest left id, then
the smallest right id; left to right in a piece; until there are `vocab_size` ids or no pair is left that
occurs `min_frequency` times.

All pieces are in memory if they fit. If they do not, training goes in *rounds*, and is exact all the same. A
round finds how often each pair occurs at most, and cuts the pieces wherever a pair is too rare to be merged
in this round; see `segments`. What is left is learned from. Then the pieces on disk are brought up to date
with the new merges. What has been learned is on disk after each round, so that a training that was
interrupted goes on with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.counts.block import Block
from dspipe.bpe.merges.learn import PAUSED, learn
from dspipe.bpe.merges.load import allocate_learned, allocate_pairs, find_pairs, load_symbols
from dspipe.bpe.merges.state import FLOOR, MERGES, NEXT, USED_SLOTS
from dspipe.bpe.merges.stock import Stock
from dspipe.bpe.merges.words import Words
from dspipe.shards import write_array

BYTES = 256
BYTES_PER_SYMBOL = 20  # of what is loaded, at most: measured 19
BYTES_PER_TOKEN = 48  # the same of tokens that merges have made: a pair has fewer occurrences
SHARE_OF_SEGMENTS = 0.75  # of the memory; the rest is for the cells and for what is read and written
LITTLE = 0.7  # where a round gets no further than this share of the count, bounds have to be better
MOST_TOKENS = 1 << 29  # at once: places and slots are numbers of 32 bits
LEAST_MEMORY = 1 << 20  # bytes: with less a round learns next to nothing
WORK = 10_000_000  # occurrences that are merged between two reports
UNLIMITED = 1 << 62  # bytes of a token, or how often a pair occurs
SCALE, STEEPNESS = 1000, 50  # see `report_merges`

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Rules:
    vocab_size: int
    specials: int  # how many ids come before those of the bytes
    min_frequency: int = 0
    max_token_length: int | None = None

    @property
    def first(self) -> int:
        """The id that the first merge makes."""
        return self.specials + BYTES


@dataclass(frozen=True)
class Merges:
    """In order: the ids of both parts, (m,) int32, and how often the pair occurred, (m,) int64.

    Special tokens have the first ids, then come the bytes, then what each merge makes.
    """

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    counts: NDArray[np.int64]

    @property
    def size(self) -> int:
        return int(self.left.size)


def train_merges(
    blocks: Sequence[Block],
    byte_ids: NDArray[np.int32],
    rules: Rules,
    memory: int,
    folder: Path,
    threads: int = 1,
    report: Report = lambda done, total: None,
) -> Merges:
    """Learn merges in about `memory` bytes.

    `byte_ids` (256,) are the ids of the bytes. `folder` holds what is on disk meanwhile; if it has what an
    interrupted training has learned, from the same pieces by the same rules, this one goes on with it.
    """
    trainer = Trainer(blocks, byte_ids, rules, max(memory, LEAST_MEMORY), folder, threads, report)
    while trainer.learn_round():
        pass
    return trainer.merges


NOTHING = Merges(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int64))


class Trainer:
    """Learns in rounds; `merges` are those so far, `rounds` how many it took."""

    def __init__(
        self,
        blocks: Sequence[Block],
        byte_ids: NDArray[np.int32],
        rules: Rules,
        memory: int,
        folder: Path,
        threads: int,
        report: Report,
    ) -> None:
        self._rules, self._memory, self._report = rules, memory, report
        self._longest = rules.max_token_length or UNLIMITED
        self._least = max(1, rules.min_frequency)
        self._bytes = np.ones(max(rules.vocab_size, rules.first) + 1, np.int64)
        self._refine = False
        self._file = folder / "merges.npy"
        self._stock = Stock(blocks, byte_ids, self._bytes, self._longest, memory, folder, threads)
        self.rounds = 0
        self.merges = NOTHING
        if self._file.exists():
            left, right, counts = np.load(self._file)
            self._add(Merges(left.astype(np.int32), right.astype(np.int32), counts))

    @property
    def _next(self) -> int:
        return self._rules.first + self.merges.size

    def learn_round(self) -> bool:
        """Learn what some pieces, or all, have to tell; False when that was the last of it."""
        if self._next >= self._rules.vocab_size or not self._stock.tokens:
            return False
        self.rounds += 1
        each = BYTES_PER_TOKEN if self.merges.size else BYTES_PER_SYMBOL
        room = min(self._memory // each, MOST_TOKENS)
        if self._stock.tokens <= room:
            self.merges = join_merges(self.merges, self._learn(self._stock.load(), self._least))
            return False
        new, last = self._learn_segments(int(room * SHARE_OF_SEGMENTS))
        if not (new.size or last):
            new, last = self._learn_one()
        if last or self._next + new.size == self._rules.vocab_size:
            self.merges = join_merges(self.merges, new)
            return False
        self._add(new)
        write_array(self._file, np.stack([self.merges.left, self.merges.right, self.merges.counts]))
        return True

    def _learn_segments(self, tokens: int) -> tuple[Merges, bool]:
        """Merges of the pairs whose segments fit, and whether there are no others."""
        most = int(self.merges.counts[-1]) if self.merges.size else UNLIMITED
        segments = self._stock.cut(tokens, self._least - 1, most, self._refine)
        if segments is None:
            return NOTHING, False
        words, least = segments.list(), segments.above + 1
        self._refine = self._refine or segments.above > LITTLE * most
        del segments
        return self._learn(words, least), least == self._least

    def _learn_one(self) -> tuple[Merges, bool]:
        """The next merge, found by counting all pairs: not even the most frequent ones' segments fit."""
        best = self._stock.find_best()
        if best is None or best[2][0] < self._least:
            return NOTHING, True
        return Merges(*best), False

    def _learn(self, words: Words, least: int) -> Merges:
        symbols = load_symbols(*words)
        pairs = allocate_pairs(words.tokens.size)
        learned = allocate_learned(self._bytes, words.tokens.size)
        find_pairs(symbols, pairs, learned, self._longest)
        state = learned.state
        state[NEXT] = self._next
        state[FLOOR] = pairs.counts[: state[USED_SLOTS]].max(initial=0) + 1
        while learn(symbols, pairs, learned, self._rules.vocab_size, least, self._longest, WORK) == PAUSED:
            self._report_merges(int(state[MERGES]))
        self._report_merges(int(state[MERGES]))
        done = slice(0, int(state[MERGES]))
        return Merges(learned.merge_left[done], learned.merge_right[done], learned.merge_count[done])

    def _add(self, new: Merges) -> None:
        """Take new merges, and bring what is on disk up to date with them."""
        first = self._next
        for token, pair in enumerate(zip(new.left, new.right, strict=True), first):
            self._bytes[token] = sum(self._bytes[part] for part in pair)
        self.merges = join_merges(self.merges, new)
        self._stock.update(new.left, new.right, first)

    def _report_merges(self, new: int) -> None:
        """The first merges take longest: time goes with the logarithm of 1 + merges / 50, as measured."""
        done, total = self.merges.size + new, self._rules.vocab_size - self._rules.first
        share = math.log1p(done / STEEPNESS) / math.log1p(max(total, 1) / STEEPNESS)
        self._report(round(SCALE * min(1.0, share)), SCALE)


def join_merges(first: Merges, second: Merges) -> Merges:
    return Merges(
        np.concatenate([first.left, second.left]),
        np.concatenate([first.right, second.right]),
        np.concatenate([first.counts, second.counts]),
    )
