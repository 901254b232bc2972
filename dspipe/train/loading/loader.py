"""The loader: turns files of packed rows into the batch of any step, as a pure function of seed and step.

Nothing is remembered, so there is no state to save: a run resumes by asking for the next step. Which rows a
step takes, and in which order, comes from the schedules and the seed alone (`train/schedule/`, `order.py`);
where they lie, from the manifest and from the parts, each looked at when a row of it is first asked for
(`parts.py`). So opening costs nothing however many rows there are, and a batch the same at any step.

Every rank has a slice of the same global batch. Threads read ahead, and what they read does not depend on how
many they are.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dspipe.batch import PackedBatch
from dspipe.recipe import DspipeError, RecipeError
from dspipe.shards import Artifact
from dspipe.train.loading.order import Places
from dspipe.train.loading.parts import Parts
from dspipe.train.loading.reader import Reader, compile_reader, count_files
from dspipe.train.schedule.phases import Phase, count_met, list_rows

READERS = 2  # threads; more than AHEAD have nothing to do
AHEAD = 3  # batches read or being read beside the one that is trained on
LARGEST = 2**31  # the first number that a token of 32 bits with a sign cannot be


class RowLoader:
    """The batches of a course; a step is counted from 1.

    parts: of each length that was packed, its files and how many rows each has. phases: of these lengths.
    vocabulary: rows with a token from there on are refused.
    rank, world: which of so many slices of every batch is read.

    Raises:
        DspipeError: there are no rows of a length.
    """

    def __init__(
        self,
        parts: Mapping[int, Sequence[tuple[Path, int]]],
        phases: Sequence[Phase],
        seed: int = 0,
        vocabulary: int = LARGEST,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.phases = phases
        self.seed, self.vocabulary, self.rank, self.world = seed, min(vocabulary, LARGEST), rank, world
        lengths = dict.fromkeys(phase.length for phase in phases)
        self.parts = {length: Parts(length, parts[length]) for length in lengths}
        self.counts = {length: of_length.rows for length, of_length in self.parts.items()}
        for length, rows in self.counts.items():
            if not rows:
                raise DspipeError(f"no rows of {length} tokens to train on; pack more text")
        self._idle: dict[int, list[Reader]] = {length: [] for length in self.parts}
        self._memory = Memory()
        self._files = count_files((AHEAD + 1) * len(self.parts))
        compile_reader()

    def batch(self, step: int, pinned: bool = False) -> PackedBatch:
        """The rank's slice of a step's batch, in memory that a GPU can fetch from if `pinned`.

        Raises:
            DspipeError: a row of it is not as it was packed, or has a token beyond the vocabulary.
        """
        length, rows = self.rows(step)
        mine = rows[len(rows) * self.rank // self.world : len(rows) * (self.rank + 1) // self.world]
        tokens_BL, document_BL = self._memory.take(len(mine), length, pinned)
        idle = self._idle[length]
        try:
            reader = idle.pop()
        except IndexError:  # another thread has it
            reader = Reader(self.parts[length], self._files, self.vocabulary)
        try:
            reader.read(mine, tokens_BL.numpy().view(np.uint32), document_BL.numpy())
        except DspipeError as error:
            raise DspipeError(f"step {step}: {error}") from None
        finally:
            idle.append(reader)
        return PackedBatch(tokens_BL, document_BL)

    def stream(
        self, first: int, last: int, pinned: bool = False, readers: int = READERS
    ) -> Generator[PackedBatch]:
        """The batches of some steps in order, read ahead; what is wrong with one is raised where it is due.

        Close the generator, or use it up, to have its threads end.
        """
        threads = ThreadPoolExecutor(min(readers, AHEAD), thread_name_prefix="reader")
        try:
            tasks = (threads.submit(self.batch, step, pinned) for step in range(first, last + 1))
            due = deque(islice(tasks, AHEAD))
            while due:
                batch = due.popleft().result()
                due.extend(islice(tasks, 1))
                yield batch
        finally:
            threads.shutdown(cancel_futures=True)

    def rows(self, step: int) -> tuple[int, Places]:
        """The length and the numbers of the rows of a step's whole batch."""
        return list_rows(self.phases, step, self.seed, self.counts)

    def describe_rows(self, step: int) -> list[str]:
        """Where the rows of a step's whole batch lie: `L256/part-00003.arrow:31`, counted from 0."""
        length, rows = self.rows(step)
        parts, local = self.parts[length].find_rows(rows)
        paths = [self.parts[length].paths[part] for part in parts]
        return [f"{path.parent.name}/{path.name}:{row}" for path, row in zip(paths, local, strict=True)]

    def count_met(self, steps: int) -> dict[int, int]:
        """How many rows of each length so many steps take, repeats counted."""
        return count_met(self.phases, steps)


class Memory:
    """Hands out memory for batches, and again when nobody has the batch any more.

    Fresh memory is given page by page as it is written to, which takes longer than to read the rows.
    """

    def __init__(self) -> None:
        self._free: list[npt.NDArray[np.int32]] = []

    def take(self, rows: int, length: int, pinned: bool) -> tuple[Tensor, Tensor]:
        """Two tensors, int32 (rows, length), of whatever content."""
        if pinned:  # torch keeps what was pinned, and knows when a GPU is done with it
            tokens_BL, document_BL = torch.empty(2, rows, length, dtype=torch.int32, pin_memory=True)
            return tokens_BL, document_BL
        try:
            whole = self._free.pop()
        except IndexError:
            whole = np.empty(0, np.int32)
        if whole.shape != (2, rows, length):
            whole = np.empty((2, rows, length), np.int32)
        lent = whole.view()  # lives as long as any tensor that shares its memory
        weakref.finalize(lent, self.give_back, whole).atexit = False
        tokens_BL, document_BL = torch.from_numpy(lent)
        return tokens_BL, document_BL

    def give_back(self, whole: npt.NDArray[np.int32]) -> None:
        if len(self._free) <= AHEAD:
            self._free.append(whole)


def list_parts(sequences: Artifact) -> dict[int, list[tuple[Path, int]]]:
    """Of each length in an artifact, in the order it was packed in: its files and their rows."""
    parts: dict[int, list[tuple[Path, int]]] = {}
    for part in sequences.manifest.parts:
        length = int(part.file.split("/")[0].removeprefix("L"))
        parts.setdefault(length, []).append((sequences.folder / part.file, part.rows))
    if not parts:
        raise RecipeError(
            f"{sequences.folder}: no rows to train on: all documents are empty or held out; "
            "give more text, or lower pack.validation"
        )
    return parts
