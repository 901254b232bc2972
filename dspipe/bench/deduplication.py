"""A `filtered` artifact → what the stage `dedup` removes of it, how long it takes and in how much memory.

The memory of a process is counted twice: all that it has held at once, with the pages of files that it maps,
and what is its own alone (anonymous), without files, whose pages the system takes back when it needs room.
Both are looked at twenty times a second.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dspipe.bench.contenders import Alone
from dspipe.bench.documents import HEADER
from dspipe.bench.machine import read_lines
from dspipe.dedup.stage import run
from dspipe.recipe import Dedup
from dspipe.shards import Artifact, Counts, Journal, Output, open_artifact
from dspipe.workers import Pool, Workers

BETWEEN = 0.05  # seconds


@dataclass(frozen=True)
class Peaks:
    """The most bytes at once, 0 where the system does not tell."""

    largest: int = 0  # of one process, mapped files included
    largest_own: int = 0  # of one process, files not included
    all_own: int = 0  # of all processes of the run together, files not included


@dataclass(frozen=True)
class Run:
    settings: Dedup
    filtered: Path
    workers: int
    memory: int | None
    folder: Path  # for what the stage makes, which is removed
    warm: Path  # what it is run on before, so that processes are started and kernels are there


@dataclass(frozen=True)
class Ran:
    seconds: float
    counts: Counts
    facts: dict[str, Any] = field(default_factory=dict)
    peaks: Peaks = field(default_factory=Peaks)


@contextmanager
def deduplicated(
    settings: Dedup, filtered: Artifact, folder: Path, pool: Pool | None = None
) -> Iterator[Artifact]:
    """`distinct`, in a folder of its own, removed afterwards; made in this process without a pool."""
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        journal = Journal(place / ".progress" / "dedup")
        output = Output(place / "distinct", HEADER)
        run(settings, filtered, output, Workers(pool, journal) if pool else Alone(Pool(1), journal))
        yield open_artifact(output.folder)
    finally:
        shutil.rmtree(place)


def deduplicate(settings: Dedup, filtered: Artifact, folder: Path, pool: Pool | None = None) -> Counts:
    """The same, to be timed."""
    with deduplicated(settings, filtered, folder, pool) as distinct:
        return distinct.manifest.counts


def read_removed(distinct: Artifact) -> list[dict[str, Any]]:
    """The evidence: a row for each document that went."""
    rows: list[dict[str, Any]] = pq.read_table(distinct.folder / "removed.parquet").to_pylist()
    return [row for row in rows if row["kind"] not in ("line", "substring")]


def run_alone(task: Run) -> Ran:
    """Run the stage in a new process, and its workers below that."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        return executor.submit(run_watched, task).result()


def run_watched(task: Run) -> Ran:
    pool = Pool(task.workers, task.memory)
    try:
        deduplicate(task.settings, open_artifact(task.warm), task.folder, pool)
        with watching() as watch:
            begun = time.perf_counter()
            with deduplicated(task.settings, open_artifact(task.filtered), task.folder, pool) as distinct:
                seconds = time.perf_counter() - begun
                watch.look()
                manifest = distinct.manifest
        return Ran(seconds, manifest.counts, manifest.facts, watch.peaks)
    finally:
        pool.close()


class Watch:
    """The peaks of this process and of those below it, as far as they have been looked at."""

    def __init__(self) -> None:
        self.peaks = Peaks()

    def look(self) -> None:
        seen = [read_sizes(process) for process in (os.getpid(), *list_children(os.getpid()))]
        largest, own = max(size for size, _ in seen), [one for _, one in seen]
        self.peaks = Peaks(
            max(self.peaks.largest, largest),
            max(self.peaks.largest_own, *own),
            max(self.peaks.all_own, sum(own)),
        )


@contextmanager
def watching() -> Iterator[Watch]:
    watch, done = Watch(), threading.Event()

    def look() -> None:
        while not done.wait(BETWEEN):
            watch.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()


def list_children(process: int) -> list[int]:
    """The processes that a process has started and that are there now."""
    files = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for file in files for line in read_lines(file) for child in line.split()]


def read_sizes(process: int) -> tuple[int, int]:
    """(the most bytes that a process has held, its own bytes now); zeros where the system does not tell."""
    found = {"VmHWM": 0, "RssAnon": 0}
    for line in read_lines(Path(f"/proc/{process}/status")):
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) << 10
    return found["VmHWM"], found["RssAnon"]
