"""Runs one function over many tasks, in this process or in several, and remembers what is finished.

Processes are spawned, not forked (threads and locks of Arrow or numba do not survive a fork). Tasks are plain
values, results are small records; what a task makes, it writes to disk itself. Results come back in the order
of the tasks whatever finished first, so nothing downstream can depend on the number of workers. This file is
the seam for more than one machine, which this version does not have.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_type_hints

from dspipe.recipe import DspipeError

Task = TypeVar("Task")
Result = TypeVar("Result")
Record = TypeVar("Record")

MEMORY_OF_A_WORKER = 400 << 20  # interpreter, Arrow, kernels, language tables and one row group, measured


class Records(Protocol):
    """Where finished tasks are remembered; see `shards.Journal`."""

    @property
    def scratch(self) -> Path: ...
    def load(self, key: str, kind: type[Record]) -> Record | None: ...
    def save(self, key: str, record: object) -> None: ...


class Pool:
    """The processes of a run, started when first needed and shared by its stages."""

    def __init__(self, count: int, memory: int | None = None) -> None:
        self.memory = memory
        self.count = max(1, min(count, (memory or 1 << 62) // MEMORY_OF_A_WORKER))
        self._executor: ProcessPoolExecutor | None = None

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(self.count, get_context("spawn"), become_a_worker)
        # submitting may start a process, which takes over that interrupts are ignored, from its first moment
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return self._executor.submit(function, task)
        finally:
            signal.signal(signal.SIGINT, handler)

    def close(self) -> None:
        """End the processes without waiting for what they are doing; unfinished parts have no name yet."""
        if self._executor is not None:
            for process in list((self._executor._processes or {}).values()):
                process.terminate()
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


class Workers:
    """What a stage is given to do its tasks with."""

    def __init__(
        self, pool: Pool, journal: Records, progress: Callable[[int, int], None] | None = None
    ) -> None:
        self._pool = pool
        self._journal = journal
        self._progress = progress
        self.count = pool.count
        self.memory = pool.memory  # bytes, None where no limit was given

    @property
    def scratch(self) -> Path:
        """A folder for intermediate files that is removed when the stage is done."""
        return self._journal.scratch

    def report(self, done: int, total: int) -> None:
        """Tell whoever watches how far the work is."""
        if self._progress is not None:
            self._progress(done, total)

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
        """Apply a module-level function to every task that an interrupted run has not finished already."""
        kind: Any = get_type_hints(function)["return"]
        keys = [f"{function.__name__}-{number:05d}" for number in range(len(tasks))]
        results: list[Any] = [self._journal.load(key, kind) for key in keys]
        todo = [number for number, result in enumerate(results) if result is None]
        self.report(len(tasks) - len(todo), len(tasks))
        run = self._run_here if self.count == 1 or len(todo) == 1 else self._run_in_pool
        for done, (number, result) in enumerate(run(function, tasks, todo), len(tasks) - len(todo) + 1):
            self._journal.save(keys[number], result)
            results[number] = result
            self.report(done, len(tasks))
        return results

    def _run_here(
        self, function: Callable[[Any], Any], tasks: Sequence[Any], todo: list[int]
    ) -> Iterator[tuple[int, Any]]:
        for number in todo:
            yield number, function(tasks[number])

    def _run_in_pool(
        self, function: Callable[[Any], Any], tasks: Sequence[Any], todo: list[int]
    ) -> Iterator[tuple[int, Any]]:
        """Yield (number of the task, its result) as they finish."""
        pending: dict[Future[Any], int] = {}
        try:
            for number in todo:
                pending[self._pool.submit(function, tasks[number])] = number
            for future in as_completed(pending):
                yield pending[future], future.result()
        except BrokenProcessPool:
            raise DspipeError(
                "a worker process was killed, most often for lack of memory; "
                "run the same command again with fewer --workers: finished parts are kept"
            ) from None
        finally:
            for future in pending:
                future.cancel()


def become_a_worker() -> None:
    """Set up a spawned process: one thread a library, interrupts left to the parent, no life without it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    threading.Thread(target=die_with_parent, daemon=True).start()
    import pyarrow as pa

    pa.set_cpu_count(1)


def die_with_parent() -> None:
    """A worker of a run that was killed must not go on writing beside the run that resumes."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
