"""Sorted runs on disk → ranges of keys that fit into memory, each gathered from all the runs.

A run is two arrays of one length in files beside each other: sorted keys, and what goes with each. What has
to be brought together (equal hashes, the documents in their order) is never sorted as a whole: a task takes
one range of keys out of every run. The ranges depend on the keys alone, so that tasks mean the same after an
interruption, on however many workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dspipe.shards import open_array, write_array

Array = npt.NDArray[Any]

BYTES_IN_RANGE = 8 << 20
STEP = 2048  # of so many keys, counted through all runs, one is looked at


@dataclass(frozen=True)
class Run:
    """Where a run lies; the files end in `-keys.npy` and `-values.npy`."""

    folder: Path
    name: str

    @property
    def keys(self) -> Path:
        return self.folder / f"{self.name}-keys.npy"

    @property
    def values(self) -> Path:
        return self.folder / f"{self.name}-values.npy"


@dataclass(frozen=True)
class Range:
    """From the key `low` on up to below `high`; None: no bound."""

    low: Any
    high: Any


@dataclass(frozen=True)
class Slice:
    """What a run has in a range."""

    run: int  # its number
    keys: Array
    values: Array


def write_run(run: Run, keys: Array, values: Array) -> None:
    """Sort, and write."""
    order = np.argsort(keys, kind="stable")
    write_array(run.values, values[order])
    write_array(run.keys, keys[order])


def divide(runs: Sequence[Run], most: int = BYTES_IN_RANGE) -> list[Range]:
    """Ranges that hold about `most` bytes each, in the order of the keys; a key is never divided.

    Each has a key: its bounds are keys, and the first range ends behind the least.
    """
    samples, firsts, size, seen = [], [], 0, 0
    for run in runs:
        keys, values = open_run(run)
        samples.append(keys[(STEP // 2 - seen) % STEP :: STEP])  # short runs have their share, too
        firsts.append(keys[:1])
        seen += len(keys)
        size += len(keys) * (keys.itemsize + values.itemsize)
    wanted = -(-size // most)
    if wanted < 2:
        return [Range(None, None)] if size else []
    sample = np.sort(np.concatenate(samples))
    places = np.arange(1, wanted) * len(sample) // wanted
    least = np.sort(np.concatenate(firsts)).tolist()[0]
    bounds: list[Any] = [key for key in dict.fromkeys(sample[places].tolist()) if key != least]
    return [Range(low, high) for low, high in zip([None, *bounds], [*bounds, None], strict=True)]


def gather(runs: Sequence[Run], wanted: Range) -> list[Slice]:
    """What the runs have in a range, without the runs that have nothing; the arrays are on disk."""
    slices = []
    for number, run in enumerate(runs):
        keys, values = open_run(run)
        first = 0 if wanted.low is None else np.searchsorted(keys, as_key(wanted.low, keys), "left")
        last = len(keys) if wanted.high is None else np.searchsorted(keys, as_key(wanted.high, keys), "left")
        if last > first:
            slices.append(Slice(number, keys[first:last], values[first:last]))
    return slices


def as_key(bound: Any, keys: Array) -> Any:
    """A bound in the type of the keys: numpy would else compare large integers as floats."""
    return np.array(bound, keys.dtype)


def open_run(run: Run) -> tuple[Array, Array]:
    return open_array(run.keys), open_array(run.values)
