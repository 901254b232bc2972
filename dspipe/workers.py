"""Runs one function over many tasks, in this process or in several, and remembers what is finished.

Processes are spawned, not forked (threads and locks of Arrow or numba do not survive a fork). Tasks are plain
values, results are small records; what a task makes, it writes to disk itself. Results come back in the order
of the tasks whatever finished first, so nothing downstream can depend on the number of workers. This file is
the seam for more than one machine, which this version does not have.

A worker process that dies of a fault in native code costs what it was at, not the run, where a stage can say
how a task goes on without that. Processes note where they are in a few bytes of mapped memory, which the
system keeps when they die.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import reduce
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_type_hints

from dspipe.recipe import DspipeError

Task = TypeVar("Task")
Result = TypeVar("Result")
Record = TypeVar("Record")

Place = tuple[int, int]  # in a task, what the stage makes of it: a file and an offset

NOWHERE: Place = (-1, -1)
NO_TASK = -1
BYTES_IN_MARK = 24  # three numbers
FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)  # of native code
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
        self._processes: dict[int, BaseProcess] = {}

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(self.count, get_context("spawn"), become_a_worker)
        # submitting may start a process, which takes over that interrupts are ignored, from its first moment
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return self._executor.submit(function, task)
        finally:
            signal.signal(signal.SIGINT, handler)
            self._processes.update(self._executor._processes or {})

    def close(self) -> None:
        """End the processes without waiting for what they are doing; unfinished parts have no name yet."""
        if self._executor is not None:
            for process in list((self._executor._processes or {}).values()):
                process.terminate()
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None
            self._processes = {}

    def bury(self) -> dict[int, int | None]:
        """After the pool broke: wait for its processes, and return how each ended, by its number.

        The executor terminates those that were not at fault. The next task starts the pool again.
        """
        processes = self._processes
        self.close()
        return {number: process.exitcode for number, process in processes.items()}


class Workers:
    """What a stage is given to do its tasks with."""

    def __init__(
        self,
        pool: Pool,
        journal: Records,
        progress: Callable[[int, int, str], None] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._pool = pool
        self._journal = journal
        self._progress = progress
        self._say = say
        self.count = pool.count
        self.memory = pool.memory  # bytes, None where no limit was given

    @property
    def scratch(self) -> Path:
        """A folder for intermediate files that is removed when the stage is done."""
        return self._journal.scratch

    def report(self, done: int, total: int, note: str = "") -> None:
        """Tell whoever watches how far the work is, and what there is to see of it."""
        if self._progress is not None:
            self._progress(done, total, note)

    def say(self, line: str) -> None:
        """Tell whoever watches what was decided, such as which kernels this machine runs."""
        if self._say is not None:
            self._say(line)

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        after_crash: Callable[[Task, Place], Task] | None = None,
        again: Collection[int] = (),
    ) -> list[Result]:
        """Apply a module-level function to every task that an interrupted run has not finished already.

        With `after_crash` tasks run in processes of their own, and when one dies of a fault at a place that
        it has marked, the task runs again as `after_crash(task, place)`, which may raise instead; so it does
        in a run that resumes. `again` are numbers of tasks that have changed since they were finished.
        """
        kind: Any = get_type_hints(function)["return"]
        keys = [f"{function.__name__}-{number:05d}" for number in range(len(tasks))]
        results: list[Any] = [
            None if number in again else self._journal.load(key, kind) for number, key in enumerate(keys)
        ]
        todo = {number: tasks[number] for number, result in enumerate(results) if result is None}
        self.report(len(tasks) - len(todo), len(tasks))
        if after_crash is not None:
            run = self._run_isolated(function, todo, keys, after_crash)
        elif self.count == 1 or len(todo) == 1:
            run = ((number, function(task)) for number, task in todo.items())
        else:
            run = self._run_in_pool(function, todo)
        try:
            for done, (number, result) in enumerate(run, len(tasks) - len(todo) + 1):
                self._journal.save(keys[number], result)
                results[number] = result
                self.report(done, len(tasks))
        except BrokenProcessPool:
            raise DspipeError(
                "a worker process was killed, most often for lack of memory; "
                "run the same command again with fewer --workers: finished parts are kept"
            ) from None
        return results

    def _run_in_pool(
        self, function: Callable[[Any], Any], tasks: dict[int, Any]
    ) -> Iterator[tuple[int, Any]]:
        """Yield (number of the task, its result) as they finish; of a broken pool, all that did finish."""
        pending: dict[Future[Any], int] = {}
        broken: Future[Any] | None = None
        try:
            for number, task in tasks.items():
                pending[self._pool.submit(function, task)] = number
            for future in as_completed(pending):
                if isinstance(future.exception(), BrokenProcessPool):
                    broken = future
                else:
                    yield pending[future], future.result()
            if broken is not None:
                broken.result()
        finally:
            for future in pending:
                future.cancel()

    def _run_isolated(
        self,
        function: Callable[[Any], Any],
        todo: dict[int, Any],
        keys: list[str],
        after_crash: Callable[[Any, Place], Any],
    ) -> Iterator[tuple[int, Any]]:
        """The same in processes that may crash; what killed one is remembered before the work goes on."""
        records = {number: f"{keys[number]}-crashed" for number in todo}
        crashed = {number: self._journal.load(key, list[Place]) or [] for number, key in records.items()}
        left = {number: reduce(after_crash, crashed[number], task) for number, task in todo.items()}
        marks = self.scratch / "marks"
        while left:
            shutil.rmtree(marks, ignore_errors=True)
            calls = {number: MarkedCall(function, task, number, marks) for number, task in left.items()}
            try:
                for number, result in self._run_in_pool(run_marked, calls):
                    del left[number]
                    yield number, result
            except BrokenProcessPool:
                codes = self._pool.bury()
                for number, place in find_crashes(codes, marks):
                    left[number] = after_crash(left[number], place)
                    crashed[number].append(place)
                    self._journal.save(records[number], crashed[number])
                if -signal.SIGKILL in codes.values() or not any(is_fault(code) for code in codes.values()):
                    raise


@dataclass(frozen=True)
class MarkedCall:
    function: Callable[[Any], Any]
    task: Any
    number: int
    marks: Path


class Mark:
    """Where this process is: a few numbers in a file that is mapped, and so outlives a crash."""

    path: Path | None = None
    numbers: Any = None  # of the task, and the place in it


def run_marked(call: MarkedCall) -> Any:
    """Do a task in a worker process that leaves a mark of where it is."""
    path = call.marks / str(os.getpid())
    if Mark.path != path or not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(BYTES_IN_MARK))  # a full disk is told here; in mapped memory it would kill
        with open(path, "r+b") as file:
            Mark.path, Mark.numbers = path, memoryview(mmap.mmap(file.fileno(), BYTES_IN_MARK)).cast("q")
    Mark.numbers[0] = call.number
    mark(*NOWHERE)
    try:
        return call.function(call.task)
    finally:
        Mark.numbers[0] = NO_TASK


def mark(file: int, offset: int) -> None:
    """Note what is to blame if this process dies of a fault now."""
    numbers = Mark.numbers
    if numbers is not None:
        numbers[1] = file
        numbers[2] = offset


def find_crashes(codes: dict[int, int | None], marks: Path) -> Iterator[tuple[int, Place]]:
    """Yield (number of the task, place in it) for every process that died of a fault.

    Raises:
        DspipeError: one died that had no task.
    """
    for process, code in codes.items():
        if is_fault(code):
            try:
                number, file, offset = memoryview((marks / str(process)).read_bytes()).cast("q")
            except FileNotFoundError:
                number = NO_TASK
            if number == NO_TASK:
                raise DspipeError(
                    "a worker process crashed without a task; check the installation, and run the same "
                    "command again: finished parts are kept"
                )
            yield number, (file, offset)


def is_fault(code: int | None) -> bool:
    return code is not None and -code in FAULTS


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
