"""Records that parts have → what all parts together say about each key, in bounded memory.

A part writes its records as *runs*, sorted by key. The keys are hashes, so equal spans of numbers hold about
equally many; each span, which fits in memory, is gathered out of all runs, looked at as a whole, and what is
found is written as *answers*, by the run that asked. A run never holds more than a few records of one key,
so that no key, however frequent, makes a span large. Records are columns of uint64, the first of which is
the (upper half of the) key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from dspipe.shards import write_array

Columns = npt.NDArray[np.uint64]  # (columns, records)
Integers = npt.NDArray[np.int64]

BYTES_IN_SPAN = 32 << 20


class Written(Struct, frozen=True):
    """What a part wrote: the number of records in each of its runs."""

    records: list[int]


class Answered(Struct, frozen=True):
    records: int


@dataclass(frozen=True)
class Runs:
    """The runs of all parts, and the answers to them; both are in one folder."""

    folder: Path
    columns: int
    records: tuple[tuple[int, ...], ...]  # of each part, in each of its runs

    @property
    def spans(self) -> int:
        size = 8 * self.columns * sum(map(sum, self.records))
        return max(1, -(-size // BYTES_IN_SPAN))

    @property
    def files(self) -> list[Path]:
        """All runs, in order."""
        return [
            name_run(self.folder, part, number)
            for part, records in enumerate(self.records)
            for number in range(len(records))
        ]

    def read_answers(self, part: int, number: int) -> Columns:
        """The answers to one run, (columns, n), by key."""
        index = sum(map(len, self.records[:part])) + number
        pieces = []
        for span in range(self.spans):
            ends = np.load(name_ends(self.folder, span), mmap_mode="r")
            answers = np.load(name_answers(self.folder, span), mmap_mode="r")
            pieces.append(np.array(answers[:, ends[index] : ends[index + 1]]))
        return np.concatenate(pieces, axis=1)

    def remove(self) -> None:
        """Delete runs that have been answered; a resumed run may do so again."""
        for file in self.files:
            file.unlink(missing_ok=True)

    def remove_answers(self) -> None:
        for span in range(self.spans):
            name_answers(self.folder, span).unlink(missing_ok=True)
            name_ends(self.folder, span).unlink(missing_ok=True)


@dataclass(frozen=True)
class Span:
    """One task: equally wide spans of the keys are numbered in their order."""

    runs: Runs
    number: int


def make_spans(runs: Runs) -> list[Span]:
    return [Span(runs, number) for number in range(runs.spans)]


def collect_runs(folder: Path, columns: int, written: list[Written]) -> Runs:
    return Runs(folder, columns, tuple(tuple(part.records) for part in written))


def name_run(folder: Path, part: int, number: int) -> Path:
    return folder / f"run-{part:05d}-{number:05d}.npy"


def name_answers(folder: Path, span: int) -> Path:
    return folder / f"answers-{span:05d}.npy"


def name_ends(folder: Path, span: int) -> Path:
    return folder / f"ends-{span:05d}.npy"


def write_runs(folder: Path, part: int, runs: Iterator[Columns]) -> Written:
    """Write each run of a part, which must be sorted."""
    records = []
    for number, columns in enumerate(runs):
        write_array(name_run(folder, part, number), columns)
        records.append(columns.shape[1])
    return Written(records)


def gather(task: Span) -> tuple[Columns, Integers]:
    """The records of a span in the order of runs, and the number of the run that each is of."""
    pieces, sizes = [np.empty((task.runs.columns, 0), np.uint64)], []
    for file in task.runs.files:
        run = np.load(file, mmap_mode="r").view(np.ndarray)
        limits = task.number, task.number + 1
        first, last = (find_limit(run[0], number, task.runs.spans) for number in limits)
        pieces.append(run[:, first:last].copy())  # a mapped file stays open
        sizes.append(last - first)
    return np.concatenate(pieces, axis=1), np.repeat(np.arange(len(sizes)), sizes)


def find_limit(keys: npt.NDArray[np.uint64], number: int, spans: int) -> int:
    """How many sorted keys are below the span of a number."""
    limit = (number << 64) // spans
    return len(keys) if limit >> 64 else int(np.searchsorted(keys, np.uint64(limit)))


def answer(task: Span, columns: Columns, runs: Integers) -> Answered:
    """Write answers, given by key, to the runs named."""
    order = np.argsort(runs, kind="stable")
    ends = np.searchsorted(runs[order], np.arange(len(task.runs.files) + 1))
    write_array(name_answers(task.runs.folder, task.number), columns[:, order])
    write_array(name_ends(task.runs.folder, task.number), ends)
    return Answered(columns.shape[1])
