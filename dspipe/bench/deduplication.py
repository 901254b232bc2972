"""A `filtered` artifact → what the stage `dedup` removes of it, how long it takes and in how much memory."""

from __future__ import annotations

import shutil
import tempfile
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
from dspipe.bench.watch import Peaks, watching
from dspipe.dedup.stage import run
from dspipe.recipe import Dedup
from dspipe.shards import Artifact, Counts, Journal, Output, open_artifact
from dspipe.workers import Pool, Workers


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
