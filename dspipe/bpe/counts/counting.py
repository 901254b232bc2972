"""Parts of a mixture → how often each distinct piece occurs in them, in blocks on disk.

A task cuts a few parts into pieces and counts them in one table, which is written to disk as a run whenever
it is full, and at the end. Runs are in the order of a hash, so that a second kind of task finds its range of
the hash in all of them and adds up what is there. So no process holds more than its table, and the blocks are
the same whatever was spilled when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct

from dspipe.bpe.counts.block import Block
from dspipe.bpe.counts.runs import Run, gather, refuse
from dspipe.bpe.counts.sample import Sample, choose_sample, describe_sample, keep_sample, measure_languages
from dspipe.bpe.counts.table import Table
from dspipe.bpe.pieces.splitter import Splitter
from dspipe.recipe import Tokenizer
from dspipe.shards import read_batches
from dspipe.text.arrow import Bytes, Offsets, text_buffers
from dspipe.text.kernel import compiling_once
from dspipe.workers import Workers

PIECES_AT_ONCE = 8192  # so that the ends of pieces stay in the cache until they are counted
BYTES_IN_TASK = 64 << 20  # of files, at most, unless one file is larger
LEAST_TASKS = 16  # if there are as many files
BYTES_IN_RANGE = 16 << 20  # of runs, which a block is gathered from
MOST_RANGES = 4096  # as each range looks into every run
MEMORY_OF_THE_REST = 300 << 20  # bytes of a process that are not its table: measured
LEAST_TABLE, LARGEST_TABLE = 16 << 20, 1 << 30  # bytes


@dataclass(frozen=True)
class Counting:
    files: tuple[Path, ...]
    settings: Tokenizer
    sample: Sample
    memory: int  # bytes of the table
    folder: Path
    name: str


@dataclass(frozen=True)
class Gathering:
    runs: tuple[Run, ...]
    number: int
    ranges: int
    block: Block


class Tally(Struct, frozen=True):
    """What a task has counted: its runs and their bytes, pieces with repeats, documents, bytes of text.

    languages: bytes of natural language by language, where a sample is taken.
    """

    runs: int
    size: int
    pieces: int
    documents: int
    bytes: int
    languages: dict[str, int]


class Gathered(Struct, frozen=True):
    pieces: int
    bytes: int


@dataclass(frozen=True)
class Counted:
    """All distinct pieces of a mixture, and how the counting went."""

    blocks: list[Block]
    facts: dict[str, Any]


def count_pieces(files: Sequence[Path], settings: Tokenizer, workers: Workers) -> Counted:
    """Count the pieces of the texts in some Parquet files, or of a sample of them by language."""
    sample = choose_sample(files, settings, workers)
    folder = workers.scratch
    memory = choose_memory(workers)
    tasks = [
        Counting(group, settings, sample, memory, folder, f"run-{number:05d}")
        for number, group in enumerate(group_files(files))
    ]
    counted = workers.map(count_files, tasks)
    runs = tuple(
        Run(Block(folder, f"{task.name}-{number:03d}"))
        for task, done in zip(tasks, counted, strict=True)
        for number in range(done.runs)
    )
    ranges = choose_ranges(counted)
    blocks = [Block(folder, f"block-{number:05d}") for number in range(ranges)]
    gathered = workers.map(
        gather_range, [Gathering(runs, number, ranges, block) for number, block in enumerate(blocks)]
    )
    facts = describe_sample(sample, [done.languages for done in counted]) | {
        "documents": sum(done.documents for done in counted),
        "bytes": sum(done.bytes for done in counted),
        "pieces": sum(done.pieces for done in counted),
        "distinct_pieces": sum(done.pieces for done in gathered),
        "distinct_bytes": sum(done.bytes for done in gathered),
    }
    return Counted(blocks, facts)


def choose_memory(workers: Workers) -> int:
    """Bytes for the table of one worker; several workers leave a process beside them that waits."""
    if workers.memory is None:
        return LARGEST_TABLE
    processes = workers.count + (workers.count > 1)
    left = (workers.memory - processes * MEMORY_OF_THE_REST) // workers.count
    return min(LARGEST_TABLE, max(LEAST_TABLE, left))


def group_files(files: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Files in order, some together: what a task does depends on the files alone."""
    sizes = [file.stat().st_size for file in files]
    most = min(BYTES_IN_TASK, sum(sizes) // LEAST_TASKS)
    group: list[Path] = []
    held = 0
    for file, size in zip(files, sizes, strict=True):
        if group and held + size > most:
            yield tuple(group)
            group, held = [], 0
        group.append(file)
        held += size
    if group:
        yield tuple(group)


def choose_ranges(counted: Sequence[Tally]) -> int:
    """How many ranges of the hash, a power of two, so that a table of one range is small.

    It depends on what is recorded of finished tasks alone: resumed with other memory, it is the same.
    """
    wanted = sum(done.size for done in counted) // BYTES_IN_RANGE
    return min(MOST_RANGES, 1 << wanted.bit_length())


def count_files(task: Counting) -> Tally:
    splitter = Splitter(task.settings.pattern)
    with compiling_once():
        warm_up(splitter)
    table, spills = Table(task.memory), Spills(task)
    pieces, documents, size = 0, 0, 0
    languages: Counter[str] = Counter()
    for file in task.files:
        for batch in read_batches(file, ["id", "text", "language", "domain", "draw"]):
            kept = keep_sample(batch, task.sample)
            if task.sample.keep is not None:
                languages.update(measure_languages(kept))
            text, offsets = text_buffers(kept["text"])
            pieces += count_texts(text, offsets, splitter, table, lambda: spills.write(table))
            documents += len(kept)
            size += int(offsets[-1] - offsets[0])
    spills.write(table)
    return Tally(spills.runs, spills.size, pieces, documents, size, dict(languages))


class Spills:
    """The runs that a task has written."""

    def __init__(self, task: Counting) -> None:
        self._task = task
        self.runs = self.size = 0

    def write(self, table: Table) -> None:
        """Empty the table into one more run."""
        pieces, hashes = table.take()
        Run(Block(self._task.folder, f"{self._task.name}-{self.runs:03d}")).write(pieces, hashes)
        self.runs += 1
        self.size += hashes.nbytes + sum(array.nbytes for array in pieces)


def count_texts(
    text: Bytes, offsets: Offsets, splitter: Splitter, table: Table, spill: Callable[[], None]
) -> int:
    """Cut and count; returns how many pieces there were."""
    place = np.array([0, offsets[0]], np.int64)
    ends = np.empty(PIECES_AT_ONCE, np.int64)
    found, first = 0, int(offsets[0])
    while written := splitter.split(text, offsets, place, ends):
        table.add(text, first, ends[:written], spill)
        first = int(ends[written - 1])
        found += written
    return found


def warm_up(splitter: Splitter) -> None:
    """Have every kernel compiled, or read."""
    table = Table(1 << 30)
    text, offsets = text_buffers(pa.array(["a few words"]))
    count_texts(text, offsets, splitter, table, refuse)
    table.grow()
    table.take()


def gather_range(task: Gathering) -> Gathered:
    pieces = gather(task.runs, task.number, task.ranges)
    task.block.write(pieces)
    return Gathered(pieces.counts.size, pieces.text.size)
