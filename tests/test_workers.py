"""Results come in the order of the tasks, nothing is done twice, and trouble is told in a sentence."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import Struct

from dspipe.recipe import DspipeError
from dspipe.shards import Journal
from dspipe.workers import Pool, Workers


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
    workers = Workers(pool, Journal(tmp_path / "progress"), lambda done, total: heard.append((done, total)))
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
