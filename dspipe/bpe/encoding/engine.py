"""Turns texts into ids with one tokenizer's tables, on one core or several."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.encoding.blocks import AHEAD, PIECE, PIECES, POSITION, WORDS, WRITTEN, encode_block
from dspipe.bpe.encoding.cache import (
    LINES,
    LONG_LINES,
    MOST_IDS_LONG,
    make_cache,
    seed_cache,
    seed_long_cache,
)
from dspipe.bpe.encoding.merging import MEETINGS, SHORT
from dspipe.bpe.encoding.tables import EMPTY, Tables
from dspipe.bpe.pieces.splitter import Splitter, WholeSplitter
from dspipe.text.arrow import Bytes, Offsets, read_only

Ids = NDArray[np.uint32]
PIECES_IN_BLOCK = 1 << 14  # their text, ends and ids stay in the L2 cache
RUN_BYTES = 1 << 18  # less is not worth a thread
RUNS = 4  # for each thread, so that none waits long for the others
BYTES_A_TOKEN = 3  # less, and room for ids is made again


class Desk(NamedTuple):
    """What one thread writes to: a cache for itself, room for pieces."""

    cache: NDArray[np.uint64]
    long_cache: NDArray[np.uint64]
    ends: NDArray[np.int64]
    keys: NDArray[np.uint64]
    met: NDArray[np.uint64]
    room: NDArray[np.int32]


class Engine:
    """Encodes with tables; the state that it keeps are caches, on which no id depends."""

    def __init__(
        self, splitter: Splitter, tables: Tables, text: Bytes, offsets: Offsets, threads: int = 1
    ) -> None:
        self._splitter = splitter
        self._tables = tables
        threads = threads if splitter.in_kernel else 1  # the library's splitter remembers a document
        self._threads = threads
        self._seeds = (text, offsets)
        self._desks: SimpleQueue[Desk] = SimpleQueue()
        for _ in range(threads):
            self._desks.put(self._set_desk())

    def _set_desk(self) -> Desk:
        tokens = self._tables.shorter.size // 2
        cache, long_cache = make_cache(LINES), make_cache(LONG_LINES)
        seed_cache(*self._seeds, self._tables.ids[:tokens], cache)
        seed_long_cache(*self._seeds, self._tables.ids[:tokens], long_cache)
        return Desk(
            cache,
            long_cache,
            np.empty(PIECES_IN_BLOCK, np.int64),
            np.empty(WORDS * AHEAD, np.uint64),
            np.full(MEETINGS, EMPTY, np.uint64),
            np.empty(3 * SHORT, np.int32),
        )

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads)

    def encode(self, text: Bytes, offsets: Offsets) -> tuple[Ids, Offsets]:
        """All ids, (t,), and where each text begins, (n + 1,)."""
        text, offsets = read_only(text), read_only(offsets)  # for which kernels are compiled
        runs = self._cut_runs(offsets)
        if len(runs) == 1:
            return self._encode_run(text, offsets)
        parts = list(self._pool.map(lambda run: self._encode_run(text, offsets[run[0] : run[1] + 1]), runs))
        starts = np.cumsum([0, *(ids.size for ids, _ in parts)])
        bounds = [part[1:] + start for (_, part), start in zip(parts, starts, strict=False)]
        return np.concatenate([ids for ids, _ in parts]), np.concatenate([np.zeros(1, np.int64), *bounds])

    def encode_pieces(self, text: Bytes, offsets: Offsets) -> tuple[Ids, Offsets]:
        """The same where each text is one piece, which merges alone divide."""
        return self._encode_run(read_only(text), read_only(offsets), WholeSplitter())

    def _cut_runs(self, offsets: Offsets) -> list[tuple[int, int]]:
        """Runs of texts of about the same number of bytes, in order."""
        size, texts = int(offsets[-1] - offsets[0]), offsets.size - 1
        count = min(self._threads * RUNS, size // RUN_BYTES, texts) if self._threads > 1 else 1
        marks = offsets[0] + size * np.arange(1, count) // max(1, count)
        cuts = np.unique(np.concatenate([[0], np.searchsorted(offsets, marks), [texts]]))
        return list(pairwise(cuts.tolist())) if cuts.size > 2 else [(0, texts)]

    def _encode_run(
        self, text: Bytes, offsets: Offsets, splitter: WholeSplitter | None = None
    ) -> tuple[Ids, Offsets]:
        desk = self._desks.get()
        try:
            return self._encode_at(desk, splitter or self._splitter, text, offsets)
        finally:
            self._desks.put(desk)

    def _encode_at(
        self, desk: Desk, splitter: Splitter | WholeSplitter, text: Bytes, offsets: Offsets
    ) -> tuple[Ids, Offsets]:
        size = int(offsets[-1] - offsets[0])
        place = np.array([0, offsets[0]], np.int64)
        state = np.array([0, offsets[0], 0, 0, 0], np.int64)
        out = np.empty(min(size, size // BYTES_A_TOKEN + 8 * PIECES_IN_BLOCK) + MOST_IDS_LONG, np.uint32)
        bounds = np.zeros(offsets.size, np.int64)
        left = np.zeros(int(np.diff(offsets).max(initial=0)) // 64 + 1, np.uint64)
        while count := splitter.split(text, offsets, place, desk.ends):
            state[PIECE], state[PIECES] = 0, count
            while not encode_block(
                text,
                offsets,
                desk.ends,
                state,
                *self._tables,
                desk.cache,
                desk.long_cache,
                desk.keys,
                desk.met,
                left,
                desk.room,
                out,
                bounds,
            ):
                needed = int(state[WRITTEN] + desk.ends[count - 1] - state[POSITION]) + MOST_IDS_LONG
                out.resize(max(needed, min(out.size * 3 // 2, size + MOST_IDS_LONG)), refcheck=False)
        out.resize(int(state[WRITTEN]), refcheck=False)
        return out, bounds
