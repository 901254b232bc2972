"""A process and those below it → the most memory that they have held at once, while something ran.

The memory of a process is counted twice: all that it has held at once, with the pages of files that it maps,
and what is its own alone (anonymous), without files, whose pages the system takes back when it needs room.
Both are looked at twenty times a second.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dspipe.bench.machine import read_lines

BETWEEN = 0.05  # seconds


@dataclass(frozen=True)
class Peaks:
    """The most bytes at once, 0 where the system does not tell."""

    largest: int = 0  # of one process, mapped files included
    largest_own: int = 0  # of one process, files not included
    all_own: int = 0  # of all processes of the run together, files not included


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
