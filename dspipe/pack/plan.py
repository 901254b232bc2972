"""Numbers and lengths of documents → rows: which chunk of which document lies in which row.

Documents are fitted together a window at a time. The rows that a window leaves with room are taken apart and
their chunks are fitted again with the next one, each at most `MOST_WAITS` times: so hardly any window but the
last leaves padding, and no chunk is put off for ever. The mixture comes shuffled, and a
window is a stretch of it, so the shares of the mixture hold in every window.

Best fit leaves the rows of a window in the order of their longest chunk; they are shuffled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dspipe.pack.fitting import sort_by_key
from dspipe.pack.gaps import fit_closely
from dspipe.recipe import Pack
from dspipe.shards import open_array, write_array
from dspipe.text.hashing import draw

Integers = npt.NDArray[np.int64]

CHUNK = np.dtype(
    [
        ("document", np.int64),
        ("start", np.int32),  # which of the document's tokens is its first
        ("length", np.int32),
        ("waits", np.int32),  # how often it was put off
    ]
)
MOST_WAITS = 4


@dataclass(frozen=True)
class Plan:
    """Some rows: chunks[bounds[i] : bounds[i + 1]], of `CHUNK`, lie in row i; `cut` documents are cut."""

    chunks: npt.NDArray[np.void]
    bounds: Integers
    cut: int

    @property
    def rows(self) -> int:
        return len(self.bounds) - 1


def save_plan(plan: Plan, folder: Path) -> None:
    write_array(folder / "chunks.npy", plan.chunks)
    write_array(folder / "bounds.npy", plan.bounds)


def open_plan(folder: Path) -> Plan:
    return Plan(open_array(folder / "chunks.npy"), open_array(folder / "bounds.npy"), 0)


def plan_windows(
    windows: Iterable[tuple[Integers, Integers]], row_length: int, settings: Pack
) -> Iterator[Plan]:
    """Yield the rows of each window of (numbers, lengths) of documents."""
    carried = np.empty(0, CHUNK)
    held = None
    for number, window in enumerate(windows, -1):
        if held is not None:
            plan, carried = plan_window(held, carried, number, row_length, settings)
            yield plan
        held = window
    if held is not None:
        yield plan_window(held, carried, None, row_length, settings)[0]


def plan_window(
    window: tuple[Integers, Integers],
    carried: npt.NDArray[np.void],
    number: int | None,
    row_length: int,
    settings: Pack,
) -> tuple[Plan, npt.NDArray[np.void]]:
    """The rows of a window and of what earlier ones left, and the chunks that this one leaves.

    number: of the window; None for the last, which leaves nothing.
    """
    if settings.mode == "concatenate":
        chunks, row, cut = concatenate(np.concatenate([carried, whole(*window)]), row_length)
        stays = np.bincount(row, chunks["length"]) == row_length
    else:
        chunks = np.concatenate([carried, cut_documents(*window, row_length, settings.overlap)])
        cut = int((window[1] > row_length).sum())
        lengths = np.ascontiguousarray(chunks["length"])
        row, count = fit_closely(lengths, row_length, settings.max_documents)
        stays = np.bincount(row, chunks["length"], count) == row_length
        stays[row[chunks["waits"] == MOST_WAITS]] = True
    stays |= number is None
    kept = stays[row]
    renumbered = np.cumsum(stays) - 1
    order = shuffle(int(stays.sum()), settings.seed or 0, row_length, -1 if number is None else number)
    chunks["waits"] += 1
    return arrange(chunks[kept], order[renumbered[row[kept]]], len(order), cut), chunks[~kept]


def whole(numbers: Integers, lengths: Integers) -> npt.NDArray[np.void]:
    """Each document as one chunk, however long."""
    chunks = np.zeros(len(numbers), CHUNK)
    chunks["document"], chunks["length"] = numbers, lengths
    return chunks


def cut_documents(
    numbers: Integers, lengths: Integers, row_length: int, overlap: int = 0
) -> npt.NDArray[np.void]:
    """Cut the documents that are longer than a row into whole rows and a rest, none of the others.

    Each further chunk begins with the last `overlap` tokens of the one before it.
    """
    step = row_length - overlap
    counts = 1 + np.maximum(0, -((row_length - lengths) // step))
    document = np.repeat(np.arange(len(numbers)), counts)
    chunks = np.zeros(len(document), CHUNK)
    chunks["document"] = numbers[document]
    chunks["start"] = (np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)) * step
    chunks["length"] = np.minimum(lengths[document] - chunks["start"], row_length)
    return chunks


def concatenate(
    chunks: npt.NDArray[np.void], row_length: int
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int32], int]:
    """Lay chunks one behind the other and cut them where rows end; their rows; how many documents are cut."""
    ends = np.cumsum(chunks["length"], dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.union1d(ends, np.arange(row_length, total, row_length))
    begins = np.concatenate([np.zeros(min(1, len(cuts)), np.int64), cuts[:-1]])
    source = np.searchsorted(ends, begins, side="right")
    made = np.zeros(len(cuts), CHUNK)
    made["document"] = chunks["document"][source]
    made["start"] = chunks["start"][source] + begins - (ends - chunks["length"])[source]
    made["length"] = cuts - begins
    whole_ones = (made["start"] == 0) & (made["length"] == chunks["length"][source])
    cut = int((chunks["start"] == 0).sum() - whole_ones.sum())
    return made, (begins // row_length).astype(np.int32), cut


def shuffle(rows: int, seed: int, row_length: int, window: int) -> Integers:
    """A new number for each row of a window, by hash."""
    places = np.stack([np.full(rows, window), np.arange(rows)], axis=1).astype(np.uint64)
    numbers = np.empty(rows, np.int64)
    numbers[np.argsort(draw(seed, f"rows of {row_length}", places), kind="stable")] = np.arange(rows)
    return numbers


def arrange(chunks: npt.NDArray[np.void], row: npt.NDArray[np.integer], rows: int, cut: int) -> Plan:
    """Chunks by row, those of a row in the order in which they came."""
    order, ends = np.empty(len(row), np.int64), np.zeros(rows + 1, np.int64)
    sort_by_key(row.astype(np.int64), ends, order)
    return Plan(chunks[order], np.concatenate([[0], ends[:-1]]), cut)


def plan_apart(
    groups: Iterable[tuple[Integers, Integers]], row_length: int, settings: Pack
) -> tuple[Plan, Integers]:
    """Rows of held-out documents, each of one group; and the group of each row."""
    plans = [plan_window(group, np.empty(0, CHUNK), None, row_length, settings)[0] for group in groups]
    chunks = np.concatenate([np.empty(0, CHUNK), *(plan.chunks for plan in plans)])
    counts = np.concatenate([np.empty(0, np.int64), *(np.diff(plan.bounds) for plan in plans)])
    bounds = np.concatenate([[0], np.cumsum(counts)])
    group = np.repeat(np.arange(len(plans)), [plan.rows for plan in plans])
    return Plan(chunks, bounds, sum(plan.cut for plan in plans)), group
