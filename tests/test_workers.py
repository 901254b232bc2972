"""Results come in the order of the tasks, nothing is done twice, and trouble is told in a sentence."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import Struct

from dspipe.recipe import DspipeError
from dspipe.shards import Journal
from dspipe.workers import NOWHERE, Place, Pool, Workers, mark


@dataclass(frozen=True)
class Square:
    number: int
    folder: Path


class Squared(Struct, frozen=True):
    square: int


def square(task: Square) -> Squared:
    with open(task.folder / "done", "a") as log:
        log.write(f"{task.number}\n")
    return Squared(task.number**2)


def fail(task: Square) -> Squared:
    raise DspipeError(f"{task.number} is no good")


def die(task: Square) -> Squared:
    os.kill(os.getpid(), signal.SIGKILL)
    return Squared(0)


@pytest.mark.parametrize("count", [1, 3])
def test_results_come_in_the_order_of_the_tasks_and_only_once(tmp_path: Path, count: int) -> None:
    tasks = [Square(n, tmp_path) for n in range(7)]
    pool, heard = Pool(count), []
    workers = Workers(
        pool, Journal(tmp_path / "progress"), lambda done, total, note: heard.append((done, total))
    )
    assert [result.square for result in workers.map(square, tasks[:4])] == [0, 1, 4, 9]
    assert [result.square for result in workers.map(square, tasks)] == [0, 1, 4, 9, 16, 25, 36]
    pool.close()
    assert sorted(int(line) for line in (tmp_path / "done").read_text().split()) == list(range(7))
    assert heard[-1] == (7, 7)


def test_a_sentence_comes_back_from_a_worker(tmp_path: Path) -> None:
    pool = Pool(2)
    with pytest.raises(DspipeError, match=r"[01] is no good"):
        Workers(pool, Journal(tmp_path / "p")).map(fail, [Square(n, tmp_path) for n in range(2)])
    pool.close()


def test_a_worker_that_is_killed_is_told_in_a_sentence(tmp_path: Path) -> None:
    pool = Pool(2)
    with pytest.raises(DspipeError, match="a worker process was killed"):
        Workers(pool, Journal(tmp_path / "p")).map(die, [Square(n, tmp_path) for n in range(2)])
    pool.close()


def test_memory_bounds_the_number_of_workers() -> None:
    assert Pool(16, 1 << 30).count == 2 and Pool(16, 1 << 20).count == 1 and Pool(3).count == 3


@dataclass(frozen=True)
class Walk:
    """Steps 0 … 9; one of them ends the process in the way of its number's rest when divided by three."""

    number: int
    folder: Path
    bad: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()


def walk(task: Walk) -> Squared:
    for step in range(10):
        mark(0, step)
        if step in task.bad and step not in task.skipped:
            with open(task.folder / "crashes", "a") as log:
                log.write(f"{task.number} {step}\n")
            (crash_by_signal, crash_by_reading, crash_by_aborting)[step % 3]()
    return Squared(10 * task.number + len(task.skipped))


def crash_by_signal() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def crash_by_reading() -> None:
    ctypes.string_at(0)


def crash_by_aborting() -> None:
    os.abort()


def skip(task: Walk, place: Place) -> Walk:
    if place == NOWHERE or place[1] in task.skipped:
        raise DspipeError(f"no way around {place} of {task.number}")
    return replace(task, skipped=(*task.skipped, place[1]))


def walk_blindly(task: Walk) -> Squared:
    """Not marked, or crashing whatever is skipped."""
    if task.bad:
        mark(0, task.bad[0])
    os.kill(os.getpid(), signal.SIGSEGV)
    return Squared(0)


def walk_and_be_killed(task: Walk) -> Squared:
    records = [task.folder / "progress" / f"walk_and_be_killed-{n:05d}-crashed.json" for n in (0, 1)]
    while task.number == 5 and not all(record.exists() for record in records):
        time.sleep(0.01)
    if task.number == 5 and not (task.folder / "killed").exists():
        (task.folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return walk(task)


@pytest.mark.parametrize("count", [1, 3])
def test_a_crash_costs_the_place_it_was_at(tmp_path: Path, count: int) -> None:
    tasks = [Walk(n, tmp_path, {1: (3,), 4: (0, 4, 8)}.get(n, ())) for n in range(6)]
    pool, journal = Pool(count), Journal(tmp_path / "progress")
    done = Workers(pool, journal).map(walk, tasks, skip)
    assert [result.square for result in done] == [0, 11, 20, 30, 43, 50]
    assert sorted((tmp_path / "crashes").read_text().split("\n")[:-1]) == ["1 3", "4 0", "4 4", "4 8"]
    os.remove(journal.folder / "walk-00004.json")  # a run that resumes does not crash again
    done = Workers(pool, journal).map(walk, tasks, skip)
    assert done[4].square == 43 and (tmp_path / "crashes").read_text().count("4 8") == 1
    assert [r.square for r in Workers(pool, journal).map(walk, [Walk(7, tmp_path)] * 6, skip, [0])] == [
        70, 11, 20, 30, 43, 50,
    ]  # fmt: skip
    pool.close()


@pytest.mark.parametrize("count", [1, 3])
def test_a_run_killed_between_crashes_goes_on(tmp_path: Path, count: int) -> None:
    tasks = [Walk(n, tmp_path, {0: (5,), 1: (3,)}.get(n, ())) for n in range(6)]
    for attempt in ("killed", "resumed"):
        pool = Pool(count)
        workers = Workers(pool, Journal(tmp_path / "progress"))
        if attempt == "killed":
            with pytest.raises(DspipeError, match="a worker process was killed"):
                workers.map(walk_and_be_killed, tasks, skip)
        else:
            done = workers.map(walk_and_be_killed, tasks, skip)
        pool.close()
    assert [result.square for result in done] == [1, 11, 20, 30, 40, 50]
    assert sorted((tmp_path / "crashes").read_text().split("\n")) == ["", "0 5", "1 3"]


@pytest.mark.parametrize(
    ("bad", "message"), [((), r"no way around \(-1, -1\) of 0"), ((5,), r"\(0, 5\) of 0")]
)
def test_a_crash_that_nothing_avoids_ends_the_run(tmp_path: Path, bad: tuple[int, ...], message: str) -> None:
    pool, begun = Pool(1), time.monotonic()
    with pytest.raises(DspipeError, match=message):
        Workers(pool, Journal(tmp_path / "p")).map(walk_blindly, [Walk(0, tmp_path, bad)], skip)
    pool.close()
    assert time.monotonic() - begun < 30


def test_a_crash_is_not_survived_where_nobody_can_say_how(tmp_path: Path) -> None:
    pool = Pool(2)
    with pytest.raises(DspipeError, match="a worker process was killed"):
        Workers(pool, Journal(tmp_path / "p")).map(walk_blindly, [Walk(n, tmp_path) for n in range(2)])
    pool.close()
